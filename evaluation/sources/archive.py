"""Reads a zip file of images in memory, without extracting it."""

import io
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from evaluation.errors import InputError
from evaluation.sources import pictures
from evaluation.sources.images import Images, check_not_empty
from evaluation.sources.pictures import SUFFIXES, Picture

MOST_BYTES = 256 << 30  # of all members together, unpacked
MOST_MEMBERS = 20_000_000
MOST_MEMBER_BYTES = 1 << 30  # of one image file, unpacked
SMALL_BYTES = 1 << 28  # unpacked; smaller archives may have any ratio
MOST_RATIO = 200  # unpacked over packed size; about 1 for photographs, up to 100 for bitmaps
ENCRYPTED = 1  # in a member's flag_bits


def read(path: str, size_px: int | None = None, skip_corrupt: bool = False) -> Images:
    """Reads every image in a zip file, in natural order, like `folder.read`.

    If all images lie in one top folder, labels come from its sub-folders.

    Args:
      path: a .zip file.
      size_px: side of the square that each image is cropped and resized to; None keeps the size.
      skip_corrupt: leave out members that cannot be decoded.

    Raises:
      InputError: the archive is damaged, encrypted, too large when unpacked, or has unsafe names;
        and the errors of `folder.read`.
    """
    try:
        opened = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(
            f"{path} cannot be read as a zip file ({error}); create it again."
        ) from None
    members = [member for member in opened.infolist() if not member.is_dir()]
    check_members(members, path)
    images = [member for member in members if _is_image(member.filename)]
    images.sort(key=lambda member: pictures.natural(member.filename))
    _check_images(images, path)
    top = _top_folder([member.filename for member in images])
    listed = [_picture(opened, member, path, top) for member in images]
    decoded = pictures.read(lambda: listed, path, size_px, skip_corrupt)
    if isinstance(decoded.images, np.ndarray):
        opened.close()
    labels, class_names = pictures.labels_of_folders(decoded.places)
    return Images(decoded.images, labels, class_names, path, decoded.skipped, files=decoded.places)


def check_members(members: list[zipfile.ZipInfo], path: str) -> None:
    """Refuses zip bombs, and member names that point outside the archive's folder.

    The sizes are those of the archive's directory; zipfile unpacks no member beyond its size there.

    Raises:
      InputError: too many members, too many bytes, too high a compression ratio, or an unsafe name.
    """
    for member in members:
        name = member.filename
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if ".." in parts or name.startswith(("/", "\\")) or PureWindowsPath(name).drive:
            raise InputError(
                f"{path} has a member named {name!r}, which points outside of it; create the "
                "archive again with names below one folder."
            )
    unpacked = sum(member.file_size for member in members)
    packed = max(Path(path).stat().st_size, 1)  # not the sum over members: they may share bytes
    if len(members) > MOST_MEMBERS or unpacked > MOST_BYTES:
        raise InputError(
            f"{path} has {len(members)} members of {unpacked >> 30} GiB in all; at most "
            f"{MOST_MEMBERS} and {MOST_BYTES >> 30} GiB are read: split it."
        )
    if unpacked > SMALL_BYTES and unpacked > MOST_RATIO * packed:
        raise InputError(
            f"{path} would grow {unpacked // packed} times when unpacked; more than {MOST_RATIO} "
            "times may be an attack: if you trust it, unpack it yourself and give the folder."
        )


def _check_images(images: list[zipfile.ZipInfo], path: str) -> None:
    rule = f"it may hold {', '.join(SUFFIXES)}, also in folders"
    check_not_empty(len(images), path, rule)
    for member in images:
        if member.flag_bits & ENCRYPTED:
            raise InputError(f"{path}: {member.filename} is encrypted; decrypt it.")
        if member.file_size > MOST_MEMBER_BYTES:
            raise InputError(
                f"{path}: {member.filename} has {member.file_size} bytes when unpacked; an image "
                f"has at most {MOST_MEMBER_BYTES}: remove it."
            )
    names = [member.filename for member in images]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path} has two members named {twice}; create it again.")


def _is_image(name: str) -> bool:
    """Returns whether a member is an image and not one of the hidden files that macOS adds."""
    place = PurePosixPath(name)
    hidden = "__MACOSX" in place.parts or place.name.startswith("._")
    return place.suffix.lower() in SUFFIXES and not hidden


def _top_folder(names: list[str]) -> str:
    """Returns the one top folder of all names, with its slash; "" if there is no such folder."""
    tops = {name.split("/")[0] if "/" in name else "" for name in names}
    top = tops.pop() if len(tops) == 1 else ""
    return f"{top}/" if top else ""


def _picture(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str, top: str) -> Picture:
    name = f"{path}/{member.filename}"

    def open_member() -> io.BytesIO:
        try:
            return io.BytesIO(archive.read(member))
        except NotImplementedError as error:  # a compression method that zipfile lacks
            raise OSError(str(error)) from None

    return pictures.from_file(
        open_member,
        member.filename.removeprefix(top),
        name,
        listed=f"{member.file_size} bytes, CRC {member.CRC}",
    )

"""A zip file of images, read in memory: nothing is extracted."""

import io
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

from PIL import Image

from evaluation.errors import InputError
from evaluation.sources import pictures
from evaluation.sources.images import Images, check_not_empty
from evaluation.sources.pictures import SUFFIXES, Picture

MOST_BYTES = 256 << 30  # of all members, unpacked
MOST_MEMBERS = 20_000_000
MOST_MEMBER_BYTES = 1 << 30  # of one image file
SMALL_BYTES = 1 << 28  # an archive of fewer, unpacked, cannot harm by its ratio
MOST_RATIO = 200  # unpacked over packed: photographs have 1, drawings as bitmaps some tens
ENCRYPTED = 1  # in a member's flag_bits


def read(path: str, size_px: int | None = None, skip_corrupt: bool = False) -> Images:
    """Reads every image in a zip file, in natural order, as `folder.read` does of a folder.

    A single folder at the top stands for the whole.

    Args:
      path: a .zip file.
      size_px: side of the square that each image is cropped and resized to; None keeps the size.
      skip_corrupt: leave out members that cannot be decoded.

    Raises:
      InputError: damaged, encrypted, of unsafe names, too large when unpacked; and what a folder
        is refused for.
    """
    try:
        opened = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(f"{path} cannot be read as a zip file ({error}); pack it anew.") from None
    with opened as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        check_members(members, path)
        images = [member for member in members if _is_image(member.filename)]
        images.sort(key=lambda member: pictures.natural(member.filename))
        _check_images(images, path)
        top = _top_folder([member.filename for member in images])
        listed = [_picture(archive, member, path, top) for member in images]
        found = pictures.read(lambda: listed, path, size_px, skip_corrupt)
    labels, class_names = pictures.labels_of_folders(found.places)
    return Images(found.images, labels, class_names, path, found.skipped, files=found.places)


def check_members(members: list[zipfile.ZipInfo], path: str) -> None:
    """Refuses archives that explode, and names that would leave a folder, were they unpacked.

    zipfile unpacks no member beyond the size that the archive's directory states, so that what is
    checked here holds.

    Raises:
      InputError: too many members, too large, too much packed, or an unsafe name.
    """
    for member in members:
        name = member.filename
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if ".." in parts or name.startswith(("/", "\\")) or PureWindowsPath(name).drive:
            raise InputError(
                f"{path} has a member named {name!r}, which points outside of it; pack it anew "
                "with names below one folder."
            )
    unpacked = sum(member.file_size for member in members)
    packed = max(Path(path).stat().st_size, 1)  # members may share bytes: their own sums lie
    if len(members) > MOST_MEMBERS or unpacked > MOST_BYTES:
        raise InputError(
            f"{path} has {len(members)} members of {unpacked >> 30} GiB in all; at most "
            f"{MOST_MEMBERS} and {MOST_BYTES >> 30} GiB are read: split it."
        )
    if unpacked > SMALL_BYTES and unpacked > MOST_RATIO * packed:
        raise InputError(
            f"{path} would grow {unpacked // packed} times when unpacked; more than {MOST_RATIO} "
            "times is taken for an attack: unpack it yourself if you know it."
        )


def _check_images(images: list[zipfile.ZipInfo], path: str) -> None:
    holds = f"it may hold {', '.join(SUFFIXES)}, also in folders"
    check_not_empty(len(images), path, holds)
    for member in images:
        if member.flag_bits & ENCRYPTED:
            raise InputError(f"{path}: {member.filename} is encrypted; pack it anew without.")
        if member.file_size > MOST_MEMBER_BYTES:
            raise InputError(
                f"{path}: {member.filename} has {member.file_size} bytes when unpacked; an image "
                f"has at most {MOST_MEMBER_BYTES}: remove it."
            )
    names = [member.filename for member in images]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path} has two members named {twice}; pack it anew.")


def _is_image(name: str) -> bool:
    """Whether a name is an image's, and none of what macOS adds beside each."""
    place = PurePosixPath(name)
    hidden = "__MACOSX" in place.parts or place.name.startswith("._")
    return place.suffix.lower() in SUFFIXES and not hidden


def _top_folder(names: list[str]) -> str:
    """The folder, with its slash, that all lie in if they lie in one; else the empty name."""
    tops = {name.split("/")[0] if "/" in name else "" for name in names}
    top = tops.pop() if len(tops) == 1 else ""
    return f"{top}/" if top else ""


def _picture(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str, top: str) -> Picture:
    name = f"{path}/{member.filename}"

    def decode() -> Image.Image:
        try:
            return pictures.decode(io.BytesIO(archive.read(member)), name)
        except NotImplementedError as error:  # a way of packing that zipfile does not know
            raise OSError(str(error)) from None

    return Picture(member.filename.removeprefix(top), name, decode)

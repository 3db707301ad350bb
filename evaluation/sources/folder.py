"""A folder of images on disk; its sub-folders, where there are any, are the labels."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from evaluation.errors import InputError
from evaluation.sources import pictures
from evaluation.sources.images import Images, as_array, check_not_empty
from evaluation.sources.pictures import DAMAGED, SUFFIXES, Picture
from evaluation.sources.retries import RetryPolicy, reason


def read(
    path: str,
    size_px: int | None = None,
    skip_corrupt: bool = False,
    patience: RetryPolicy | None = None,
) -> Images:
    """Reads every image below `path`, in natural order.

    Gray stays gray if all are; otherwise all become RGB. Alpha is laid on white. Links are
    followed.

    Args:
      path: a directory.
      size_px: side of the square that each image is cropped and resized to; None keeps the size,
        which must then be one and the same.
      skip_corrupt: leave out files that cannot be decoded instead of refusing the folder.
      patience: with storage that stalls.

    Returns:
      The images; labels from the first level of sub-folders, None if images lie at the top.

    Raises:
      InputError: no such directory, no images, an undecodable file, one of floats or more than 16
        bits, or differing sizes and no size_px.
    """
    if not path:
        raise InputError("folder: names no directory; give its path, as in folder:photos.")
    root = Path(path)
    if not root.is_dir():
        raise InputError(f"folder:{path} is not a directory; give one that holds images.")
    patience = patience or RetryPolicy()
    files = _sorted(root, f"folder:{path}", patience)
    listed = [_picture(file, root) for file in files]
    found = pictures.read(lambda: listed, f"folder:{path}", size_px, skip_corrupt, patience)
    labels, class_names = pictures.labels_of_folders(found.places)
    return Images(
        found.images, labels, class_names, f"folder:{path}", found.skipped, files=found.places
    )


def find_images(directory: str | os.PathLike) -> list[Path]:
    """The image files below a directory, in natural order.

    Raises:
      InputError: no such directory, or no images in it.
    """
    root = Path(directory)
    if not root.is_dir():
        raise InputError(f"{directory} is not a directory; give one that holds images.")
    return _sorted(root, str(directory), RetryPolicy())


def read_image(file: str | os.PathLike) -> np.ndarray:
    """One image file as uint8, shape (H, W, 1) or (H, W, 3).

    Raises:
      InputError: it cannot be decoded as an image.
    """
    try:
        return as_array(_decode(Path(file)))
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(f"{file} cannot be decoded as an image ({error}); mend it.") from None


def _sorted(root: Path, name: str, patience: RetryPolicy) -> list[Path]:
    try:
        found = patience.call(lambda: list(_find(root)), name)
    except OSError as error:
        raise InputError(
            f"{error.filename or root} cannot be read ({reason(error)}); mend it."
        ) from None
    files = sorted(found, key=lambda file: pictures.natural(str(file)))
    check_not_empty(len(files), name, f"it may hold {', '.join(SUFFIXES)}, also in sub-folders")
    return files


def _find(directory: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """The files with an image's suffix; a link to a directory that it lies in is not followed."""
    real = directory.resolve()
    if real in above:
        return
    for entry in directory.iterdir():
        if entry.is_dir():
            yield from _find(entry, (*above, real))
        elif entry.suffix.lower() in SUFFIXES and (entry.is_file() or entry.is_symlink()):
            yield entry


def _picture(file: Path, root: Path) -> Picture:
    return Picture(str(file.relative_to(root)), str(file), lambda: _decode(file))


def _decode(file: Path) -> Image.Image:
    with file.open("rb") as opened:
        return pictures.decode(opened, str(file))

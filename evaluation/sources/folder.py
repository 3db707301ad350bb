"""Reads a folder of images on disk; sub-folders are labels."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from evaluation.errors import InputError
from evaluation.sources import missing, pictures
from evaluation.sources.images import Images, as_array, check_not_empty
from evaluation.sources.pictures import DAMAGED, SUFFIXES, Picture
from evaluation.sources.retries import RetryPolicy, reason


def read(
    path: str,
    size_px: int | None = None,
    skip_corrupt: bool = False,
    retry: RetryPolicy | None = None,
) -> Images:
    """Reads every image below `path`, in natural order.

    If all images are gray, they stay gray; otherwise all become RGB. Transparent pixels are blended
    with white. Links are followed.

    Args:
      path: a directory.
      size_px: side of the square that each image is cropped and resized to; None keeps the size,
        which must then be the same for all images.
      skip_corrupt: leave out files that cannot be decoded instead of refusing the folder.
      retry: how often a read is tried, and for how long.

    Returns:
      The images; labels from the first level of sub-folders, None if images lie at the top.

    Raises:
      InputError: the directory does not exist or has no images; a file cannot be decoded, or holds
        floats or more than 16 bits; or the sizes differ and size_px is None.
    """
    if not path:
        raise InputError("folder: names no directory; give its path, as in folder:photos.")
    root = Path(path)
    if not root.is_dir():
        hint = missing.hint(path, prefix="folder:")
        raise InputError(f"folder:{path} is not a directory{hint}; give one that holds images.")
    retry = retry or RetryPolicy()
    files = _sorted(root, f"folder:{path}", retry)
    listed = [_picture(file, root) for file in files]
    decoded = pictures.read(lambda: listed, f"folder:{path}", size_px, skip_corrupt, retry)
    labels, class_names = pictures.labels_of_folders(decoded.places)
    return Images(
        decoded.images, labels, class_names, f"folder:{path}", decoded.skipped, files=decoded.places
    )


def find_images(directory: str | os.PathLike) -> list[Path]:
    """Returns the image files below a directory, in natural order.

    Raises:
      InputError: the directory does not exist, or has no images.
    """
    root = Path(directory)
    if not root.is_dir():
        hint = missing.hint(str(directory))
        raise InputError(f"{directory} is not a directory{hint}; give one that holds images.")
    return _sorted(root, str(directory), RetryPolicy())


def read_image(file: str | os.PathLike) -> np.ndarray:
    """Returns one image file as uint8, shape (H, W, 1) or (H, W, 3).

    Raises:
      InputError: the file cannot be decoded as an image.
    """
    try:
        return as_array(_decode(Path(file)))
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(f"{file} cannot be decoded as an image ({error}); repair it.") from None


def _sorted(root: Path, name: str, retry: RetryPolicy) -> list[Path]:
    try:
        files = retry.call(lambda: list(_find(root)), name)
    except OSError as error:
        raise InputError(
            f"{error.filename or root} cannot be read ({reason(error)}); make it readable."
        ) from None
    files.sort(key=lambda file: pictures.natural(str(file)))
    check_not_empty(len(files), name, f"it may hold {', '.join(SUFFIXES)}, also in sub-folders")
    return files


def _find(directory: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yields the files with an image's suffix; skips a link to a directory that contains it."""
    real = directory.resolve()
    if real in above:
        return
    for entry in directory.iterdir():
        if entry.is_dir():
            yield from _find(entry, (*above, real))
        elif entry.suffix.lower() in SUFFIXES and (entry.is_file() or entry.is_symlink()):
            yield entry


def _picture(file: Path, root: Path) -> Picture:
    return pictures.from_file(
        lambda: file.open("rb"), str(file.relative_to(root)), str(file), listed=_listed(file)
    )


def _listed(file: Path) -> str:
    try:
        return f"{file.stat().st_size} bytes"
    except OSError:  # reading it will name the file
        return "unknown"


def _decode(file: Path) -> Image.Image:
    with file.open("rb") as opened:
        return pictures.decode(opened, str(file))

"""A folder of images on disk; its sub-folders, where there are any, are the labels."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from evaluation.errors import InputError
from evaluation.sources.images import (
    Images,
    allocate,
    as_array,
    check_not_empty,
    resize,
    to_eight_bits,
)

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")


def read(path: str, size_px: int | None = None, skip_corrupt: bool = False) -> Images:
    """Reads every image below `path`, in natural order.

    Gray stays gray if all are; otherwise all become RGB. Alpha is laid on white. Links are
    followed.

    Args:
      path: a directory.
      size_px: side of the square that each image is cropped and resized to; None keeps the size,
        which must then be one and the same.
      skip_corrupt: leave out files that cannot be decoded instead of refusing the folder.

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
    try:
        files = sorted(_find(root), key=_natural)
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}); mend it.") from None
    check_not_empty(
        len(files), f"folder:{path}", f"it may hold {', '.join(SUFFIXES)}, also in sub-folders"
    )
    files, skipped, shapes, any_color = _inspect(files, size_px, skip_corrupt)
    check_not_empty(len(files), f"folder:{path}", "every file in it is corrupt")
    if len(shapes) > 1:
        first, second = (
            f"{file.relative_to(root)} is {width} x {height}"
            for (width, height), file in list(shapes.items())[:2]
        )
        raise InputError(
            f"folder:{path} mixes sizes ({first}, {second}); give --size to resize them."
        )
    width, height = (size_px, size_px) if size_px else next(iter(shapes))
    images = allocate((len(files), height, width, 3 if any_color else 1))
    for row, file in enumerate(files):
        image = _decode(file)
        image = resize(image, size_px) if size_px else image
        images[row] = as_array(image.convert("RGB") if any_color else image)
    labels, class_names = _labels(files, root)
    names = tuple(str(file.relative_to(root)) for file in files)
    return Images(images, labels, class_names, f"folder:{path}", tuple(skipped), files=names)


def find_images(directory: str | os.PathLike) -> list[Path]:
    """The image files below a directory, in natural order.

    Raises:
      InputError: no such directory, or no images in it.
    """
    root = Path(directory)
    if not root.is_dir():
        raise InputError(f"{directory} is not a directory; give one that holds images.")
    files = sorted(_find(root), key=_natural)
    check_not_empty(
        len(files), f"{directory}", f"it may hold {', '.join(SUFFIXES)}, also in sub-folders"
    )
    return files


def read_image(file: str | os.PathLike) -> np.ndarray:
    """One image file as uint8, shape (H, W, 1) or (H, W, 3).

    Raises:
      InputError: it cannot be decoded as an image.
    """
    try:
        return as_array(_decode(Path(file)))
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{file} cannot be decoded as an image ({error}); mend it.") from None


def _natural(path: Path) -> list:
    """Sorts img2 before img10."""
    parts = re.split(r"(\d+)", str(path))
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts]


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


def _decode(file: Path) -> Image.Image:
    with Image.open(file) as image:
        return to_eight_bits(image, str(file))


def _inspect(files, size_px, skip_corrupt):
    """Decodes every file once: which are whole, their sizes (with a file for each), any colour."""
    whole: list[Path] = []
    skipped: list[str] = []
    shapes: dict[tuple[int, int], Path] = {}
    any_color = False
    for file in files:
        try:
            image = _decode(file)
        except InputError:
            raise
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            if not skip_corrupt:
                raise InputError(
                    f"{file} cannot be decoded as an image ({error}); mend or remove it, or skip "
                    "such files with --skip-corrupt."
                ) from None
            skipped.append(str(file))
            continue
        whole.append(file)
        any_color |= image.mode == "RGB"
        if not size_px:
            shapes.setdefault(image.size, file)
    return whole, skipped, shapes, any_color


def _labels(files: list[Path], root: Path) -> tuple[np.ndarray | None, tuple[str, ...]]:
    parts = [file.relative_to(root).parts for file in files]
    if any(len(part) == 1 for part in parts):
        return None, ()
    names = sorted({part[0] for part in parts})
    return np.array([names.index(part[0]) for part in parts], np.int64), tuple(names)

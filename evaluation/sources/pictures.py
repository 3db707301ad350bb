"""Decodes image files from a folder, a zip or a TFRecord into one array."""

import dataclasses
import re
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable
from typing import IO

import numpy as np
from PIL import Image, UnidentifiedImageError

from evaluation.errors import InputError
from evaluation.sources.images import allocate, as_array, check_not_empty, resize, to_eight_bits
from evaluation.sources.retries import RetryPolicy, reason

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
DAMAGED = (  # errors of Pillow and of the archive readers for files that are not valid images
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    Image.DecompressionBombError,
)
_ORDERS = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


@dataclasses.dataclass(frozen=True)
class Picture:
    """One image that is decoded when it is needed.

    Attributes:
      place: its unique path below its folder.
      name: its name in errors.
      decode: returns the image as "L" or "RGB".
      label: its class, if its source has labels.
    """

    place: str
    name: str
    decode: Callable[[], Image.Image]
    label: int | None = None


@dataclasses.dataclass(frozen=True)
class Read:
    """Decoded images.

    Attributes:
      images: uint8, shape (n, H, W, C).
      places: the places of the n images.
      labels: the labels of the n images, None for images without one.
      skipped: names of images that could not be decoded.
    """

    images: np.ndarray
    places: tuple[str, ...]
    labels: tuple[int | None, ...]
    skipped: tuple[str, ...]


def read(
    pictures: Callable[[], Iterable[Picture]],
    name: str,
    size_px: int | None,
    skip_corrupt: bool,
    retry: RetryPolicy | None = None,
) -> Read:
    """Decodes images in two passes: the first finds damaged images, the sizes and the colours.

    If all images are gray, they stay gray; otherwise all become RGB. Transparent pixels are blended
    with white.

    Args:
      pictures: returns all images in order, each time it is called.
      name: the source's name in errors.
      size_px: side of the square that each image is cropped and resized to; None keeps the size,
        which must then be the same for all images.
      skip_corrupt: leave out images that cannot be decoded instead of refusing them.
      retry: how often a read is tried, and for how long.

    Raises:
      InputError: there are no images; an image cannot be decoded, or holds floats or more than 16
        bits; or the sizes differ and size_px is None.
    """
    retry = retry or RetryPolicy()
    places: list[str] = []
    labels: list[int | None] = []
    skipped: dict[str, str] = {}
    sizes: dict[tuple[int, int], str] = {}
    any_color = False
    for picture in pictures():
        image = _decoded(picture, skip_corrupt, retry)
        if image is None:
            skipped[picture.place] = picture.name
            continue
        places.append(picture.place)
        labels.append(picture.label)
        any_color |= image.mode == "RGB"
        if not size_px:
            sizes.setdefault(image.size, picture.place)
    check_not_empty(len(places), name, "every file in it is corrupt")
    if len(sizes) > 1:
        first, second = (f"{place} is {w} x {h}" for (w, h), place in list(sizes.items())[:2])
        raise InputError(f"{name} mixes sizes ({first}, {second}); give --size to resize them.")
    width, height = (size_px, size_px) if size_px else next(iter(sizes))
    images = allocate((len(places), height, width, 3 if any_color else 1))
    row = 0
    for picture in pictures():
        if picture.place in skipped:
            continue
        image = retry.call(picture.decode, picture.name)
        image = resize(image, size_px) if size_px else image
        images[row] = as_array(image.convert("RGB") if any_color else image)
        row += 1
    return Read(images, tuple(places), tuple(labels), tuple(skipped.values()))


def _decoded(picture: Picture, skip_corrupt: bool, retry: RetryPolicy) -> Image.Image | None:
    try:
        return retry.call(picture.decode, picture.name)
    except InputError:
        raise
    except DAMAGED as error:
        if skip_corrupt:
            return None
        unknown = isinstance(error, UnidentifiedImageError)
        raise InputError(
            f"{picture.name} cannot be decoded as an image ("
            f"{'it is no image file' if unknown else reason(error)}); repair or remove it, or skip "
            "such files with --skip-corrupt."
        ) from None


def decode(file: IO[bytes], name: str) -> Image.Image:
    """Returns an image file, open for reading, as "L" or "RGB" with 8 bits; 16 bits are scaled."""
    with Image.open(file) as image:
        low_bytes = _low_bytes_tiles(image)
        if low_bytes is None:
            return to_eight_bits(image, name)
        image.load()
        file.seek(0)
        with Image.open(file) as again:
            again.tile = low_bytes
            words = np.asarray(image, np.float64) * 256 + np.asarray(again)
        scaled = Image.fromarray(np.rint(words / 257).astype(np.uint8), image.mode)
        scaled.info.update(image.info)
        scaled.getexif().update(image.getexif())
        return to_eight_bits(scaled, name)


def _low_bytes_tiles(image: Image.Image) -> list | None:
    """Returns Pillow's tiles that decode the low bytes of 16-bit colours; None for other images.

    Pillow keeps only the high byte of a colour, which is the first or the second byte, depending on
    the byte order of the file. If Pillow's decoder gets the other byte order, it returns the low
    byte.
    """
    tiles = []
    for tile in getattr(image, "tile", ()):
        listed = isinstance(tile.args, tuple)
        mode = tile.args[0] if listed and tile.args else tile.args
        pattern = r"((?:RGB|RGBA|RGBX);16)([BLN])"
        match = re.fullmatch(pattern, mode) if isinstance(mode, str) else None
        if match is None:
            return None
        other = match[1] + _ORDERS[match[2]]
        tiles.append(tile._replace(args=(other, *tile.args[1:]) if listed else other))
    return tiles or None


def natural(place: str) -> list:
    """Returns the sort key of natural order, which puts img2 before img10."""
    parts = re.split(r"(\d+)", place)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def labels_of_folders(places: tuple[str, ...]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Returns labels (n,) and class names from each place's top folder; None if one has none."""
    folders = [place.replace("\\", "/").split("/") for place in places]
    if any(len(parts) == 1 for parts in folders):
        return None, ()
    names = sorted({parts[0] for parts in folders})
    return np.array([names.index(parts[0]) for parts in folders], np.int64), tuple(names)

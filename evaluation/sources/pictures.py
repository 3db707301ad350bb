"""Image files of any kind, from a folder, a zip or a TFRecord, into one array."""

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
DAMAGED = (  # what Pillow and the readers of archives raise for files that are no whole images
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
      place: where it lies below its folder; no two are in one place.
      name: what an error calls it.
      decode: gives it as "L" or "RGB".
      label: its class, where its source tells one.
    """

    place: str
    name: str
    decode: Callable[[], Image.Image]
    label: int | None = None


@dataclasses.dataclass(frozen=True)
class Read:
    """What was read.

    Attributes:
      images: uint8, shape (n, H, W, C).
      places: of the n images.
      labels: of the n images, as the source tells them.
      skipped: names of those that could not be decoded.
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
    patience: RetryPolicy | None = None,
) -> Read:
    """Decodes images twice: to learn which are whole, their sizes and colours; and to keep them.

    Gray stays gray if all are; otherwise all become RGB. Alpha is laid on white.

    Args:
      pictures: gives the images from the first to the last, each time it is called.
      name: the source, for errors.
      size_px: side of the square that each image is cropped and resized to; None keeps the size,
        which must then be one and the same.
      skip_corrupt: leave out images that cannot be decoded instead of refusing them.
      patience: with storage that stalls.

    Raises:
      InputError: no images, one that cannot be decoded, one of floats or more than 16 bits, or
        differing sizes and no size_px.
    """
    patience = patience or RetryPolicy()
    places: list[str] = []
    labels: list[int | None] = []
    skipped: dict[str, str] = {}
    sizes: dict[tuple[int, int], str] = {}
    any_color = False
    for picture in pictures():
        image = _decoded(picture, skip_corrupt, patience)
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
        image = patience.call(picture.decode, picture.name)
        image = resize(image, size_px) if size_px else image
        images[row] = as_array(image.convert("RGB") if any_color else image)
        row += 1
    return Read(images, tuple(places), tuple(labels), tuple(skipped.values()))


def _decoded(picture: Picture, skip_corrupt: bool, patience: RetryPolicy) -> Image.Image | None:
    try:
        return patience.call(picture.decode, picture.name)
    except InputError:
        raise
    except DAMAGED as error:
        if skip_corrupt:
            return None
        unknown = isinstance(error, UnidentifiedImageError)
        raise InputError(
            f"{picture.name} cannot be decoded as an image ("
            f"{'it is no image file' if unknown else reason(error)}); mend or remove it, or skip "
            "such files with --skip-corrupt."
        ) from None


def decode(file: IO[bytes], name: str) -> Image.Image:
    """An image file, open for reading, as "L" or "RGB"; 16 bits are scaled to 8 in colour, too."""
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
    """How to decode the low bytes of 16-bit colours, of which Pillow keeps the high ones alone.

    Its decoder takes the first or the second of two bytes by their order in the file, so the other
    order gives the other byte. None of an image that is no such one.
    """
    tiles = []
    for tile in getattr(image, "tile", ()):
        listed = isinstance(tile.args, tuple)
        mode = tile.args[0] if listed and tile.args else tile.args
        known = isinstance(mode, str)
        found = re.fullmatch(r"((?:RGB|RGBA|RGBX);16)([BLN])", mode) if known else None
        if found is None:
            return None
        other = found[1] + _ORDERS[found[2]]
        tiles.append(tile._replace(args=(other, *tile.args[1:]) if listed else other))
    return tiles or None


def natural(place: str) -> list:
    """Sorts img2 before img10."""
    parts = re.split(r"(\d+)", place)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def labels_of_folders(places: tuple[str, ...]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Labels (n,) and their names from the first folder of each place; None if any has none."""
    folders = [place.replace("\\", "/").split("/") for place in places]
    if any(len(parts) == 1 for parts in folders):
        return None, ()
    names = sorted({parts[0] for parts in folders})
    return np.array([names.index(parts[0]) for parts in folders], np.int64), tuple(names)

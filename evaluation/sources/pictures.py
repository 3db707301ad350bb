"""Reads image files from a folder, a zip or a TFRecord: their headers, and their pixels."""

import dataclasses
import functools
import hashlib
import re
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import IO, TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from evaluation.errors import InputError
from evaluation.sources import jpeg
from evaluation.sources.headers import Header, read_header
from evaluation.sources.images import allocate, as_array, check_not_empty, resize, to_eight_bits
from evaluation.sources.on_demand import OnDemand, in_threads
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
HELD_BYTES = 256 << 20  # smaller sets are decoded at once and held in memory
AHEAD = 64  # images that wait for their turn
Result = TypeVar("Result")
_ORDERS = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


class DamagedImage(InputError):
    """The image `name` cannot be decoded; --skip-corrupt leaves it out."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"{name} cannot be decoded as an image ({why}); repair or remove it, or skip such "
            "files with --skip-corrupt."
        )
        self.name = name


@dataclasses.dataclass(frozen=True)
class Picture:
    """One image that is decoded when it is needed.

    Attributes:
      place: its unique path below its folder.
      name: its name in errors.
      header: reads its header.
      decode: returns the image as "L" or "RGB".
      label: its class, if its source has labels.
      listed: what the listing says of its content, such as its size in bytes.
      content: returns the bytes of its file; None for raw pixels.
    """

    place: str
    name: str
    header: Callable[[], Header]
    decode: Callable[[], Image.Image]
    label: int | None = None
    listed: str = ""
    content: Callable[[], bytes] | None = None


def from_file(
    open_file: Callable[[], IO[bytes]],
    place: str,
    name: str,
    label: int | None = None,
    listed: str = "",
) -> Picture:
    """Makes a picture of an image file; `open_file` opens it, the others are as in `Picture`."""

    def header() -> Header:
        with open_file() as file:
            return read_header(file)

    def decoded() -> Image.Image:
        with open_file() as file:
            return decode(file, name)

    def content() -> bytes:
        with open_file() as file:
            return file.read()

    return Picture(place, name, header, decoded, label, listed, content)


@dataclasses.dataclass(frozen=True)
class Read:
    """The images of a source.

    Attributes:
      images: uint8, shape (n, H, W, C).
      places: the places of the n images.
      labels: the labels of the n images, None for images without one.
      skipped: names of images that could not be decoded.
    """

    images: np.ndarray | OnDemand
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
    """Reads the headers of all images, and decodes the images: now if they are few, or on demand.

    If all images are gray, they stay gray; otherwise all become RGB. Transparent pixels are blended
    with white.

    Args:
      pictures: returns all images in order, each time it is called. Images in a list may be decoded
        on demand; images from an iterator are decoded now, in a second pass.
      name: the source's name in errors.
      size_px: side of the square that each image is cropped and resized to; None keeps the size,
        which must then be the same for all images.
      skip_corrupt: leave out images that cannot be decoded instead of refusing them. All images are
        then decoded once to know which.
      retry: how often a read is tried, and for how long.

    Raises:
      InputError: there are no images; an image cannot be decoded, or holds floats or more than 16
        bits; or the sizes differ and size_px is None. `OnDemand` raises it for the images that it
        decodes.
    """
    retry = retry or RetryPolicy()
    kept: list[Picture] = []
    facts: list[tuple[str, int | None]] = []
    skipped: dict[str, str] = {}
    sizes: dict[tuple[int, int], str] = {}
    any_color = False
    source = pictures()
    listed = isinstance(source, Sequence)
    examine = functools.partial(_examined, decoded=skip_corrupt, retry=retry)
    for picture, header in in_threads(examine, source, AHEAD):
        if isinstance(header, InputError):
            if not (skip_corrupt and isinstance(header, DamagedImage)):
                raise header
            skipped[picture.place] = picture.name
            continue
        facts.append((picture.place, picture.label))
        if listed:
            needs_pillow = size_px is not None or not header.is_plain_jpeg
            kept.append(dataclasses.replace(picture, content=None) if needs_pillow else picture)
        any_color |= not header.gray
        if not size_px:
            sizes.setdefault(header.size, picture.place)
    check_not_empty(len(facts), name, "every file in it is corrupt")
    if len(sizes) > 1:
        first, second = (f"{place} is {w} x {h}" for (w, h), place in list(sizes.items())[:2])
        raise InputError(f"{name} mixes sizes ({first}, {second}); give --size to resize them.")
    width, height = (size_px, size_px) if size_px else next(iter(sizes))
    shape = (height, width, 3 if any_color else 1)
    pixels = functools.partial(_pixels, shape=shape, size_px=size_px, retry=retry)
    if listed:
        identity = (object(), _listing(kept))
        lazy = OnDemand(lambda row: pixels(kept[row]), shape, np.arange(len(kept)), identity)
        images = np.asarray(lazy) if lazy.nbytes <= HELD_BYTES else lazy
    else:
        images = allocate((len(facts), *shape))
        whole = (picture for picture in pictures() if picture.place not in skipped)
        for row, image in enumerate(in_threads(pixels, whole, AHEAD)):
            images[row] = image
    places, labels = zip(*facts, strict=True)
    return Read(images, places, labels, tuple(skipped.values()))


def _listing(pictures: Sequence[Picture]) -> str:
    """Returns a hash of the names and sizes of images."""
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(f"{picture.place}: {picture.listed}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _examined(
    picture: Picture, decoded: bool, retry: RetryPolicy
) -> tuple[Picture, Header | InputError]:
    """Returns an image and its header, read from the decoded image if `decoded`; or its error."""
    try:
        if not decoded:
            return picture, _call(picture.header, picture, retry)
        image = _call(picture.decode, picture, retry)
        return picture, Header(image.size, image.mode == "L")
    except InputError as error:
        return picture, error


def _pixels(
    picture: Picture, shape: tuple[int, int, int], size_px: int | None, retry: RetryPolicy
) -> np.ndarray:
    """Returns an image as uint8 of `shape`."""
    pixels = None
    if picture.content is not None:
        pixels = jpeg.decode(_call(picture.content, picture, retry), shape[2])
    if pixels is None:
        image = _call(picture.decode, picture, retry)
        image = resize(image, size_px) if size_px else image
        pixels = as_array(image.convert("RGB") if shape[2] == 3 and image.mode == "L" else image)
    if pixels.shape != shape:
        raise InputError(
            f"{picture.name} changed while it was in use: it has {_size(pixels.shape)} pixels now "
            f"and had {_size(shape)}; start again."
        )
    return pixels


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, (shape[1], shape[0], *shape[2:])))


def _call(work: Callable[[], Result], picture: Picture, retry: RetryPolicy) -> Result:
    """Reads an image, with retries; names the file of an error."""
    return decode_or_name(lambda: retry.call(work, picture.name), picture.name)


def decode_or_name(work: Callable[[], Result], name: str) -> Result:
    """Returns the result of `work`, which decodes the image `name`.

    Raises:
      DamagedImage: instead of the errors of Pillow, the system and the readers of archives.
    """
    try:
        return work()
    except InputError:
        raise
    except DAMAGED as error:
        unknown = isinstance(error, UnidentifiedImageError)
        raise DamagedImage(name, "it is no image file" if unknown else reason(error)) from None


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

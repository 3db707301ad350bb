"""Reads the header of an image file: size, colour and orientation."""

import dataclasses
import os
from typing import IO

from PIL import ExifTags, Image, TiffImagePlugin

UPRIGHT = 1  # EXIF orientation
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_TEXTS = {b"eXIf", b"tEXt", b"zTXt", b"iTXt"}  # chunks that may hold EXIF data


@dataclasses.dataclass(frozen=True)
class Header:
    """The properties of an image that its file declares before the pixels.

    Attributes:
      size: (width, height) in pixels, after the turn that EXIF data ask for.
      gray: whether `pictures.decode` returns one channel.
      is_plain_jpeg: a JPEG, gray or RGB, that EXIF data do not turn.
    """

    size: tuple[int, int]
    gray: bool
    is_plain_jpeg: bool = False


def read_header(file: IO[bytes]) -> Header:
    """Reads the header of an image file that is open for reading."""
    with Image.open(file) as image:
        gray = image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I")
        width, height = image.size
        plain = image.format == "JPEG" and image.mode in ("L", "RGB")
        if plain or width != height:
            orientation = _orientation(image, file)
            plain = plain and orientation in (None, UPRIGHT)
            if orientation in SIDEWAYS:
                width, height = height, width
        return Header((width, height), gray, plain)


def _orientation(image: Image.Image, file: IO[bytes]) -> int | None:
    """Returns the EXIF orientation by which an image's declared size still has to be turned.

    Pillow decodes a whole PNG to know its EXIF data. Pillow 13 turns the size of a TIFF itself.
    """
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        tags = image.tag_v2
        if image.size != (tags[TiffImagePlugin.IMAGEWIDTH], tags[TiffImagePlugin.IMAGELENGTH]):
            return None
    if image.format == "PNG" and not _png_chunks(file) & PNG_TEXTS:
        return None
    return image.getexif().get(ExifTags.Base.Orientation)


def _png_chunks(file: IO[bytes]) -> set[bytes]:
    """Returns the kinds of chunks of a PNG file; does not read their contents."""
    position, kinds = file.tell(), set()
    file.seek(len(PNG_SIGNATURE))
    while len(start := file.read(8)) == 8:
        kinds.add(start[4:])
        file.seek(int.from_bytes(start[:4], "big") + 4, os.SEEK_CUR)
    file.seek(position)
    return kinds

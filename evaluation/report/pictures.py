"""Sheets of images, embedded in the page."""

import base64
import dataclasses
import io

import numpy as np
from PIL import Image

from evaluation.sources.images import Images

SHEET_PX = 484  # width of the column on the page
GAP_PX = 2
COLUMNS = range(6, 11)
COLUMNS_OF_LARGE = 5  # columns if images must be reduced to fit
CRISP_PX = 48  # smaller images are enlarged without smoothing


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A sheet of images.

    Attributes:
      kind: "generated" or "real".
      name: name of the source.
      caption: numbers of shown and of all images.
      uri: the PNG as a data URI.
      width, height: size of the PNG in pixels.
      crisp: whether the browser must not smooth it.
    """

    kind: str
    name: str
    caption: str
    uri: str
    width: int
    height: int
    crisp: bool


def sheet(images: Images, kind: str) -> Sheet:
    """Makes a square sheet of images, evenly spaced over the set, not selected by eye."""
    side = max(images.images.shape[1:3])
    columns, tile_px = _layout(side)
    count = min(len(images), columns * columns)
    columns = min(columns, count)
    index = np.linspace(0, len(images) - 1, count).round().astype(int)
    tiles = [_tile(images.images[row], tile_px) for row in index]
    height, width = tiles[0].shape[:2]
    lines = -(-count // columns)
    canvas = np.zeros(
        (lines * (height + GAP_PX) - GAP_PX, columns * (width + GAP_PX) - GAP_PX, 4), np.uint8
    )
    for place, tile in enumerate(tiles):
        top, left = place // columns * (height + GAP_PX), place % columns * (width + GAP_PX)
        canvas[top : top + height, left : left + width] = tile
    buffer = io.BytesIO()
    Image.fromarray(canvas).save(buffer, "PNG", optimize=True)
    uri = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    caption = f"{count} of {len(images)}, evenly spaced, not selected"
    return Sheet(kind, images.name, caption, uri, canvas.shape[1], canvas.shape[0], side < CRISP_PX)


def _layout(side: int) -> tuple[int, int]:
    """Number of columns and tile size in px: a whole multiple of `side` that fills the sheet."""
    best = (0, COLUMNS_OF_LARGE, SHEET_PX // COLUMNS_OF_LARGE - GAP_PX)
    for columns in COLUMNS:
        tile_px = (SHEET_PX // columns - GAP_PX) // side * side
        if tile_px:
            best = max(best, (columns * (tile_px + GAP_PX), columns, tile_px))
    return best[1:]


def _tile(image: np.ndarray, side_px: int) -> np.ndarray:
    """Resizes to RGBA, longer side at most `side_px`: enlarges by a whole factor, or reduces."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("RGBA")
    factor = side_px // max(picture.size)
    if factor:
        size = (picture.width * factor, picture.height * factor)
        return np.asarray(picture.resize(size, Image.Resampling.NEAREST))
    picture.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    return np.asarray(picture)

"""Writes images side by side into one PNG."""

import io
import math
from pathlib import Path

import numpy as np
from PIL import Image

from gantf.pixels import to_uint8
from gantf.runs import files

SMALLEST_SIDE_PX = 512  # enlarge small images by a whole factor, to a grid of about this side


def save(images: np.ndarray, path: Path, columns: int | None = None) -> None:
    """Writes images as one grid, atomically.

    Args:
      images: shape (n, H, W, C), in [-1, 1].
      path: the PNG file.
      columns: number of columns; None for a nearly square grid.

    Raises:
      InputError: the file cannot be written.
    """
    images = to_uint8(images)
    count, height, width, channels = images.shape
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = math.ceil(count / columns)
    gap = 1
    canvas = np.full(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, np.uint8
    )
    for n, image in enumerate(images):
        top, left = n // columns * (height + gap), n % columns * (width + gap)
        canvas[top : top + height, left : left + width] = image
    picture = Image.fromarray(canvas[..., 0] if channels == 1 else canvas)
    factor = max(1, round(SMALLEST_SIDE_PX / max(picture.size)))
    picture = picture.resize(
        (picture.width * factor, picture.height * factor), Image.Resampling.NEAREST
    )
    encoded = io.BytesIO()
    picture.save(encoded, format="PNG")
    files.write(path, encoded.getvalue())

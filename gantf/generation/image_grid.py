"""Images side by side in one PNG."""

import io
import math
from pathlib import Path

import numpy as np
from PIL import Image

from gantf.pixels import to_uint8
from gantf.runs import files

SMALLEST_SIDE_PX = (
    512  # small images are enlarged by a whole factor until the grid is about so wide
)


def save(images: np.ndarray, path: Path, columns: int | None = None) -> None:
    """Writes images (n, H, W, C) in [-1, 1] as one grid, nearly square by default, atomically.

    Raises:
      InputError: the disk is full, or takes no file so large.
      OSError: the file cannot be made.
    """
    images = to_uint8(images)
    count, height, width, channels = images.shape
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = math.ceil(count / columns)
    gap = 1
    canvas = np.full(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, np.uint8
    )
    for place, image in enumerate(images):
        top, left = place // columns * (height + gap), place % columns * (width + gap)
        canvas[top : top + height, left : left + width] = image
    picture = Image.fromarray(canvas[..., 0] if channels == 1 else canvas)
    factor = max(1, round(SMALLEST_SIDE_PX / max(picture.size)))
    picture = picture.resize(
        (picture.width * factor, picture.height * factor), Image.Resampling.NEAREST
    )
    encoded = io.BytesIO()
    picture.save(encoded, format="PNG")
    files.write(path, encoded.getvalue())

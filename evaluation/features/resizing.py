"""Resizes images to the 299 x 299 pixels in [-1, 1] that the Inception network takes.

Programs differ most in this step, so each method is named after its program:

- "tf1-bilinear": the method of the original graph. Pixel i of 299 lies at i * size / 299, linear
  between its two neighbours, without antialias; then (x - 128) / 128.
- "clean-fid": cubic (a = -0.5) with antialias, clipped to 0..255, not rounded; then
  (x - 128) / 128. It is Pillow's BICUBIC on floats. Source: Parmar et al. 2022, arXiv:2104.11222.
- "pytorch-fid": pixel i lies at (i + 1/2) * size / 299 - 1/2, linear between its two neighbours,
  without antialias; then x / 127.5 - 1.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from evaluation.core.validation import check_choice
from evaluation.runtime.tensorflow import import_tensorflow

SIDE_PX = 299
DEFAULT = "tf1-bilinear"
NORMALISATION = {
    "tf1-bilinear": "(x - 128) / 128",
    "clean-fid": "(x - 128) / 128",
    "pytorch-fid": "x / 127.5 - 1",
}
CUBIC = -0.5  # slope of the cubic at distance 1
HALF_WIDTH_PX = 2.0  # half width of the cubic, in pixels of the coarser grid


def make(resize: str, shape: tuple[int, int, int]) -> Callable[[Any], Any]:
    """Builds a function of TensorFlow tensors that resizes and normalises images.

    Args:
      resize: one of the names above.
      shape: (H, W, C) of the images, C in {1, 3}; a gray channel is repeated.

    Returns:
      uint8 (b, H, W, C) -> float32 (b, 299, 299, 3), in [-1, 1].

    Raises:
      InputError: unknown `resize`.
    """
    check_choice("resize", resize, NORMALISATION)
    tf = import_tensorflow()
    size = (SIDE_PX, SIDE_PX)
    rows, columns = (cubic_matrix(side, SIDE_PX).astype(np.float32) for side in shape[:2])

    def run(images):
        if resize == "clean-fid":
            wide = tf.einsum("xw,nhwc->nhxc", columns, tf.cast(images, tf.float32))
            pixels = tf.clip_by_value(tf.einsum("yh,nhxc->nyxc", rows, wide), 0.0, 255.0)
        else:
            pixels = tf.raw_ops.ResizeBilinear(
                images=images, size=size, half_pixel_centers=resize == "pytorch-fid"
            )
        pixels = pixels / 127.5 - 1.0 if resize == "pytorch-fid" else (pixels - 128.0) / 128.0
        return tf.repeat(pixels, 3, axis=-1) if shape[2] == 1 else pixels

    return run


def cubic_matrix(size: int, new_size: int) -> np.ndarray:
    """Returns the matrix (new_size, size), float64, that resizes a row of pixels.

    Each row of the matrix sums to 1. The kernel is the cubic of Keys 1981 with slope -0.5, widened
    by size / new_size when shrinking; weights outside the image are dropped.
    """
    factor = size / new_size
    widened = max(factor, 1.0)
    centers = (np.arange(new_size)[:, None] + 0.5) * factor
    pixels = np.arange(size)[None]
    first = np.floor(centers - HALF_WIDTH_PX * widened + 0.5)
    end = np.floor(centers + HALF_WIDTH_PX * widened + 0.5)
    x = np.abs(pixels + 0.5 - centers) / widened
    near = ((CUBIC + 2) * x - (CUBIC + 3)) * x**2 + 1
    far = CUBIC * (((x - 5) * x + 8) * x - 4)
    weights = np.where(x < 1, near, np.where(x < HALF_WIDTH_PX, far, 0.0))
    weights[(pixels < first) | (pixels >= end)] = 0.0
    return weights / weights.sum(axis=1, keepdims=True)

"""Resizes images to a network's input size with Pillow: 8 bits, with antialias.

CLIP, DINOv2 and most classifiers preprocess images in this way. "center" resizes the shorter side
to a fixed length and crops the center; "squash" stretches both sides.
"""

import dataclasses

import numpy as np
from PIL import Image

from evaluation.errors import InputError

METHODS = ("nearest", "bilinear", "bicubic", "lanczos")
CROPS = ("center", "squash")


@dataclasses.dataclass(frozen=True)
class Fit:
    """The settings of a resize.

    Attributes:
      size: (height, width) of the network's input, in pixels.
      method: one of `METHODS`.
      crop: one of `CROPS`.
      short_side: for "center", the length of the shorter side before the crop, in pixels; None for
        the larger of `size`.
    """

    size: tuple[int, int]
    method: str = "bicubic"
    crop: str = "squash"
    short_side: int | None = None


def check_method(method: str) -> str:
    """Returns the method; raises InputError if it is not one of `METHODS`."""
    if method not in METHODS:
        raise InputError(f"resize={method!r}; it must be one of {', '.join(METHODS)}.")
    return method


def fitted(images: np.ndarray, fit: Fit) -> np.ndarray:
    """Resizes images; returns them unchanged if they already have the network's size.

    Args:
      images: uint8, shape (b, H, W, C), C = 1 or 3.
      fit: the settings of the resize.

    Returns:
      uint8, shape (b, height, width, C).
    """
    (height, width), method = fit.size, Image.Resampling[fit.method.upper()]
    full_size, top, left = _plan(images.shape[1:3], fit)
    if images.shape[1:3] == full_size == (height, width):
        return images
    out = np.empty((len(images), height, width, images.shape[-1]), np.uint8)
    for row, image in enumerate(images):
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        scaled = np.asarray(picture.resize(full_size[::-1], method))
        scaled = scaled[..., None] if scaled.ndim == 2 else scaled
        out[row] = scaled[top : top + height, left : left + width]
    return out


def _plan(shape: tuple[int, ...], fit: Fit) -> tuple[tuple[int, int], int, int]:
    """Returns the size before the crop, and the top and left edge of the crop."""
    if fit.crop == "squash":
        return fit.size, 0, 0
    short = fit.short_side or max(fit.size)
    sides = [max(short * side // min(shape), 1) for side in shape]
    top, left = (round((side - crop) / 2) for side, crop in zip(sides, fit.size, strict=True))
    return (sides[0], sides[1]), top, left


def as_rgb(images: np.ndarray) -> np.ndarray:
    """Repeats the channel of gray images (b, H, W, 1) three times; returns RGB images unchanged."""
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images

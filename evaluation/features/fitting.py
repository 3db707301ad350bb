"""Images of any size to the size that a network takes, as Pillow resizes them: 8 bits, antialias.

So images reach CLIP, DINOv2 and most classifiers: the shorter side is brought to a given length and
the middle is cut out ("center"), or both sides are stretched ("squash").
"""

import dataclasses

import numpy as np
from PIL import Image

from evaluation.errors import InputError

METHODS = ("nearest", "bilinear", "bicubic", "lanczos")
CROPS = ("center", "squash")


@dataclasses.dataclass(frozen=True)
class Fit:
    """How images are brought to a network's size.

    Attributes:
      size: (height, width) that the network takes, in pixels.
      method: one of `METHODS`.
      crop: one of `CROPS`.
      short_side: with "center", the length of the shorter side before the middle is cut out.
    """

    size: tuple[int, int]
    method: str = "bicubic"
    crop: str = "squash"
    short_side: int | None = None


def check_method(method: str, known: tuple[str, ...] = METHODS) -> str:
    """The method itself; raises InputError where it is none of `known`."""
    if method not in known:
        raise InputError(f"resize={method!r}; it must be one of {', '.join(known)}.")
    return method


def fitted(images: np.ndarray, fit: Fit) -> np.ndarray:
    """Images at the network's size; those that have it already are not touched.

    Args:
      images: uint8, shape (b, H, W, C), C = 1 or 3.
      fit: what to do.

    Returns:
      uint8, shape (b, height, width, C).
    """
    (height, width), method = fit.size, Image.Resampling[fit.method.upper()]
    through, top, left = _plan(images.shape[1:3], fit)
    if images.shape[1:3] == through == (height, width):
        return images
    out = np.empty((len(images), height, width, images.shape[-1]), np.uint8)
    for row, image in enumerate(images):
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        scaled = np.asarray(picture.resize(through[::-1], method))
        scaled = scaled[..., None] if scaled.ndim == 2 else scaled
        out[row] = scaled[top : top + height, left : left + width]
    return out


def _plan(shape: tuple[int, ...], fit: Fit) -> tuple[tuple[int, int], int, int]:
    """The size before the crop, and where the crop begins."""
    if fit.crop == "squash":
        return fit.size, 0, 0
    short = fit.short_side or max(fit.size)
    sides = [max(short * side // min(shape), 1) for side in shape]
    top, left = (round((side - kept) / 2) for side, kept in zip(sides, fit.size, strict=True))
    return (sides[0], sides[1]), top, left


def as_rgb(images: np.ndarray) -> np.ndarray:
    """Gray images (b, H, W, 1) with their channel three times; RGB ones as they are."""
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images

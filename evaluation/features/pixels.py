"""The images themselves as features: always at hand, though hardly what an eye compares.

Of images with more than 256 numbers each channel is first reduced to 8 x 8 by area averaging. FID
fits a covariance to its features: it needs a few images per dimension for an interval, its bias is
of the order d / n, and its time grows as d^3. A 32 x 32 RGB image has 3072 pixels, so that 2000 of
them would say nothing; as 8 x 8 x 3 it has 192. Neighbouring pixels are nearly equal, so little of
what squared distances between images see is lost: layout and colours stay, texture goes.
"""

import hashlib

import numpy as np

from evaluation.features.extractor import Extractor, Outputs, Request, refuse

HAS_LOGITS = False

EXACT = 256  # numbers per image up to which pixels are taken as they are: 16 x 16 gray
SIDE_PX = 8
CHUNK = 128  # images at a time, as float64

DEFINITION = "pixels 1: uint8 (n, H, W, C) flattened in that order, float32, divided by 255"
REDUCED = "pixels-8x8 1: means over 8 x 8 equal areas, exact also of parts of pixels; then pixels 1"


def open_extractor(request: Request) -> Extractor:
    """Pixels in [0, 1], flattened: no logits.

    Returns:
      "pixels", features of shape (n, H * W * C), where those are at most 256 numbers; otherwise
      "pixels-8x8", of shape (n, 64 * C) (a side of fewer than 8 pixels is kept).

    Raises:
      InputError: an option was given; pixels have none.
    """
    refuse(request, "layer", "weights", "resize", "precision")
    if np.prod(request.shape) <= EXACT:
        return _extractor("pixels", DEFINITION, _flat)
    return _extractor("pixels-8x8", REDUCED, _reduced)


def _extractor(name: str, definition: str, run) -> Extractor:
    sha256 = hashlib.sha256(definition.encode()).hexdigest()
    return Extractor(name, sha256, {"definition": definition}, run, packages=())


def _flat(images: np.ndarray) -> Outputs:
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255), None


def _reduced(images: np.ndarray) -> Outputs:
    height, width = images.shape[1:3]
    rows, columns = _overlaps(height), _overlaps(width)
    chunks = []
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK].astype(np.float64)
        # whole numbers, so exact: equal images get equal features, wherever they stand
        sums = np.einsum("ah,nhwc,bw->nabc", rows, chunk, columns, optimize=True)
        means = sums.reshape(len(chunk), -1) / (height * width * 255)
        chunks.append(means.astype(np.float32))
    return np.concatenate(chunks), None


def _overlaps(side: int) -> np.ndarray:
    """How much of each pixel lies in each of 8 equal parts of a side; each part's sum is `side`."""
    parts = min(SIDE_PX, side)
    ends, pixels = np.arange(parts + 1) * side, np.arange(side) * parts
    overlap = np.minimum(ends[1:, None], pixels + parts) - np.maximum(ends[:-1, None], pixels)
    return overlap.clip(0).astype(np.float64)

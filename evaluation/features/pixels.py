"""`pixels`: the images themselves as features. They need no network, but match human vision poorly.

If an image has more than 256 numbers, each channel is first reduced to 8 x 8 by area averaging. FID
fits a covariance to its features: it needs several images per dimension for an interval, its bias
is of the order d / n, and its time grows as d^3. A 32 x 32 RGB image has 3072 numbers, too many for
2000 images; 8 x 8 x 3 has 192. Neighbouring pixels are nearly equal, so squared distances change
little: layout and colours stay, texture is lost.
"""

import hashlib

import numpy as np

from evaluation.features.extractor import Extractor, Outputs, Request, refuse

HAS_LOGITS = False

EXACT = 256  # numbers per image, up to which images are not reduced: 16 x 16 gray
SIDE_PX = 8

DEFINITION = "pixels 1: uint8 (n, H, W, C) flattened in that order, float32, divided by 255"
REDUCED = "pixels-8x8 1: means over 8 x 8 equal areas, exact also of parts of pixels; then pixels 1"


def open_extractor(request: Request) -> Extractor:
    """Opens the extractor of flattened pixels in [0, 1], without logits.

    Returns:
      "pixels" with features (n, H * W * C) for at most 256 numbers per image; otherwise
      "pixels-8x8" with features (n, 64 * C) (a side of fewer than 8 pixels is not reduced).

    Raises:
      InputError: an option was set; pixels have none.
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
    means = np.empty((len(images), len(rows) * len(columns) * images.shape[3]), np.float32)
    for number, image in enumerate(images):
        # sums of integers are exact: equal images have equal features at any place in a batch
        if height % len(rows) == 0:
            parts = image.reshape(len(rows), height // len(rows), -1)
            over_rows = parts.sum(axis=1, dtype=np.uint32) * float(len(rows))
        else:
            over_rows = rows @ image.reshape(height, -1).astype(np.float64)
        sums = columns @ over_rows.reshape(len(rows), width, -1)
        means[number] = sums.ravel() / (height * width * 255)
    return means, None


def _overlaps(side: int) -> np.ndarray:
    """Returns the overlap of each pixel with each of 8 equal parts; a part's sum is `side`."""
    parts = min(SIDE_PX, side)
    ends, pixels = np.arange(parts + 1) * side, np.arange(side) * parts
    overlap = np.minimum(ends[1:, None], pixels + parts) - np.maximum(ends[:-1, None], pixels)
    return overlap.clip(0).astype(np.float64)

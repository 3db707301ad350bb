"""Converts between pixels, uint8 in 0..255, and the floats in [-1, 1] of the networks."""

from typing import Any

import numpy as np
import tensorflow as tf


def to_floats(pixels: Any) -> Any:
    """Converts uint8 0..255 to float32 in [-1, 1]. Returns an array for an array, else a tensor."""
    is_array = isinstance(pixels, np.ndarray)
    floats = pixels.astype(np.float32) if is_array else tf.cast(pixels, tf.float32)
    return floats * np.float32(2.0 / 255.0) - np.float32(1.0)


def to_uint8(images: Any) -> np.ndarray:
    """Converts images in [-1, 1] to uint8 0..255. Rounds, and clips values out of range."""
    return np.rint((np.clip(np.asarray(images), -1.0, 1.0) + 1.0) * 127.5).astype(np.uint8)

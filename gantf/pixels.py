"""The one conversion between pixels, uint8 in 0..255, and the networks' numbers in [-1, 1]."""

from typing import Any

import numpy as np
import tensorflow as tf


def to_floats(pixels: Any) -> Any:
    """uint8 0..255 -> float32 in [-1, 1]; an array gives an array, a tensor a tensor."""
    is_array = isinstance(pixels, np.ndarray)
    floats = pixels.astype(np.float32) if is_array else tf.cast(pixels, tf.float32)
    return floats * np.float32(2.0 / 255.0) - np.float32(1.0)


def to_uint8(images: Any) -> np.ndarray:
    """Images in [-1, 1] -> uint8 0..255, rounded; numbers outside become black or white."""
    return np.rint((np.clip(np.asarray(images), -1.0, 1.0) + 1.0) * 127.5).astype(np.uint8)

"""Padding by reflection, and what lets a network of strided layers take images of any size."""

import keras
import tensorflow as tf


class ReflectionPadding(keras.layers.Layer):
    """Mirrors `pad` pixels at each side; the outermost row or column itself is not repeated."""

    def __init__(self, pad: int, **kwargs):
        """The images must be larger than `pad` both ways."""
        super().__init__(**kwargs)
        self.pad = pad

    def call(self, inputs):
        """(n, H, W, C) -> (n, H + 2 pad, W + 2 pad, C)."""
        both = [self.pad, self.pad]
        return tf.pad(inputs, [[0, 0], both, both, [0, 0]], "REFLECT")

    def get_config(self):
        """What builds the layer again."""
        return {**super().get_config(), "pad": self.pad}


class PadToMultiple(keras.layers.Layer):
    """Mirrors an image at its lower and right edge until its sides suit a network.

    A side shorter than what it lacks is mirrored again and again; one of a single pixel is
    repeated.
    """

    def __init__(self, multiple: int, least: int, **kwargs):
        """Sides become multiples of `multiple`, `least` at least; that is one, too."""
        super().__init__(**kwargs)
        self.multiple, self.least = multiple, least

    def call(self, inputs):
        """(n, H, W, C) -> (n, H', W', C), H' >= H and W' >= W."""
        for axis in (1, 2):
            known = inputs.shape[axis]
            side = tf.shape(inputs)[axis] if known is None else known
            padded = -(-side // self.multiple) * self.multiple
            padded = tf.maximum(padded, self.least) if known is None else max(padded, self.least)
            if known is None or padded != known:
                inputs = tf.gather(inputs, mirrored(tf.range(padded), side), axis=axis)
        return inputs

    def get_config(self):
        """What builds the layer again."""
        return {**super().get_config(), "multiple": self.multiple, "least": self.least}


class CropLike(keras.layers.Layer):
    """The upper left part of an image, as large as another image."""

    def call(self, inputs):
        """[(n, H', W', C), (n, H, W, any)] -> (n, H, W, C)."""
        x, like = inputs
        if None not in like.shape[1:3] and x.shape[1:3] == like.shape[1:3]:
            return x
        sides = tf.shape(like)
        height, width = (like.shape[axis] or sides[axis] for axis in (1, 2))
        return x[:, :height, :width]


def mirrored(places: tf.Tensor, side: tf.Tensor | int) -> tf.Tensor:
    """Whole places from 0 on -> 0 .. side - 1, mirrored at both ends as often as need be."""
    period = tf.maximum(2 * (side - 1), 1)  # a side of one pixel has only the place 0
    places = places % period
    return tf.minimum(places, period - places) * tf.cast(side > 1, places.dtype)

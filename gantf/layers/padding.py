"""Padding by reflection, and padding and cropping for strided networks on images of any size."""

import keras
import tensorflow as tf


class ReflectionPadding(keras.layers.Layer):
    """Reflects `pad` pixels at each side, without repeating the outermost row or column."""

    def __init__(self, pad: int, **kwargs):
        """`pad`: must be smaller than height and width of the images."""
        super().__init__(**kwargs)
        self.pad = pad

    def call(self, inputs):
        """(n, H, W, C) -> (n, H + 2 pad, W + 2 pad, C)."""
        both = [self.pad, self.pad]
        return tf.pad(inputs, [[0, 0], both, both, [0, 0]], "REFLECT")

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "pad": self.pad}


class PadToMultiple(keras.layers.Layer):
    """Reflects an image at its lower and right edge until its sides are multiples of a number.

    A side shorter than its padding is reflected repeatedly; a side of one pixel is repeated.
    """

    def __init__(self, multiple: int, least: int, **kwargs):
        """Pads sides to multiples of `multiple`, at least to `least`, which is a multiple, too."""
        super().__init__(**kwargs)
        self.multiple, self.least = multiple, least

    def call(self, inputs):
        """(n, H, W, C) -> (n, H', W', C), H' >= H and W' >= W."""
        for axis in (1, 2):
            static = inputs.shape[axis]
            side = tf.shape(inputs)[axis] if static is None else static
            padded = -(-side // self.multiple) * self.multiple
            padded = tf.maximum(padded, self.least) if static is None else max(padded, self.least)
            if static is None or padded != static:
                inputs = tf.gather(inputs, reflect_indices(tf.range(padded), side), axis=axis)
        return inputs

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "multiple": self.multiple, "least": self.least}


class CropLike(keras.layers.Layer):
    """Crops an image to its upper left part, of the size of another image."""

    def call(self, inputs):
        """[(n, H', W', C), (n, H, W, any)] -> (n, H, W, C)."""
        x, like = inputs
        if None not in like.shape[1:3] and x.shape[1:3] == like.shape[1:3]:
            return x
        sides = tf.shape(like)
        height, width = (like.shape[axis] or sides[axis] for axis in (1, 2))
        return x[:, :height, :width]


def reflect_indices(places: tf.Tensor, side: tf.Tensor | int) -> tf.Tensor:
    """Maps integers >= 0 to 0 .. side - 1, reflected at both ends as often as necessary."""
    period = tf.maximum(2 * (side - 1), 1)  # a side of one pixel has only index 0
    places = places % period
    return tf.minimum(places, period - places) * tf.cast(side > 1, places.dtype)

"""Instance normalisation: each channel of each image by its own mean and standard deviation."""

from typing import Literal

import keras
import tensorflow as tf

from gantf.layers import normalisation

ImageNorm = Literal["none", "instance", "batch"]
"""Normalisation of networks for images of any size."""


class InstanceNormalization(keras.layers.Layer):
    """(x - mean) / sqrt(variance + epsilon) * scale + offset, the moments over height and width.

    It is the same in training and outside, and does not depend on other images or replicas. The
    moments are computed in float32.

    Source: Ulyanov, Vedaldi & Lempitsky 2016, arXiv:1607.08022, equation 3.
    """

    def __init__(self, epsilon: float = 1e-5, **kwargs):
        """`epsilon` is added to the variance."""
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        """Adds a scale of 1 and an offset of 0 for each channel."""
        shape = (input_shape[-1],)
        self.scale = self.add_weight(name="scale", shape=shape, initializer="ones")
        self.offset = self.add_weight(name="offset", shape=shape, initializer="zeros")

    def call(self, inputs):
        """Returns (n, H, W, C) with mean `offset` and standard deviation close to `scale`."""
        x = tf.cast(inputs, tf.float32)
        x -= tf.reduce_mean(x, axis=(1, 2), keepdims=True)
        variance = tf.reduce_mean(tf.square(x), axis=(1, 2), keepdims=True)
        scale, offset = (tf.cast(weight, tf.float32) for weight in (self.scale, self.offset))
        x = x * (tf.math.rsqrt(variance + self.epsilon) * scale) + offset
        return tf.cast(x, inputs.dtype)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "epsilon": self.epsilon}


def normalise(x, norm: ImageNorm):
    """Applies instance norm, batch norm over all replicas, or nothing."""
    return InstanceNormalization()(x) if norm == "instance" else normalisation.normalise(x, norm)

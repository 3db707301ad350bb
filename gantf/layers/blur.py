"""Upsampling, downsampling and blurring by the kernel [1, 3, 3, 1] in both directions.

Source: Karras et al. 2020, arXiv:1912.04958, appendix B (the kernel of "bilinear filtering"); Zhang
2019, arXiv:1904.11486, on blurring before pixels are dropped.
"""

import keras
import numpy as np
import tensorflow as tf

_TAPS = np.array([1.0, 3.0, 3.0, 1.0]) / 8.0
KERNEL = np.outer(_TAPS, _TAPS)  # sums to 1


def upsample(images: tf.Tensor) -> tf.Tensor:
    """Doubles height and width: each pixel is 9, 3, 3 and 1 sixteenths of the nearest four.

    The padding repeats the edge pixels. The published code pads by 0, which darkens the edges, so
    that a constant image does not stay constant.

    Args:
      images: shape (n, H, W, C), with few channels.
    """
    rows = tf.shape(images)[0]
    height, width, channels = images.shape[1:]
    images = tf.concat([images[:, :1], images, images[:, -1:]], axis=1)
    images = tf.concat([images[:, :, :1], images, images[:, :, -1:]], axis=2)
    kernel = 4.0 * KERNEL[:, :, None, None] * np.eye(channels)
    shape = [rows, 2 * height + 4, 2 * width + 4, channels]
    outputs = tf.nn.conv2d_transpose(images, tf.constant(kernel, images.dtype), shape, 2, "SAME")
    return tf.ensure_shape(outputs[:, 2:-2, 2:-2], [None, 2 * height, 2 * width, channels])


def blur(images: tf.Tensor, padding: int, stride: int = 1) -> tf.Tensor:
    """Returns the weighted mean under the kernel at each pixel, or at every second one.

    Args:
      images: shape (n, H, W, C).
      padding: zeros around the image; the result has (H + 2 padding - 3) / stride rows.
      stride: 1, or 2 to drop every second pixel.
    """
    channels = images.shape[3]
    kernel = np.tile(KERNEL[:, :, None, None], (1, 1, channels, 1))
    edges = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    return tf.nn.depthwise_conv2d(
        tf.pad(images, edges), tf.constant(kernel, images.dtype), [1, stride, stride, 1], "VALID"
    )


class Upsample(keras.layers.Layer):
    """Upsampling: (n, H, W, C) -> (n, 2 H, 2 W, C)."""

    def call(self, inputs):
        """See `upsample`."""
        return upsample(inputs)


class Blur(keras.layers.Layer):
    """A blur that keeps or halves the size, or prepares for a 3 x 3 convolution of stride 2."""

    def __init__(self, padding: int, stride: int = 1, **kwargs):
        """See `blur`."""
        super().__init__(**kwargs)
        self.padding, self.stride = padding, stride

    def call(self, inputs):
        """See `blur`."""
        return blur(inputs, self.padding, self.stride)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "padding": self.padding, "stride": self.stride}

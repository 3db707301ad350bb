"""Bicubic resampling as matrix products, and the pixel shuffle.

`tf.image.resize` with antialiasing compiles nowhere but on a CPU, and its cubic is another one.
Here each axis is one product with a matrix, which any device and XLA take.

Source: Keys 1981, Cubic convolution interpolation for digital image processing, with a = -1/2;
Shi et al. 2016, arXiv:1609.05158, equation 4 (the pixel shuffle).
"""

import keras
import tensorflow as tf

KEYS_A = -0.5
KEYS_SUPPORT = 2.0


def cubic(distance: tf.Tensor) -> tf.Tensor:
    """Keys' kernel: 1 at 0, and 0 at all other integers and from 2 on.

    Args:
      distance: in samples, float, any shape.
    """
    x, a = tf.abs(distance), KEYS_A
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * a
    return tf.where(x < 1.0, near, tf.where(x < KEYS_SUPPORT, far, tf.zeros_like(x)))


def bicubic_matrix(inputs: tf.Tensor | int, outputs: tf.Tensor | int) -> tf.Tensor:
    """What takes a row of `inputs` samples to `outputs` samples of the same extent.

    The kernel is widened where there are fewer outputs than inputs, so that nothing aliases. What
    it would take from beyond the ends is shared among the samples that there are: every row sums
    to 1.

    Args:
      inputs: how many, at least 1.
      outputs: likewise.

    Returns:
      Shape (outputs, inputs), float32.
    """
    scale = tf.cast(inputs, tf.float32) / tf.cast(outputs, tf.float32)
    centres = (tf.range(outputs, dtype=tf.float32) + 0.5) * scale
    places = tf.range(inputs, dtype=tf.float32) + 0.5
    weights = cubic((places[None] - centres[:, None]) / tf.maximum(scale, 1.0))
    return weights / tf.reduce_sum(weights, axis=1, keepdims=True)


def resize(images: tf.Tensor, height: tf.Tensor | int, width: tf.Tensor | int) -> tf.Tensor:
    """Bicubic resampling, antialiased: what Pillow's BICUBIC does to images of floats.

    Args:
      images: shape (n, H, W, C), float.
      height: of the result, in pixels.
      width: likewise.

    Returns:
      Shape (n, height, width, C), of the images' dtype; it may leave their range by a little.
    """
    sides = tf.shape(images)
    rows, columns = (images.shape[axis] or sides[axis] for axis in (1, 2))
    down = tf.cast(bicubic_matrix(rows, height), images.dtype)
    across = tf.cast(bicubic_matrix(columns, width), images.dtype)
    return tf.einsum("yh,nhwc,xw->nyxc", down, images, across)


def pixel_shuffle(x: tf.Tensor, factor: int) -> tf.Tensor:
    """Channels -> pixels: (n, H, W, factor^2 * C) -> (n, factor * H, factor * W, C).

    Channel (dy * factor + dx) * C + c of a place goes to row dy and column dx of its square, as
    in TensorFlow's `depth_to_space`, which not every dtype has on every device.
    """
    sides = tf.shape(x)
    height, width = (x.shape[axis] or sides[axis] for axis in (1, 2))
    channels = x.shape[3] // factor**2
    x = tf.reshape(x, (-1, height, width, factor, factor, channels))
    x = tf.transpose(x, (0, 1, 3, 2, 4, 5))
    return tf.reshape(x, (-1, height * factor, width * factor, channels))


class BicubicUpsampling(keras.layers.Layer):
    """Images of any size, `factor` times as large a side."""

    def __init__(self, factor: int, **kwargs):
        """Enlarges by a whole factor."""
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, images):
        """(n, H, W, C) -> (n, factor * H, factor * W, C)."""
        sides = tf.shape(images)
        height, width = (images.shape[axis] or sides[axis] for axis in (1, 2))
        return resize(images, height * self.factor, width * self.factor)

    def compute_output_shape(self, input_shape):
        """The shape, None where it is open."""
        return _enlarged(input_shape, self.factor, input_shape[3])

    def get_config(self):
        """What builds the layer again."""
        return {**super().get_config(), "factor": self.factor}


class PixelShuffle(keras.layers.Layer):
    """The sub-pixel convolution's second half: see `pixel_shuffle`."""

    def __init__(self, factor: int, **kwargs):
        """Enlarges by a whole factor."""
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        """(n, H, W, factor^2 * C) -> (n, factor * H, factor * W, C)."""
        return pixel_shuffle(x, self.factor)

    def compute_output_shape(self, input_shape):
        """The shape, None where it is open."""
        return _enlarged(input_shape, self.factor, input_shape[3] // self.factor**2)

    def get_config(self):
        """What builds the layer again."""
        return {**super().get_config(), "factor": self.factor}


def _enlarged(shape, factor: int, channels: int) -> tuple:
    height, width = (side and side * factor for side in shape[1:3])
    return shape[0], height, width, channels

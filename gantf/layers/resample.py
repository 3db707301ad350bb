"""Bicubic resampling as matrix products, and the pixel shuffle.

`tf.image.resize` with antialiasing compiles only on a CPU, and uses another cubic kernel. Here each
axis is one matrix product, which every device and XLA support.

Source: Keys 1981, Cubic convolution interpolation for digital image processing, with a = -1/2;
Shi et al. 2016, arXiv:1609.05158, equation 4 (the pixel shuffle).
"""

import keras
import tensorflow as tf

KEYS_A = -0.5
KEYS_SUPPORT = 2.0


def cubic(distance: tf.Tensor) -> tf.Tensor:
    """Returns Keys' kernel, which is 1 at 0, and 0 at all other integers and from 2 on.

    Args:
      distance: distance in samples, float, any shape.
    """
    x, a = tf.abs(distance), KEYS_A
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * a
    return tf.where(x < 1.0, near, tf.where(x < KEYS_SUPPORT, far, tf.zeros_like(x)))


def bicubic_matrix(inputs: tf.Tensor | int, outputs: tf.Tensor | int) -> tf.Tensor:
    """Returns the matrix that resamples `inputs` samples to `outputs` samples of the same extent.

    With fewer outputs than inputs the kernel is widened, to avoid aliasing. At the ends the weights
    are renormalised, so that every row sums to 1.

    Args:
      inputs: number of input samples, at least 1.
      outputs: number of output samples, at least 1.

    Returns:
      Shape (outputs, inputs), float32.
    """
    scale = tf.cast(inputs, tf.float32) / tf.cast(outputs, tf.float32)
    centres = (tf.range(outputs, dtype=tf.float32) + 0.5) * scale
    places = tf.range(inputs, dtype=tf.float32) + 0.5
    weights = cubic((places[None] - centres[:, None]) / tf.maximum(scale, 1.0))
    return weights / tf.reduce_sum(weights, axis=1, keepdims=True)


def resize(images: tf.Tensor, height: tf.Tensor | int, width: tf.Tensor | int) -> tf.Tensor:
    """Resamples images bicubically, with antialiasing, like Pillow's BICUBIC for float images.

    Args:
      images: shape (n, H, W, C), float.
      height: height of the result, in pixels.
      width: width of the result, in pixels.

    Returns:
      Shape (n, height, width, C), the images' dtype; values can lie slightly outside their range.
    """
    sides = tf.shape(images)
    rows, columns = (images.shape[axis] or sides[axis] for axis in (1, 2))
    down = tf.cast(bicubic_matrix(rows, height), images.dtype)
    across = tf.cast(bicubic_matrix(columns, width), images.dtype)
    return tf.einsum("yh,nhwc,xw->nyxc", down, images, across)


def pixel_shuffle(x: tf.Tensor, factor: int) -> tf.Tensor:
    """Moves channels to pixels: (n, H, W, factor^2 * C) -> (n, factor * H, factor * W, C).

    Channel (dy * factor + dx) * C + c of a pixel goes to row dy and column dx of its square, as in
    `tf.nn.depth_to_space`, which does not support every dtype on every device.
    """
    sides = tf.shape(x)
    height, width = (x.shape[axis] or sides[axis] for axis in (1, 2))
    channels = x.shape[3] // factor**2
    x = tf.reshape(x, (-1, height, width, factor, factor, channels))
    x = tf.transpose(x, (0, 1, 3, 2, 4, 5))
    return tf.reshape(x, (-1, height * factor, width * factor, channels))


class BicubicUpsampling(keras.layers.Layer):
    """Multiplies height and width of images of any size by `factor`."""

    def __init__(self, factor: int, **kwargs):
        """`factor`: an integer."""
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, images):
        """(n, H, W, C) -> (n, factor * H, factor * W, C)."""
        sides = tf.shape(images)
        height, width = (images.shape[axis] or sides[axis] for axis in (1, 2))
        return resize(images, height * self.factor, width * self.factor)

    def compute_output_shape(self, input_shape):
        """Returns the shape, with None for unknown sides."""
        return _upsampled_shape(input_shape, self.factor, input_shape[3])

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "factor": self.factor}


class PixelShuffle(keras.layers.Layer):
    """The second half of a sub-pixel convolution: see `pixel_shuffle`."""

    def __init__(self, factor: int, **kwargs):
        """`factor`: an integer."""
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        """(n, H, W, factor^2 * C) -> (n, factor * H, factor * W, C)."""
        return pixel_shuffle(x, self.factor)

    def compute_output_shape(self, input_shape):
        """Returns the shape, with None for unknown sides."""
        return _upsampled_shape(input_shape, self.factor, input_shape[3] // self.factor**2)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "factor": self.factor}


def _upsampled_shape(shape, factor: int, channels: int) -> tuple:
    height, width = (side and side * factor for side in shape[1:3])
    return shape[0], height, width, channels

"""The convolution modulated by styles, and the noise and bias that follow it in a synthesis.

Source: Karras et al. 2020, arXiv:1912.04958, section 2.2 and figure 2 (d).
"""

import math

import keras
import tensorflow as tf

from gantf import noise
from gantf.layers.blur import blur
from gantf.layers.equalized import leaky_relu
from gantf.layers.initializers import normal

EPSILON = 1e-8


class ModulatedConv2D(keras.layers.Layer):
    """Convolves image i with w'_abk = s_ia w_abk, divided by its norm over (a, k) if `demodulate`.

    a: input channel, b: output channel, k: position in the kernel; s_i = A(style_i) + 1 with a
    learned affine A. The images' channels are scaled by s_i, convolved with the shared kernel, and
    scaled by 1 / norm. This equals one kernel per image, at the cost of one dense convolution.

    Source: Karras et al. 2020, arXiv:1912.04958, equations 1 and 3.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        seed: int,
        demodulate: bool = True,
        enlarge: bool = False,
        **kwargs,
    ):
        """`enlarge`: double height and width by a stride of 1/2 and a blur; for 3 x 3 kernels."""
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.seed = filters, kernel_size, seed
        self.demodulate, self.enlarge = demodulate, enlarge

    def build(self, images_shape, styles_shape):
        """Adds the kernel, N(0, 1), and the affine of the style."""
        channels, width = images_shape[-1], styles_shape[-1]
        shape = (self.kernel_size, self.kernel_size, channels, self.filters)
        self.kernel = self._add("kernel", shape, normal(self.seed, f"{self.name}_kernel", 1.0))
        self.affine = self._add(
            "affine", (width, channels), normal(self.seed, f"{self.name}_affine", 1.0)
        )
        self.offset = self._add("offset", (channels,), "ones")

    def call(self, images, styles):
        """(n, H, W, channels) and (n, width) -> (n, H, W, filters), or (n, 2 H, 2 W, filters)."""
        dtype = images.dtype
        kernel = tf.convert_to_tensor(self.kernel)
        kernel *= 1.0 / math.sqrt(math.prod(kernel.shape[:3]))
        affine = tf.convert_to_tensor(self.affine)
        affine *= 1.0 / math.sqrt(affine.shape[0])
        scales = tf.matmul(tf.cast(styles, tf.float32), affine) + tf.convert_to_tensor(self.offset)
        images *= tf.cast(scales, dtype)[:, None, None, :]
        convolve = _convolve_enlarged if self.enlarge else _convolve
        outputs = convolve(images, tf.cast(kernel, dtype))
        if self.demodulate:
            squares = tf.reduce_sum(tf.square(kernel), axis=(0, 1))
            norms = tf.math.rsqrt(tf.matmul(tf.square(scales), squares) + EPSILON)
            outputs *= tf.cast(norms, dtype)[:, None, None, :]
        return outputs

    def compute_output_shape(self, images_shape, styles_shape):
        """Returns the shape of the output images."""
        factor = 2 if self.enlarge else 1
        rows, height, width, _ = images_shape
        return (rows, height * factor, width * factor, self.filters)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "seed": self.seed,
            "demodulate": self.demodulate,
            "enlarge": self.enlarge,
        }

    def _add(self, name: str, shape: tuple[int, ...], initializer):
        """Adds a weight that stays float32 in a bfloat16 layer, for the norms."""
        return self.add_weight(
            name=name, shape=shape, initializer=initializer, dtype="float32", autocast=False
        )


def _convolve(images: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(images, kernel, 1, "SAME")


def _convolve_enlarged(images: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Inserts zeros between the pixels, convolves with the kernel, then blurs."""
    height, width = images.shape[1:3]
    shape = [tf.shape(images)[0], 2 * height + 1, 2 * width + 1, kernel.shape[3]]
    spread = tf.nn.conv2d_transpose(images, tf.transpose(kernel, (0, 1, 3, 2)), shape, 2, "VALID")
    return blur(4.0 * spread, padding=1)


class PixelNoise(keras.layers.Layer):
    """Adds one random number per pixel to all channels, times a learned strength that starts at 0.

    In training, within `noise.scope`, every call draws new numbers. Otherwise they are constants of
    the layer, so that an image is a function of its latents alone.

    Source: Karras et al. 2019, arXiv:1812.04948, section 2; one strength for all channels as in
    Karras et al. 2020, arXiv:1912.04958, section 2.1.
    """

    def __init__(self, seed: int, **kwargs):
        """`seed`: seed of the constants."""
        super().__init__(**kwargs)
        self.seed = seed

    def build(self, input_shape):
        """Adds the strength and the constants."""
        self.strength = self.add_weight(name="strength", shape=(), initializer="zeros")
        self.constants = self.add_weight(
            name="constants",
            shape=(*input_shape[1:3], 1),
            initializer=normal(self.seed, f"{self.name}_constants", 1.0),
            trainable=False,
        )

    def call(self, inputs, training=False):
        """Returns inputs (n, H, W, C) plus noise."""
        drawn = noise.in_scope("pixels") if training else None
        pixels = tf.convert_to_tensor(self.constants)
        if drawn is not None:
            source, name = drawn
            pixels = tf.cast(source.normal(name, (*inputs.shape[1:3], 1)), inputs.dtype)
        return inputs + tf.convert_to_tensor(self.strength) * pixels

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "seed": self.seed}


class Bias(keras.layers.Layer):
    """Adds a bias per channel, then, if `activate`, a leaky ReLU times the square root of 2."""

    def __init__(self, activate: bool = True, **kwargs):
        """`activate`: whether to apply the leaky ReLU."""
        super().__init__(**kwargs)
        self.activate = activate

    def build(self, input_shape):
        """Adds the bias."""
        self.bias = self.add_weight(name="bias", shape=(input_shape[-1],), initializer="zeros")

    def call(self, inputs):
        """(n, H, W, C) -> the same shape."""
        outputs = inputs + tf.convert_to_tensor(self.bias)
        return leaky_relu(outputs) if self.activate else outputs

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "activate": self.activate}

"""Dense and convolution layers with an equalized learning rate, and the activation between them.

The weights that an optimizer moves start at N(0, 1); the constant that He's initialisation would
put into them is multiplied in at each call, so that Adam moves all layers at one relative speed.

Source: Karras et al. 2018, arXiv:1710.10196, section 4.1.
"""

import math

import keras
import tensorflow as tf

from gantf.layers.building import normal

SLOPE = 0.2  # of the leaky ReLU below 0
GAIN = math.sqrt(2.0)  # keeps the second moment through it


def leaky_relu(inputs: tf.Tensor) -> tf.Tensor:
    """Leaky ReLU, times the square root of 2."""
    return tf.nn.leaky_relu(inputs, SLOPE) * tf.cast(GAIN, inputs.dtype)


class EqualizedDense(keras.layers.Dense):
    """x W / sqrt(inputs) + b, with W from N(0, 1); then a leaky ReLU where `activate`."""

    def __init__(self, units: int, speed: float = 1.0, activate: bool = False, **kwargs):
        """`speed`: how fast weights and biases move, relative to other layers, under Adam."""
        super().__init__(units, **kwargs)
        self.speed, self.activate = speed, activate

    def call(self, inputs, training=False):
        """(..., inputs) -> (..., units)."""
        kernel = tf.convert_to_tensor(self.kernel)
        outputs = tf.matmul(inputs, kernel * (self.speed / math.sqrt(kernel.shape[0])))
        if self.use_bias:
            outputs += tf.convert_to_tensor(self.bias) * self.speed
        return leaky_relu(outputs) if self.activate else outputs

    def get_config(self):
        """What builds the layer again."""
        return {**super().get_config(), "speed": self.speed, "activate": self.activate}


class EqualizedConv2D(keras.layers.Conv2D):
    """A convolution with W / sqrt(inputs), W from N(0, 1); then a leaky ReLU where `activate`."""

    def __init__(self, filters: int, kernel_size, activate: bool = False, **kwargs):
        """Arguments as of Keras's own."""
        super().__init__(filters, kernel_size, **kwargs)
        self.activate = activate

    def call(self, inputs):
        """(n, H, W, inputs) -> (n, H', W', filters)."""
        kernel = tf.convert_to_tensor(self.kernel)
        kernel *= 1.0 / math.sqrt(math.prod(kernel.shape[:3]))
        outputs = tf.nn.conv2d(inputs, kernel, self.strides, self.padding.upper())
        if self.use_bias:
            outputs += tf.convert_to_tensor(self.bias)
        return leaky_relu(outputs) if self.activate else outputs

    def get_config(self):
        """What builds the layer again."""
        return {**super().get_config(), "activate": self.activate}


def dense(units: int, seed: int, name: str, speed: float = 1.0, activate: bool = False, **kwargs):
    """A dense layer of these, whose initial weights have a stream of their own."""
    initializer = normal(seed, name, 1.0 / speed)
    return EqualizedDense(
        units, speed, activate, kernel_initializer=initializer, name=name, **kwargs
    )


def conv(filters: int, kernel_size: int, seed: int, name: str, activate: bool = False, **kwargs):
    """A convolution of these, of an image's own size unless said otherwise."""
    kwargs = {"padding": "same", "kernel_initializer": normal(seed, name, 1.0), **kwargs}
    return EqualizedConv2D(filters, kernel_size, activate, name=name, **kwargs)

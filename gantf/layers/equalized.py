"""Dense and convolution layers with an equalized learning rate, and the activation between them.

The trainable weights start at N(0, 1). Each call multiplies them by the constant of He's
initialisation, so that Adam updates all layers at the same relative speed.

Source: Karras et al. 2018, arXiv:1710.10196, section 4.1.
"""

import math

import keras
import tensorflow as tf

from gantf.layers.initializers import normal

SLOPE = 0.2  # of the leaky ReLU below 0
GAIN = math.sqrt(2.0)  # keeps the second moment through the leaky ReLU


def leaky_relu(inputs: tf.Tensor) -> tf.Tensor:
    """Returns the leaky ReLU, times the square root of 2."""
    return tf.nn.leaky_relu(inputs, SLOPE) * tf.cast(GAIN, inputs.dtype)


class EqualizedDense(keras.layers.Dense):
    """x W / sqrt(inputs) + b, with W from N(0, 1), then a leaky ReLU if `activate`."""

    def __init__(self, units: int, speed: float = 1.0, activate: bool = False, **kwargs):
        """`speed`: learning rate of this layer, divided by that of other layers, with Adam."""
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
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "speed": self.speed, "activate": self.activate}


class EqualizedConv2D(keras.layers.Conv2D):
    """A convolution with W / sqrt(inputs), W from N(0, 1), then a leaky ReLU if `activate`."""

    def __init__(self, filters: int, kernel_size, activate: bool = False, **kwargs):
        """Takes the arguments of Keras's Conv2D, and `activate`."""
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
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "activate": self.activate}


def dense(units: int, seed: int, name: str, speed: float = 1.0, activate: bool = False, **kwargs):
    """Returns an `EqualizedDense` whose initial weights have a seed of their own."""
    initializer = normal(seed, name, 1.0 / speed)
    return EqualizedDense(
        units, speed, activate, kernel_initializer=initializer, name=name, **kwargs
    )


def conv(filters: int, kernel_size: int, seed: int, name: str, activate: bool = False, **kwargs):
    """Returns an `EqualizedConv2D`, with padding "same" by default."""
    kwargs = {"padding": "same", "kernel_initializer": normal(seed, name, 1.0), **kwargs}
    return EqualizedConv2D(filters, kernel_size, activate, name=name, **kwargs)

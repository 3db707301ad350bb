"""Convolution and dense layers whose kernel is divided by its largest singular value.

Keras's `SpectralNormalization` overwrites the kernel, so that the gradient does not pass through
the norm. These layers keep the kernel and differentiate through the division.

Source: Miyato et al. 2018, arXiv:1802.05957, algorithm 1 (one power iteration per call).
"""

import keras
import tensorflow as tf


def add_singular_vector(layer: keras.Layer) -> keras.Variable:
    """Adds the running estimate of the kernel's leading right singular vector, (1, outputs)."""
    return layer.add_weight(
        name="singular_vector",
        shape=(1, layer.kernel.shape[-1]),
        initializer="ones",
        trainable=False,
    )


def normalise(kernel: tf.Tensor, singular_vector: keras.Variable, training: bool) -> tf.Tensor:
    """Divides the kernel by an estimate of its largest singular value, updated in training."""
    matrix = tf.reshape(kernel, (-1, kernel.shape[-1]))
    right = tf.math.l2_normalize(tf.convert_to_tensor(singular_vector))
    left = tf.math.l2_normalize(tf.matmul(right, matrix, transpose_b=True))
    if training:
        right = tf.math.l2_normalize(tf.matmul(left, matrix))
        singular_vector.assign(tf.stop_gradient(right))
    left, right = tf.stop_gradient(left), tf.stop_gradient(right)
    return kernel / tf.matmul(tf.matmul(left, matrix), right, transpose_b=True)[0, 0]


class SpectralConv2D(keras.layers.Conv2D):
    """A convolution whose kernel, as a matrix, has spectral norm 1."""

    def build(self, input_shape):
        """Adds the singular vector."""
        super().build(input_shape)
        self.singular_vector = add_singular_vector(self)

    def call(self, inputs, training=False):
        """Convolves with the normalised kernel."""
        kernel = normalise(tf.convert_to_tensor(self.kernel), self.singular_vector, training)
        outputs = tf.nn.conv2d(inputs, kernel, self.strides, self.padding.upper())
        return outputs + self.bias if self.use_bias else outputs


class SpectralDense(keras.layers.Dense):
    """A dense layer whose kernel has spectral norm 1."""

    def build(self, input_shape):
        """Adds the singular vector."""
        super().build(input_shape)
        self.singular_vector = add_singular_vector(self)

    def call(self, inputs, training=False):
        """Multiplies by the normalised kernel."""
        kernel = normalise(tf.convert_to_tensor(self.kernel), self.singular_vector, training)
        outputs = tf.matmul(inputs, kernel)
        return outputs + self.bias if self.use_bias else outputs

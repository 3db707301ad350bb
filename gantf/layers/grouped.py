"""A grouped convolution as one operation of TensorFlow.

Keras's own sends grouped kernels through XLA, which is 20 times slower on a CPU.
"""

import keras
import tensorflow as tf


class GroupedConv2D(keras.layers.Conv2D):
    """A convolution whose channels see only those of their own group.

    A CPU computes those of bfloat16 in float32: not all of them have such gradients.
    """

    def call(self, inputs):
        """Convolves, "same" or "valid"."""
        dtype = inputs.dtype
        kernel = tf.convert_to_tensor(self.kernel)
        if not tf.config.list_logical_devices("GPU") + tf.config.list_logical_devices("TPU"):
            inputs, kernel = tf.cast(inputs, tf.float32), tf.cast(kernel, tf.float32)
        outputs = tf.nn.conv2d(inputs, kernel, self.strides, self.padding.upper())
        outputs = tf.cast(outputs, dtype)
        return outputs + self.bias if self.use_bias else outputs

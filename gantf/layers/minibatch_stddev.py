"""Minibatch standard deviation: shows the discriminator how much the images of a group differ."""

import keras
import tensorflow as tf


class MinibatchStddev(keras.layers.Layer):
    """Adds a channel: the mean over features of the standard deviation over a group of images.

    A group consists of neighbouring rows. If its size divides the rows of a replica or part, the
    groups are those of the whole batch. No communication between replicas is needed.

    Source: Karras et al. 2018, arXiv:1710.10196, section 3; in groups as in its published code.
    """

    def __init__(self, group: int = 4, **kwargs):
        """`group`: largest group; the size is the largest divisor of the rows up to `group`."""
        super().__init__(**kwargs)
        self.group = group

    def call(self, inputs):
        """(n, H, W, C) -> (n, H, W, C + 1)."""
        rows, height, width, channels = inputs.shape
        if rows is None:
            raise ValueError(
                "MinibatchStddev needs a static number of images; build the model with a batch size"
            )
        size = group_size(rows, self.group)
        groups = tf.reshape(tf.cast(inputs, tf.float32), (-1, size, height, width, channels))
        _, variance = tf.nn.moments(groups, axes=[1])
        deviation = tf.reduce_mean(tf.sqrt(variance + 1e-8), axis=(1, 2, 3))
        deviation = tf.reshape(tf.broadcast_to(deviation[:, None], (rows // size, size)), (rows,))
        plane = tf.broadcast_to(deviation[:, None, None, None], (rows, height, width, 1))
        return tf.concat([inputs, tf.cast(plane, inputs.dtype)], axis=3)

    def compute_output_shape(self, input_shape):
        """Returns the shape with one more channel."""
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "group": self.group}


def group_size(rows: int, most: int) -> int:
    """Returns the largest divisor of `rows` that is at most `most`."""
    return max(size for size in range(1, min(rows, most) + 1) if rows % size == 0)

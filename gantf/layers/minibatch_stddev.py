"""How much the images of a group differ, told to the discriminator."""

import keras
import tensorflow as tf


class MinibatchStddev(keras.layers.Layer):
    """Adds a channel: the mean standard deviation of all numbers over a group of images.

    Groups are neighbouring rows, so that replicas and parts of a batch see the groups that the
    whole batch has, as long as the group divides their rows; no replica asks another.

    Source: Karras et al. 2018, arXiv:1710.10196, section 3; in groups as in its published code.
    """

    def __init__(self, group: int = 4, **kwargs):
        """`group`: most images in a group; the largest divisor of the rows that is not above."""
        super().__init__(**kwargs)
        self.group = group

    def call(self, inputs):
        """(n, H, W, C) -> (n, H, W, C + 1)."""
        rows, height, width, channels = inputs.shape
        if rows is None:
            raise ValueError("MinibatchDeviation needs to know how many images there are")
        size = group_size(rows, self.group)
        groups = tf.reshape(tf.cast(inputs, tf.float32), (-1, size, height, width, channels))
        _, variance = tf.nn.moments(groups, axes=[1])
        deviation = tf.reduce_mean(tf.sqrt(variance + 1e-8), axis=(1, 2, 3))
        deviation = tf.reshape(tf.broadcast_to(deviation[:, None], (rows // size, size)), (rows,))
        plane = tf.broadcast_to(deviation[:, None, None, None], (rows, height, width, 1))
        return tf.concat([inputs, tf.cast(plane, inputs.dtype)], axis=3)

    def compute_output_shape(self, input_shape):
        """One channel more."""
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self):
        """What builds the layer again."""
        return {**super().get_config(), "group": self.group}


def group_size(rows: int, most: int) -> int:
    """The largest divisor of `rows` that is not above `most`."""
    return max(size for size in range(1, min(rows, most) + 1) if rows % size == 0)

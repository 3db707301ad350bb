"""Dropout whose mask is a pure function of (seed, step), the same on any number of replicas.

Keras's own draws the same mask on every replica and cannot be repeated after a resume.
"""

import keras
import tensorflow as tf

from gantf import noise


class Dropout(keras.layers.Layer):
    """Sets a share of the inputs to 0 and enlarges the others, wherever there is noise to draw.

    Source: Srivastava et al. 2014, Journal of Machine Learning Research 15; with `always` as in
    Isola et al. 2017, arXiv:1611.07004, section 3.2, where it is the generator's noise.
    """

    def __init__(self, rate: float, always: bool = False, **kwargs):
        """Drops `rate` of the inputs; outside training only if `always`."""
        super().__init__(**kwargs)
        self.rate, self.always = rate, always

    def call(self, inputs, training=False):
        """Inputs, some of them 0."""
        drawn = noise.in_scope("dropout") if training or self.always else None
        if drawn is None or not self.rate:
            return inputs
        source, name = drawn
        sides = tf.shape(inputs)  # for images of any size
        shape = [sides[i] if side is None else side for i, side in enumerate(inputs.shape)][1:]
        keep = source.uniform(name, shape) >= self.rate
        return inputs * tf.cast(keep, inputs.dtype) / (1.0 - self.rate)

    def get_config(self):
        """What builds the layer again."""
        return {**super().get_config(), "rate": self.rate, "always": self.always}

"""Dropout whose mask is a pure function of (seed, step), for any number of replicas.

Keras's Dropout draws the same mask on every replica, and other masks after a resume.
"""

import keras
import tensorflow as tf

from gantf import noise


class Dropout(keras.layers.Layer):
    """Sets a fraction of the inputs to 0 and scales up the others, within `noise.scope`.

    Source: Srivastava et al. 2014, Journal of Machine Learning Research 15; with `always` as in
    Isola et al. 2017, arXiv:1611.07004, section 3.2, where dropout is the generator's noise.
    """

    def __init__(self, rate: float, always: bool = False, **kwargs):
        """Drops the fraction `rate` of the inputs; outside training only if `always`."""
        super().__init__(**kwargs)
        self.rate, self.always = rate, always

    def call(self, inputs, training=False):
        """Returns the inputs, with some of them 0."""
        drawn = noise.in_scope("dropout") if training or self.always else None
        if drawn is None or not self.rate:
            return inputs
        source, name = drawn
        sides = tf.shape(inputs)  # for images of any size
        shape = [sides[i] if side is None else side for i, side in enumerate(inputs.shape)][1:]
        keep = source.uniform(name, shape) >= self.rate
        return inputs * tf.cast(keep, inputs.dtype) / (1.0 - self.rate)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "rate": self.rate, "always": self.always}

"""Layers and functions for the latents and styles of a synthesis."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from gantf.layers.initializers import normal

MEAN_FRACTION = 0.005  # weight of a batch in the running mean of the styles


class PixelNorm(keras.layers.Layer):
    """Divides each vector by its root mean square.

    Source: Karras et al. 2018, arXiv:1710.10196, section 4.2.
    """

    def call(self, inputs):
        """Returns the same shape (..., d), with mean square 1."""
        return inputs * tf.math.rsqrt(
            tf.reduce_mean(tf.square(inputs), axis=-1, keepdims=True) + 1e-8
        )


class Truncation(keras.layers.Layer):
    """Moves styles towards their mean outside training: mean + psi (w - mean).

    Source: Karras et al. 2019, arXiv:1812.04948, appendix B.
    """

    def build(self, input_shape):
        """Adds the running mean, and psi, which is 1 unless a user changes it."""
        self.mean = self._add("mean", (input_shape[-1],), "zeros")
        self.psi = self._add("psi", (), "ones")

    def call(self, inputs, training=False):
        """Styles (n, d) -> styles (n, d)."""
        if training:
            return inputs
        mean = tf.convert_to_tensor(self.mean)
        styles = mean + tf.convert_to_tensor(self.psi) * (tf.cast(inputs, tf.float32) - mean)
        return tf.cast(styles, inputs.dtype)

    def _add(self, name: str, shape: tuple[int, ...], initializer: str):
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            trainable=False,
            dtype="float32",
            autocast=False,
            aggregation="only_first_replica",
        )


def update_w_average(truncations: Sequence[Truncation], styles: tf.Tensor, step: tf.Tensor) -> None:
    """Updates the running means of all the layers by the styles of one global batch.

    Args:
      truncations: layers of the trained network and of its average. Both get the same mean, so that
        the moving average of the weights does not change it.
      styles: w of this replica's latents, shape (n, d).
      step: number of the step, from 0; in the first steps the running mean is the plain mean.
    """
    batch_mean = mean_over_replicas(tf.stop_gradient(tf.cast(styles, tf.float32)))
    fraction = tf.maximum(MEAN_FRACTION, 1.0 / (tf.cast(step, tf.float32) + 1.0))
    mean = tf.convert_to_tensor(truncations[-1].mean)
    mean += fraction * (batch_mean - mean)
    for truncation in truncations:
        truncation.mean.assign(mean)


def mean_over_replicas(values: tf.Tensor) -> tf.Tensor:
    """Returns the mean over the rows of all replicas."""
    mean = tf.reduce_mean(values, axis=0)
    context = tf.distribute.get_replica_context()
    if context and context.num_replicas_in_sync > 1:
        mean = context.all_reduce(tf.distribute.ReduceOp.MEAN, mean)
    return mean


class LearnedConstant(keras.layers.Layer):
    """A learned image (side, side, channels), repeated for each style: the start of a synthesis.

    Source: Karras et al. 2019, arXiv:1812.04948, section 2.
    """

    def __init__(self, channels: int, seed: int, side: int = 4, **kwargs):
        """`seed`: seed of the initial pixels, N(0, 1)."""
        super().__init__(**kwargs)
        self.channels, self.seed, self.side = channels, seed, side

    def build(self, input_shape):
        """Adds the image."""
        self.image = self.add_weight(
            name="image",
            shape=(self.side, self.side, self.channels),
            initializer=normal(self.seed, f"{self.name}_image", 1.0),
        )

    def call(self, inputs):
        """Styles (n, d) -> (n, side, side, channels)."""
        image = tf.convert_to_tensor(self.image)
        rows = tf.shape(inputs)[0] if inputs.shape[0] is None else inputs.shape[0]
        return tf.tile(image[None], [rows, 1, 1, 1])

    def compute_output_shape(self, input_shape):
        """Returns the shape of the images."""
        return (input_shape[0], self.side, self.side, self.channels)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "channels": self.channels,
            "seed": self.seed,
            "side": self.side,
        }


class SelectStyle(keras.layers.Layer):
    """Selects the style of one layer of a synthesis."""

    def __init__(self, place: int, **kwargs):
        """`place`: number of the layer, from 0."""
        super().__init__(**kwargs)
        self.place = place

    def call(self, inputs):
        """(n, layers, d) -> (n, d)."""
        return inputs[:, self.place]

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "place": self.place}


def style_mixing(first: tf.Tensor, second: tf.Tensor, layers: int, coin, place, fraction: float):
    """Returns the styles of all layers: the first style, and from a random layer on the second.

    Args:
      first: w of each image, shape (n, d).
      second: w of other latents, shape (n, d).
      layers: number of layers of the synthesis.
      coin: U[0, 1), shape (n,); an image mixes if it is below `fraction`.
      place: U[0, 1), shape (n,); selects the first layer with the second style, never layer 0.
      fraction: fraction of the images that mix, in [0, 1].

    Returns:
      Shape (n, layers, d).

    Source: Karras et al. 2019, arXiv:1812.04948, section 3.1.
    """
    crossing = 1 + tf.cast(tf.floor(place * (layers - 1)), tf.int32)
    crossing = tf.where(coin < fraction, crossing, layers)
    keeps = tf.range(layers)[None, :] < crossing[:, None]
    return tf.where(keeps[:, :, None], first[:, None, :], second[:, None, :])

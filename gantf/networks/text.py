"""Networks that read captions: a generator and a discriminator of images and texts."""

from typing import Literal

import keras
import tensorflow as tf
from keras import layers

from gantf import noise
from gantf.layers.building import he, normal, stream
from gantf.layers.spectral import SpectralDense
from gantf.networks import conditional
from gantf.settings import Architecture

Condition = Literal["concatenation", "projection"]
FIRST_LOG_VARIANCE = -7.0  # of a text's code: samples, which take the mean, lose little variety


def generator(
    config: Architecture,
    image_shape: tuple[int, int, int],
    latent_dim: int,
    words: int,
    length: int,
    text_dim: int,
    code_dim: int,
    seed: int,
    name: str = "generator",
    combine: conditional.Combine = "concatenation",
) -> keras.Model:
    """{"latents": (n, latent_dim), "tokens": (n, length)} -> images (n, H, W, C) in [-1, 1].

    The text's code is drawn from a normal law in training; the layer "conditioning" gives it.

    Args:
      config: the architecture and its sizes.
      image_shape: (H, W, C).
      latent_dim: width of the latents.
      words: in the vocabulary; they are numbered from 1.
      length: words of a text, the padding included.
      text_dim: width of the words' vectors and of the recurrent state.
      code_dim: width of the text's code.
      seed: of the initial weights.
      name: of the model.
      combine: the code goes beside the latents ("concatenation"), or a dense layer makes it as wide
        as they are and the two are multiplied, number by number ("product").
    """
    inputs = {
        "latents": keras.Input((latent_dim,), name="latents"),
        "tokens": keras.Input((length,), dtype="int64", name="tokens"),
    }
    read = encode(inputs["tokens"], words, text_dim, seed, "g_text")
    mean = layers.Dense(code_dim, kernel_initializer=he(seed, "g_mean", 1.0))(read)
    log_variance = layers.Dense(
        code_dim,
        kernel_initializer=he(seed, "g_variance", 1.0),
        bias_initializer=keras.initializers.Constant(FIRST_LOG_VARIANCE),
    )(read)
    law = layers.Concatenate(dtype="float32", name="conditioning")([mean, log_variance])
    code = ConditioningAugmentation()(law)
    join = layers.Concatenate()
    if combine == "product":
        join = layers.Multiply()
        code = layers.Dense(latent_dim, kernel_initializer=he(seed, "g_scales"))(code)
    return conditional.finish(
        config, inputs, join([inputs["latents"], code]), image_shape, seed, name
    )


def conditioning_of(network: keras.Model) -> keras.Model:
    """A generator that also gives the law of the code: mean and log-variance, (n, 2 code_dim)."""
    law = network.get_layer("conditioning").output
    return keras.Model(network.input, [network.output, law])


def matcher(
    features_dim: int,
    condition: Condition,
    words: int,
    length: int,
    text_dim: int,
    spectral_norm: bool,
    seed: int,
    name: str = "matcher",
) -> keras.Model:
    """{"features": (n, d), "tokens": (n, length)} -> logits (n, 1): a real image with its text?

    Args:
      features_dim: d, of an image's features.
      condition: how the text's code meets them: side by side before a hidden layer of 4 times
        `text_dim` units ("concatenation"), or in an inner product ("projection").
      words: in the vocabulary; they are numbered from 1.
      length: words of a text, the padding included.
      text_dim: width of the words' vectors and of the recurrent state.
      spectral_norm: divide the kernels behind the text's code by their largest singular value.
      seed: of the initial weights.
      name: of the model.
    """
    dense = SpectralDense if spectral_norm else layers.Dense
    inputs = {
        "features": keras.Input((features_dim,), name="features"),
        "tokens": keras.Input((length,), dtype="int64", name="tokens"),
    }
    x = inputs["features"]
    read = encode(inputs["tokens"], words, text_dim, seed, "d_text")
    if condition == "concatenation":
        x = layers.Concatenate()([x, read])
        x = dense(4 * text_dim, kernel_initializer=he(seed, "d_joint"))(x)
        x = layers.LeakyReLU(0.2)(x)
    logits = dense(1, kernel_initializer=normal(seed, "d_out"))(x)
    if condition == "projection":
        code = dense(features_dim, kernel_initializer=he(seed, "d_code", 1.0))(read)
        logits = layers.Add()([logits, layers.Dot(axes=1)([x, code])])
    logits = layers.Activation("linear", dtype="float32", name="logits")(logits)
    return keras.Model(inputs, logits, name=name)


def encode(tokens, words: int, width: int, seed: int, layer: str):
    """Texts (n, length) -> codes (n, width): a vector for each word, and a recurrent network.

    Args:
      tokens: numbers of words, from 1 to `words`; 0 is padding and changes nothing.
      words: in the vocabulary.
      width: of the vectors and of the code.
      seed: of the initial weights.
      layer: of what network; tells their weights apart.
    """
    vectors = layers.Embedding(
        words + 1, width, embeddings_initializer=normal(seed, f"{layer}_words", 1.0)
    )(tokens)
    return GRU(width, seed=stream(seed, f"{layer}_gru"))([vectors, tokens])


class GRU(keras.layers.Layer):
    """The last state of a gated recurrent unit; steps whose token is 0 leave it as it is.

    z = sigmoid(x W_z + h U_z + b_z), r = sigmoid(x W_r + h U_r + b_r),
    c = tanh(x W_c + (r h) U_c + b_c), and the next h is z h + (1 - z) c, from h = 0. The steps are
    unrolled, so that all shapes are static; Keras's own keeps a seed among its variables, which is
    no weight to average.

    Source: Cho et al. 2014, arXiv:1406.1078, equations 5 to 8.
    """

    def __init__(self, width: int, seed: int = 0, **kwargs):
        """A state of `width` numbers; `seed` is of the initial weights."""
        super().__init__(**kwargs)
        self.width, self.seed = width, seed

    def build(self, input_shapes):
        """Makes the weights; those of z, r and c stand side by side."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shapes[0][-1], 3 * self.width),
            initializer=keras.initializers.GlorotUniform(seed=self.seed),
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.width, 3 * self.width),
            initializer=keras.initializers.Orthogonal(seed=self.seed + 1),
        )
        self.bias = self.add_weight(name="bias", shape=(3 * self.width,), initializer="zeros")

    def call(self, inputs):
        """[vectors (n, steps, d), tokens (n, steps)] -> (n, width)."""
        vectors, tokens = inputs
        width = self.width
        recurrent = tf.convert_to_tensor(self.recurrent_kernel)
        drives = tf.matmul(vectors, self.kernel) + self.bias
        state = tf.zeros_like(drives[:, 0, :width])
        for step in range(vectors.shape[1]):
            drive = drives[:, step]
            gates = tf.sigmoid(drive[:, : 2 * width] + tf.matmul(state, recurrent[:, : 2 * width]))
            update, reset = gates[:, :width], gates[:, width:]
            candidate = tf.tanh(
                drive[:, 2 * width :] + tf.matmul(reset * state, recurrent[:, 2 * width :])
            )
            moved = update * state + (1.0 - update) * candidate
            state = tf.where(tokens[:, step, None] != 0, moved, state)
        return state

    def get_config(self):
        """What builds the layer again."""
        return {**super().get_config(), "width": self.width, "seed": self.seed}


class ConditioningAugmentation(keras.layers.Layer):
    """A draw from N(mean, variance) where there is noise to draw in training; else the mean.

    Source: Zhang et al. 2016, arXiv:1612.03242, section 3.2.
    """

    def call(self, law, training=False):
        """Mean and log-variance side by side, (n, 2 d) -> (n, d)."""
        mean, log_variance = tf.split(law, 2, axis=-1)
        drawn = noise.in_scope("conditioning") if training else None
        if drawn is None:
            return mean
        source, name = drawn
        standard = tf.cast(source.normal(name, (mean.shape[1],)), mean.dtype)
        return mean + tf.exp(0.5 * log_variance) * standard


def kl_divergence(law: tf.Tensor) -> tf.Tensor:
    """KL(N(mean, variance) || N(0, I)) = sum (mean^2 + variance - 1 - log variance) / 2.

    Args:
      law: mean and log-variance side by side, float32, shape (batch, 2 d).

    Returns:
      Shape (batch,), >= 0.

    Source: Zhang et al. 2016, arXiv:1612.03242, equation 2; Kingma & Welling 2013,
    arXiv:1312.6114, appendix B.
    """
    mean, log_variance = tf.split(law, 2, axis=-1)
    terms = tf.square(mean) + tf.exp(log_variance) - 1.0 - log_variance
    return 0.5 * tf.reduce_sum(terms, axis=-1)

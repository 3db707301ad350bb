"""Networks that read captions: a generator, and the part of a discriminator that reads texts."""

from typing import Literal

import keras
import tensorflow as tf
from keras import layers

from gantf import noise
from gantf.layers.initializers import he, normal, stream
from gantf.layers.spectral import SpectralDense
from gantf.networks import conditional
from gantf.settings import Architecture

Condition = Literal["concatenation", "projection"]
FIRST_LOG_VARIANCE = -7.0  # of a text's code; small, because samples use the mean


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

    In training, the text's code is drawn from a normal distribution, the output of the layer
    "conditioning".

    Args:
      config: the architecture and its sizes.
      image_shape: (H, W, C).
      latent_dim: size of the latent vector.
      words: number of words in the vocabulary; words are numbered from 1.
      length: words of a text, with padding.
      text_dim: size of the word vectors and of the recurrent state.
      code_dim: size of the text's code.
      seed: seed of the initial weights.
      name: name of the model.
      combine: "concatenation": the code is concatenated with the latents; "product": a dense layer
        maps the code to `latent_dim`, and both are multiplied element by element.
    """
    inputs = {
        "latents": keras.Input((latent_dim,), name="latents"),
        "tokens": keras.Input((length,), dtype="int64", name="tokens"),
    }
    state = encode(inputs["tokens"], words, text_dim, seed, "g_text")
    mean = layers.Dense(code_dim, kernel_initializer=he(seed, "g_mean", 1.0))(state)
    log_variance = layers.Dense(
        code_dim,
        kernel_initializer=he(seed, "g_variance", 1.0),
        bias_initializer=keras.initializers.Constant(FIRST_LOG_VARIANCE),
    )(state)
    distribution = layers.Concatenate(dtype="float32", name="conditioning")([mean, log_variance])
    code = ConditioningAugmentation()(distribution)
    join = layers.Concatenate()
    if combine == "product":
        join = layers.Multiply()
        code = layers.Dense(latent_dim, kernel_initializer=he(seed, "g_scales"))(code)
    return conditional.finish(
        config, inputs, join([inputs["latents"], code]), image_shape, seed, name
    )


def conditioning_of(network: keras.Model) -> keras.Model:
    """Returns a model of images and the code's mean and log-variance, shape (n, 2 code_dim)."""
    distribution = network.get_layer("conditioning").output
    return keras.Model(network.input, [network.output, distribution])


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
    """{"features": (n, d), "tokens": (n, length)} -> logits (n, 1), for image and text.

    Args:
      features_dim: d, the size of an image's features.
      condition: "concatenation": features and text's code are concatenated before a hidden layer of
        4 times `text_dim` units; "projection": the logit is an inner product of both.
      words: number of words in the vocabulary; words are numbered from 1.
      length: words of a text, with padding.
      text_dim: size of the word vectors and of the recurrent state.
      spectral_norm: divide the kernels after the text encoder by their largest singular value.
      seed: seed of the initial weights.
      name: name of the model.
    """
    dense = SpectralDense if spectral_norm else layers.Dense
    inputs = {
        "features": keras.Input((features_dim,), name="features"),
        "tokens": keras.Input((length,), dtype="int64", name="tokens"),
    }
    x = inputs["features"]
    state = encode(inputs["tokens"], words, text_dim, seed, "d_text")
    if condition == "concatenation":
        x = layers.Concatenate()([x, state])
        x = dense(4 * text_dim, kernel_initializer=he(seed, "d_joint"))(x)
        x = layers.LeakyReLU(0.2)(x)
    logits = dense(1, kernel_initializer=normal(seed, "d_out"))(x)
    if condition == "projection":
        code = dense(features_dim, kernel_initializer=he(seed, "d_code", 1.0))(state)
        logits = layers.Add()([logits, layers.Dot(axes=1)([x, code])])
    logits = layers.Activation("linear", dtype="float32", name="logits")(logits)
    return keras.Model(inputs, logits, name=name)


def encode(tokens, words: int, width: int, seed: int, layer: str):
    """Maps texts (n, length) to codes (n, width), by word vectors and a recurrent network.

    Args:
      tokens: word numbers, from 1 to `words`; 0 is padding and has no effect.
      words: number of words in the vocabulary.
      width: size of the word vectors and of the code.
      seed: seed of the initial weights.
      layer: prefix of the layers' names in the seeds, one for each network.
    """
    vectors = layers.Embedding(
        words + 1, width, embeddings_initializer=normal(seed, f"{layer}_words", 1.0)
    )(tokens)
    return GRU(width, seed=stream(seed, f"{layer}_gru"))([vectors, tokens])


class GRU(keras.layers.Layer):
    """The last state of a gated recurrent unit; steps with token 0 do not change the state.

    z = sigmoid(x W_z + h U_z + b_z), r = sigmoid(x W_r + h U_r + b_r),
    c = tanh(x W_c + (r h) U_c + b_c), and the next h is z h + (1 - z) c, from h = 0. The steps are
    unrolled, so that all shapes are static. Keras's GRU has a seed among its variables, which a
    moving average of weights cannot contain.

    Source: Cho et al. 2014, arXiv:1406.1078, equations 5 to 8.
    """

    def __init__(self, width: int, seed: int = 0, **kwargs):
        """Makes a GRU with a state of size `width`; `seed` is the seed of the initial weights."""
        super().__init__(**kwargs)
        self.width, self.seed = width, seed

    def build(self, input_shapes):
        """Adds the weights; those of z, r and c are concatenated."""
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
            updated = update * state + (1.0 - update) * candidate
            state = tf.where(tokens[:, step, None] != 0, updated, state)
        return state

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "width": self.width, "seed": self.seed}


class ConditioningAugmentation(keras.layers.Layer):
    """Draws from N(mean, variance) in training, within `noise.scope`; otherwise returns the mean.

    Source: Zhang et al. 2016, arXiv:1612.03242, section 3.2.
    """

    def call(self, distribution, training=False):
        """Maps means and log-variances, concatenated, (n, 2 d), to codes (n, d)."""
        mean, log_variance = tf.split(distribution, 2, axis=-1)
        drawn = noise.in_scope("conditioning") if training else None
        if drawn is None:
            return mean
        source, name = drawn
        standard = tf.cast(source.normal(name, (mean.shape[1],)), mean.dtype)
        return mean + tf.exp(0.5 * log_variance) * standard


def kl_divergence(distribution: tf.Tensor) -> tf.Tensor:
    """Returns KL(N(mean, variance) || N(0, I)) = sum (mean^2 + variance - 1 - log variance) / 2.

    Args:
      distribution: means and log-variances, concatenated, float32, shape (batch, 2 d).

    Returns:
      Shape (batch,), >= 0.

    Source: Zhang et al. 2016, arXiv:1612.03242, equation 2; Kingma & Welling 2013,
    arXiv:1312.6114, appendix B.
    """
    mean, log_variance = tf.split(distribution, 2, axis=-1)
    terms = tf.square(mean) + tf.exp(log_variance) - 1.0 - log_variance
    return 0.5 * tf.reduce_sum(terms, axis=-1)

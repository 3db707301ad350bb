"""Gradient penalties on a discriminator, one value per example."""

from collections.abc import Callable

import tensorflow as tf


def gradient_penalty(
    discriminator: Callable[[tf.Tensor], tf.Tensor],
    real: tf.Tensor,
    fake: tf.Tensor,
    mixing: tf.Tensor,
) -> tf.Tensor:
    """(|grad D(u)| - 1)^2 at u = mixing * real + (1 - mixing) * fake.

    Args:
      discriminator: images -> logits; each row must depend on its own image alone.
      real: shape (batch, ...), float.
      fake: same shape.
      mixing: shape (batch,), in [0, 1].

    Returns:
      Tensor of shape (batch,), >= 0.

    Source: Gulrajani et al. 2017, arXiv:1704.00028, equation 3.
    """
    mixing = tf.reshape(mixing, [-1] + [1] * (real.shape.rank - 1))
    between = mixing * real + (1.0 - mixing) * fake
    norm_squared, _ = _squared_gradient_norm(discriminator, between)
    return tf.square(tf.sqrt(norm_squared + 1e-12) - 1.0)


def r1_penalty(
    discriminator: Callable[[tf.Tensor], tf.Tensor], real: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """|grad D(x)|^2 / 2 at the real images, beside D(x) itself, which it needs anyway.

    Args:
      discriminator: images -> logits; each row must depend on its own image alone.
      real: shape (batch, ...), float.

    Returns:
      The penalty, shape (batch,), >= 0, and the logits.

    Source: Mescheder et al. 2018, arXiv:1801.04406, equation 9 (gamma is the weight outside).
    """
    norm_squared, logits = _squared_gradient_norm(discriminator, real)
    return 0.5 * norm_squared, logits


def _squared_gradient_norm(discriminator, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        logits = discriminator(images)
    gradient = tape.gradient(logits, images)
    return tf.reduce_sum(tf.square(gradient), axis=list(range(1, images.shape.rank))), logits

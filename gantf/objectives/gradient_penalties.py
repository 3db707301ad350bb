"""Gradient penalties on a discriminator, one value per example."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def gradient_penalty(
    discriminator: Callable[[tf.Tensor], Any],
    real: tf.Tensor,
    fake: tf.Tensor,
    mixing: tf.Tensor,
) -> tf.Tensor:
    """Returns (|grad D(u)| - 1)^2 at u = mixing * real + (1 - mixing) * fake.

    Args:
      discriminator: images -> logits, or a list that starts with the logits; each row must depend
        on its own image alone.
      real: shape (batch, ...), float.
      fake: shape (batch, ...), float.
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
    discriminator: Callable[[tf.Tensor], Any], images: tf.Tensor
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Returns |grad D(x)|^2 / 2 at the images, and all outputs of D.

    At real images this is R1, at fakes R2.

    Args:
      discriminator: images -> logits, or a list that starts with the logits; each row must depend
        on its own image alone.
      images: shape (batch, ...), float.

    Returns:
      The penalty, shape (batch,), >= 0, and the outputs, the logits first.

    Source: Mescheder et al. 2018, arXiv:1801.04406, equation 9 (gamma is applied outside).
    """
    norm_squared, outputs = _squared_gradient_norm(discriminator, images)
    return 0.5 * norm_squared, outputs


def lazily(
    penalty: Callable[[], tf.Tensor], step: tf.Tensor, every_steps: int, rows: int
) -> tf.Tensor:
    """Computes a penalty only every few steps, multiplied by the number of steps.

    Args:
      penalty: () -> shape (rows,); must not change variables nor communicate with other replicas.
      step: number of the step, from 0.
      every_steps: steps from one penalty to the next; 1: every step.
      rows: rows of the batch.

    Returns:
      Shape (rows,): `every_steps` times the penalty, or 0.

    Source: Karras et al. 2020, arXiv:1912.04958, section 3.1.
    """
    if every_steps == 1:
        return penalty()
    return tf.cond(
        tf.equal(step % every_steps, 0),
        lambda: every_steps * penalty(),
        lambda: tf.zeros([rows]),
    )


def _squared_gradient_norm(discriminator, images: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        result = discriminator(images)
        outputs = list(result) if isinstance(result, list | tuple) else [result]
        logits = outputs[0]
    gradient = tape.gradient(logits, images)
    return tf.reduce_sum(tf.square(gradient), axis=list(range(1, images.shape.rank))), outputs

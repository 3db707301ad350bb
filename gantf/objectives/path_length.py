"""Path-length regularisation: equal steps of a style should change images by equal amounts.

Source: Karras et al. 2020, arXiv:1912.04958, section 3.2 and equation 4.
"""

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

from gantf.layers.styles import mean_over_replicas
from gantf.noise import Noise
from gantf.objectives.gradient_penalties import lazily

DECAY = 0.01  # weight of a batch in the running mean


class PathLength(keras.layers.Layer):
    """The running mean of the path lengths, and the penalty of lengths that differ from it."""

    def __init__(self, **kwargs):
        """Starts at 0."""
        super().__init__(**kwargs)
        self.mean = self.add_weight(
            name="mean",
            shape=(),
            initializer="zeros",
            trainable=False,
            dtype="float32",
            aggregation="only_first_replica",
        )
        self.built = True

    def penalty(
        self, lengths: Callable[[], tf.Tensor], step: tf.Tensor, every_steps: int, rows: int
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns (length - mean)^2 times `every_steps` once in `every_steps` steps, otherwise 0.

        Args:
          lengths: () -> shape (rows,); called only if the penalty is computed, so it must not
            change variables nor communicate with other replicas.
          step: number of the step, from 0.
          every_steps: steps from one penalty to the next; 1: every step.
          rows: number of lengths.

        Returns:
          The penalty, shape (rows,), >= 0, and the running mean, shape (), both after the mean was
          updated with this step's lengths.
        """
        due = tf.equal(step % every_steps, 0)
        measured = lazily(lengths, step, every_steps, rows) / every_steps
        mean = tf.convert_to_tensor(self.mean)
        mean = tf.where(due, update_mean(mean, mean_over_replicas(measured)), mean)
        mean = tf.stop_gradient(mean)
        self.mean.assign(mean)
        times = tf.where(due, float(every_steps), 0.0)
        return times * tf.square(measured - mean), mean


def update_mean(mean: tf.Tensor, batch_mean: tf.Tensor) -> tf.Tensor:
    """Returns the running mean after a batch of lengths."""
    return mean + DECAY * (batch_mean - mean)


def path_lengths(
    synthesis: Callable[[tf.Tensor], tf.Tensor], styles: tf.Tensor, directions: tf.Tensor
) -> tf.Tensor:
    """Returns |J^T y| of each image: its largest change along y for a unit step in style space.

    Args:
      synthesis: styles -> images (n, H, W, C); each row must depend on its own styles alone.
      styles: shape (n, layers, d), float: the style of each layer.
      directions: y, N(0, 1), shape (n, H, W, C); divided by sqrt(H W) here.

    Returns:
      Shape (n,), >= 0: the root of the mean over the layers of |J^T y|^2. With a weight of 2 these
      two divisions make the paper's ln 2 / (r^2 (ln r - ln 2)) at a side of r = H = W pixels.

    Source: Karras et al. 2020, arXiv:1912.04958, equation 4 and appendix B.
    """
    height, width = directions.shape[1:3]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(styles)
        projection = tf.reduce_sum(synthesis(styles) * directions) / (height * width) ** 0.5
    gradient = tape.gradient(projection, styles)
    squares = tf.reduce_mean(tf.reduce_sum(tf.square(gradient), axis=2), axis=1)
    return tf.sqrt(squares + 1e-12)


def of_fewer(noise: Noise, divisor: int) -> Noise:
    """Returns new noise for a global batch with 1 / `divisor` of the rows.

    `divisor` must divide the number of rows. The rows are divided among replicas and parts in the
    same order as those of the whole batch.
    """
    return dataclasses.replace(
        noise,
        seed=tf.random.experimental.stateless_fold_in(noise.seed, divisor),
        first_row=noise.first_row // divisor,
        global_rows=noise.global_rows // divisor,
        local_rows=noise.local_rows // divisor,
    )

"""Random numbers of a step: a pure function of (seed, step, name), whatever the replicas."""

import dataclasses
import zlib
from collections.abc import Sequence

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Noise:
    """The source of randomness that a step hands to a model.

    Every draw is made for the global batch and cut to this replica's rows, so that training on
    any number of replicas sees the same numbers.

    Attributes:
      seed: shape (2,), int64; already folded with the step.
      first_row: this replica's first row in the global batch.
      global_rows: rows of the global batch.
      local_rows: rows on this replica.
    """

    seed: tf.Tensor
    first_row: tf.Tensor
    global_rows: int
    local_rows: int

    def normal(self, name: str, shape: Sequence[int] = ()) -> tf.Tensor:
        """N(0, 1), float32, shape (local_rows, *shape); another `name` gives other numbers."""
        return self._cut(tf.random.stateless_normal((self.global_rows, *shape), self._key(name)))

    def uniform(self, name: str, shape: Sequence[int] = ()) -> tf.Tensor:
        """U[0, 1), float32, shape (local_rows, *shape)."""
        return self._cut(tf.random.stateless_uniform((self.global_rows, *shape), self._key(name)))

    def latents(self, dim: int, law: str) -> tf.Tensor:
        """A generator's input, shape (local_rows, dim): N(0, 1) or U(-1, 1)."""
        if law == "normal":
            return self.normal("latents", (dim,))
        return self.uniform("latents", (dim,)) * 2.0 - 1.0

    def _key(self, name: str) -> tf.Tensor:
        return tf.random.experimental.stateless_fold_in(self.seed, zlib.crc32(name.encode()))

    def _cut(self, rows: tf.Tensor) -> tf.Tensor:
        if self.local_rows == self.global_rows:
            return rows
        return tf.slice(
            rows,
            [self.first_row] + [0] * (rows.shape.rank - 1),
            [self.local_rows, *rows.shape[1:]],
        )


def of_step(seed: int, step: tf.Tensor, global_rows: int) -> Noise:
    """The noise of one step on the replica that calls; the whole batch outside a replica."""
    key = tf.random.experimental.stateless_fold_in(tf.constant([seed, 0x6A4E], tf.int64), step)
    context = tf.distribute.get_replica_context()
    replicas = context.num_replicas_in_sync if context else 1
    replica = context.replica_id_in_sync_group if context else 0
    local_rows = global_rows // replicas
    return Noise(key, tf.cast(replica, tf.int32) * local_rows, global_rows, local_rows)

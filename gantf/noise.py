"""Random numbers of a step: a pure function of (seed, step, name), for any number of replicas."""

import dataclasses
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Noise:
    """The source of randomness that a step hands to a model.

    Every method draws for the global batch and returns this replica's rows. Therefore the numbers
    do not depend on the number of replicas.

    Attributes:
      seed: shape (2,), int64; the step is folded in already.
      step: number of the step, from 0.
      first_row: the first row of this part in the global batch.
      global_rows: rows of the global batch.
      local_rows: rows of this part.
    """

    seed: tf.Tensor
    step: tf.Tensor
    first_row: tf.Tensor
    global_rows: int
    local_rows: int

    def normal(self, name: str, shape: Sequence[int] = ()) -> tf.Tensor:
        """N(0, 1), float32, shape (local_rows, *shape); each `name` has numbers of its own."""
        return self._cut(tf.random.stateless_normal((self.global_rows, *shape), self._key(name)))

    def uniform(self, name: str, shape: Sequence[int] = ()) -> tf.Tensor:
        """U[0, 1), float32, shape (local_rows, *shape)."""
        return self._cut(tf.random.stateless_uniform((self.global_rows, *shape), self._key(name)))

    def latents(self, dim: int, distribution: str, name: str = "latents") -> tf.Tensor:
        """Draws latents, shape (local_rows, dim): N(0, 1) if "normal", else U(-1, 1)."""
        if distribution == "normal":
            return self.normal(name, (dim,))
        return self.uniform(name, (dim,)) * 2.0 - 1.0

    def part(self, number: int, parts: int) -> "Noise":
        """Returns the noise of one of `parts` equal parts of this replica's rows."""
        rows = self.local_rows // parts
        return dataclasses.replace(self, first_row=self.first_row + number * rows, local_rows=rows)

    def _key(self, name: str) -> tf.Tensor:
        return tf.random.experimental.stateless_fold_in(self.seed, zlib.crc32(name.encode()))

    def _cut(self, rows: tf.Tensor) -> tf.Tensor:
        if self.local_rows is self.global_rows:
            return rows
        return tf.slice(
            rows,
            [self.first_row] + [0] * (rows.shape.rank - 1),
            [self.local_rows, *rows.shape[1:]],
        )


def of_step(
    seed: int, step: tf.Tensor, global_rows: int, batch: int = 0, batches: int = 1
) -> Noise:
    """Returns the noise of one of a step's batches, for the replica that calls.

    Outside a replica, the noise is for the whole batch.
    """
    key = tf.random.experimental.stateless_fold_in(
        tf.constant([seed, 0x6A4E], tf.int64), step * batches + batch
    )
    context = tf.distribute.get_replica_context()
    replicas = context.num_replicas_in_sync if context else 1
    replica = context.replica_id_in_sync_group if context else 0
    local_rows = global_rows if replicas == 1 else global_rows // replicas
    return Noise(key, step, tf.cast(replica, tf.int32) * local_rows, global_rows, local_rows)


def of_seed(seed: tf.Tensor | int, rows: int | tf.Tensor) -> Noise:
    """Returns the noise of one call outside training, e.g. for the dropout of a translation."""
    return of_step(0, tf.cast(seed, tf.int64), rows)


@dataclasses.dataclass
class _Scope(threading.local):
    """The noise for the layers in one replica's thread, and the number of draws so far."""

    noise: Noise | None = None
    draws: int = 0


_scope = _Scope()


@contextmanager
def scope(noise: Noise) -> Iterator[None]:
    """Within this context, layers such as dropout draw from `noise`."""
    before = _scope.noise, _scope.draws
    _scope.noise, _scope.draws = noise, 0
    try:
        yield
    finally:
        _scope.noise, _scope.draws = before


def in_scope(kind: str) -> tuple[Noise, str] | None:
    """Returns the scope's noise and a new name for one draw of a layer; None outside a scope."""
    if _scope.noise is None:
        return None
    _scope.draws += 1
    return _scope.noise, f"{kind}/{_scope.draws}"

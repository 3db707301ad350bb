"""Runs a TensorFlow network on every replica of a tf.distribute strategy, in equal batches.

Inside a strategy's scope, that strategy is used. Outside a scope, all GPUs are used if there are
several, otherwise TensorFlow's default device.
"""

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from evaluation.runtime.tensorflow import import_tensorflow

Network = Callable[[Any], tuple[Any, ...]]  # tensor (b, ...) -> (features,) or (features, logits)


def strategy():
    """Returns the strategy that networks run on (see above); make their variables in its scope."""
    tf = import_tensorflow()
    if not tf.distribute.has_strategy() and len(tf.config.list_logical_devices("GPU")) > 1:
        return _all_gpus()
    return tf.distribute.get_strategy()


def in_use() -> object:
    """Returns the current strategy as part of a cache key; None before TensorFlow is imported."""
    return strategy() if "tensorflow" in sys.modules else None


@functools.cache
def _all_gpus():
    return import_tensorflow().distribute.MirroredStrategy()


def compiled(
    network: Network, batch_size: int
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]:
    """Compiles a network for batches of at most `batch_size` rows.

    Each replica takes the same number of rows. Smaller batches are padded with zeros, so that the
    network is compiled for one shape only; the padding's rows are removed from the outputs.

    Args:
      network: tensor (b, ...) -> (features (b, d),) or (features, logits), of any floating type.
      batch_size: rows per batch, over all replicas.

    Returns:
      array (b, ...) -> (features float32 (b, d), logits float32 (b, classes) or None).
    """
    tf, chosen = import_tensorflow(), strategy()
    replicas = chosen.num_replicas_in_sync
    rows_per_replica = -(-batch_size // replicas)

    def single(batch):
        return tuple(tf.cast(output, tf.float32) for output in network(batch))

    @tf.function
    def on_all(batch):
        return chosen.run(single, args=(batch,))

    alone = tf.function(single)

    def run(batch: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        rows = len(batch)
        padding = [(0, rows_per_replica * replicas - rows)] + [(0, 0)] * (batch.ndim - 1)
        parts = np.pad(batch, padding).reshape(replicas, rows_per_replica, *batch.shape[1:])
        if replicas == 1:
            outputs = [output.numpy() for output in alone(tf.constant(parts[0]))]
        else:
            distributed = chosen.experimental_distribute_values_from_function(
                lambda context: tf.constant(parts[context.replica_id_in_sync_group])
            )
            outputs = [
                np.concatenate([part.numpy() for part in chosen.experimental_local_results(output)])
                for output in on_all(distributed)
            ]
        features, logits = outputs[0][:rows], outputs[1][:rows] if len(outputs) > 1 else None
        return features, logits

    return run

"""A TensorFlow network on every device of a tf.distribute strategy, in batches of one shape.

Inside a strategy's scope its replicas are used; elsewhere all GPUs where there are several, and
otherwise the one device that TensorFlow chooses.
"""

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from evaluation.runtime.tensorflow import import_tensorflow

Network = Callable[[Any], tuple[Any, ...]]  # a tensor (b, ...) -> (features,) or with logits


def strategy():
    """The strategy that networks run on: see above. Their variables are made in its scope."""
    tf = import_tensorflow()
    if not tf.distribute.has_strategy() and len(tf.config.list_logical_devices("GPU")) > 1:
        return _all_gpus()
    return tf.distribute.get_strategy()


def in_use() -> object:
    """What tells a network made for one strategy from the same made for another."""
    return strategy() if "tensorflow" in sys.modules else None


@functools.cache
def _all_gpus():
    return import_tensorflow().distribute.MirroredStrategy()


def compiled(
    network: Network, batch_size: int
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]:
    """Compiles a network for batches of at most `batch_size` rows.

    Each replica takes an equal part of the rows. A batch with fewer is filled up, so that all have
    one shape and are compiled once; what was filled in is cut off again.

    Args:
      network: tensor (b, ...) -> (features (b, d),) or (features, logits), of any floating type.
      batch_size: rows in a batch, of all replicas together.

    Returns:
      array (b, ...) -> (features float32 (b, d), logits float32 (b, classes) or None).
    """
    tf, chosen = import_tensorflow(), strategy()
    replicas = chosen.num_replicas_in_sync
    share = -(-batch_size // replicas)

    def single(batch):
        return tuple(tf.cast(output, tf.float32) for output in network(batch))

    @tf.function
    def on_all(batch):
        return chosen.run(single, args=(batch,))

    alone = tf.function(single)

    def run(batch: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        rows = len(batch)
        padding = [(0, share * replicas - rows)] + [(0, 0)] * (batch.ndim - 1)
        parts = np.pad(batch, padding).reshape(replicas, share, *batch.shape[1:])
        if replicas == 1:
            outputs = [output.numpy() for output in alone(tf.constant(parts[0]))]
        else:
            spread = chosen.experimental_distribute_values_from_function(
                lambda context: tf.constant(parts[context.replica_id_in_sync_group])
            )
            outputs = [
                np.concatenate([part.numpy() for part in chosen.experimental_local_results(of)])
                for of in on_all(spread)
            ]
        features, logits = outputs[0][:rows], outputs[1][:rows] if len(outputs) > 1 else None
        return features, logits

    return run

"""The input pipeline. The images of a step are a pure function of (seed, step)."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from gantf.pixels import to_floats

Rows: TypeAlias = Mapping[str, np.ndarray]
"""Arrays by name with the same first axis: the images of a data set, and their labels."""

IN_GRAPH_BYTES = (
    256 << 20
)  # larger arrays are read with NumPy instead of being constants of the graph


def rows_of_batch(
    seed: int, batch: tf.Tensor, batch_size: int, count: int, place: int = 0
) -> tf.Tensor:
    """Returns the rows of the data in a batch: shape (batch_size,), int64.

    Each epoch is a permutation of the data: every image occurs exactly once, also if the epoch ends
    inside a batch.

    Args:
      seed: seed of the permutations.
      batch: number of the batch, from 0.
      batch_size: rows in the batch.
      count: images in the data set.
      place: number of the data set among several; each has permutations of its own.
    """
    position = tf.cast(batch, tf.int64) * batch_size + tf.range(batch_size, dtype=tf.int64)
    epoch, offset = position // count, position % count
    key = tf.stack(
        [
            tf.fill([batch_size], np.int64(seed)),
            epoch,
            tf.fill([batch_size], np.int64(0x6BA7 + place)),
        ],
        axis=1,
    )
    return tf.raw_ops.RandomIndexShuffle(
        index=offset, seed=tf.cast(key, tf.int32), max_index=np.int64(count - 1), rounds=4
    )


def make_dataset(
    sets: Sequence[Rows],
    seed: int,
    batch_size: int,
    first_batch: int = 0,
) -> Callable[[tf.distribute.InputContext], tf.data.Dataset]:
    """Returns the input of a training for `Strategy.distribute_datasets_from_function`.

    Args:
      sets: one or more sets of arrays by name. The arrays of a set have the same rows in the same
        order; each set has an order and a length of its own. Images are uint8 (n, H, W, C), labels
        int64 (n,).
      seed: seed of the orders.
      batch_size: global batch size; each replica gets a contiguous part.
      first_batch: number of the first batch; a resumed run starts after its last batch.

    Returns:
      A function: input context -> an endless dataset of dicts with the replica's rows: images as
      float32 in [-1, 1], labels unchanged.
    """
    readers = [{name: _reader(array) for name, array in rows.items()} for rows in sets]
    counts = [len(next(iter(rows.values()))) for rows in sets]

    def dataset(context: tf.distribute.InputContext) -> tf.data.Dataset:
        replicas = context.num_replicas_in_sync
        local = batch_size // replicas
        fed = replicas // context.num_input_pipelines  # replicas that this pipeline feeds

        def part(element: tf.Tensor) -> dict[str, tf.Tensor]:
            batch = element // fed
            replica = context.input_pipeline_id * fed + element % fed
            example: dict[str, tf.Tensor] = {}
            for place, (read, count) in enumerate(zip(readers, counts, strict=True)):
                rows = rows_of_batch(seed, batch, batch_size, count, place)
                rows = tf.slice(rows, [replica * local], [local])
                example |= {name: read_one(rows) for name, read_one in read.items()}
            return example

        elements = tf.data.Dataset.counter(first_batch * fed)
        return elements.map(part, num_parallel_calls=1, deterministic=True).prefetch(8)

    return dataset


def _reader(array: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function: row numbers -> these rows of an array, images as floats."""
    if array.nbytes <= IN_GRAPH_BYTES:
        constant = tf.constant(array)

        def read(rows: tf.Tensor) -> tf.Tensor:
            return tf.gather(constant, rows)
    else:

        def read(rows: tf.Tensor) -> tf.Tensor:
            return tf.numpy_function(lambda numbers: array[numbers], [rows], array.dtype)

    def read_floats(rows: tf.Tensor) -> tf.Tensor:
        values = tf.ensure_shape(read(rows), (rows.shape[0], *array.shape[1:]))
        return to_floats(values) if array.dtype == np.uint8 else values

    return read_floats

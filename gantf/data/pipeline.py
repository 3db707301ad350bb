"""Images -> the batch of a step. Which images a step sees is a pure function of (seed, step)."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from gantf.pixels import to_floats

Rows: TypeAlias = Mapping[str, np.ndarray]
"""Arrays by name that share their first axis: the images of a data set, and their labels."""

IN_GRAPH_BYTES = 256 << 20  # a larger array is read through NumPy instead of living in the graph


def rows_of_batch(
    seed: int, batch: tf.Tensor, batch_size: int, count: int, place: int = 0
) -> tf.Tensor:
    """Which rows of the data make up a batch: shape (batch_size,), int64.

    Batches run through one permutation of the data after another, so that within an epoch every
    image comes exactly once, also where an epoch ends inside a batch.

    Args:
      seed: of the permutations.
      batch: number of the batch, from 0.
      batch_size: rows in it.
      count: images in the data set.
      place: of the set among several, each of which has permutations of its own.
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
    """The input of a training, for `Strategy.distribute_datasets_from_function`.

    Args:
      sets: one or more sets of arrays by name; those of one set share their rows and their order,
        each set has an order and a length of its own. uint8 (n, H, W, C) are images, int64 (n,)
        labels.
      seed: of the orders.
      batch_size: global; each replica gets its contiguous part.
      first_batch: where to start; a resumed run starts behind the last batch it saw.

    Returns:
      A function of the input context that gives an endless dataset of dicts: images float32 in
      [-1, 1], labels as they are, each with the replica's rows.
    """
    readers = [{name: _reader(array) for name, array in rows.items()} for rows in sets]
    counts = [len(next(iter(rows.values()))) for rows in sets]

    def dataset(context: tf.distribute.InputContext) -> tf.data.Dataset:
        replicas = context.num_replicas_in_sync
        local = batch_size // replicas
        here = replicas // context.num_input_pipelines  # replicas that this pipeline feeds

        def part(element: tf.Tensor) -> dict[str, tf.Tensor]:
            batch = element // here
            replica = context.input_pipeline_id * here + element % here
            example: dict[str, tf.Tensor] = {}
            for place, (read, count) in enumerate(zip(readers, counts, strict=True)):
                rows = rows_of_batch(seed, batch, batch_size, count, place)
                rows = tf.slice(rows, [replica * local], [local])
                example |= {name: read_one(rows) for name, read_one in read.items()}
            return example

        elements = tf.data.Dataset.counter(first_batch * here)
        return elements.map(part, num_parallel_calls=1, deterministic=True).prefetch(8)

    return dataset


def _reader(array: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
    """Row numbers -> those rows of an array, images as floats."""
    if array.nbytes <= IN_GRAPH_BYTES:
        constant = tf.constant(array)

        def read(rows: tf.Tensor) -> tf.Tensor:
            return tf.gather(constant, rows)
    else:

        def read(rows: tf.Tensor) -> tf.Tensor:
            return tf.numpy_function(lambda wanted: array[wanted], [rows], array.dtype)

    def read_floats(rows: tf.Tensor) -> tf.Tensor:
        values = tf.ensure_shape(read(rows), (rows.shape[0], *array.shape[1:]))
        return to_floats(values) if array.dtype == np.uint8 else values

    return read_floats

"""The input pipeline. The images of a step are a pure function of (seed, step)."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from evaluation import InputError, OnDemand
from gantf.data import order
from gantf.pixels import to_floats

Rows: TypeAlias = Mapping[str, np.ndarray | OnDemand]
"""Arrays by name with the same first axis: the images of a data set, and their labels."""

IN_GRAPH_BYTES = 256 << 20  # larger arrays are read with NumPy, and are no constants of the graph
PREFETCHED = 8  # parts of a batch
PREFETCHED_BYTES = 256 << 20  # at most, beyond the first two parts
DECODED_AT_ONCE = 2  # parts of a batch, so that no thread waits for the last image of a part


def make_dataset(
    sets: Sequence[Rows],
    seed: int,
    batch_size: int,
    first_batch: int = 0,
    on_error: Callable[[InputError], None] = lambda error: None,
) -> Callable[[tf.distribute.InputContext], tf.data.Dataset]:
    """Returns the input of a training for `Strategy.distribute_datasets_from_function`.

    Args:
      sets: one or more sets of arrays by name. The arrays of a set have the same rows in the same
        order; each set has an order and a length of its own. Images are uint8 (n, H, W, C), labels
        int64 (n,).
      seed: seed of the orders.
      batch_size: global batch size; each replica gets a contiguous part.
      first_batch: number of the first batch; a resumed run starts after its last batch.
      on_error: called if an image cannot be decoded, before TensorFlow raises an error of its own.

    Returns:
      A function: input context -> an endless dataset of dicts with the replica's rows, as they are
      in `sets`. The step converts images with `as_floats` on its device, which receives a quarter
      of the bytes.
    """
    readers = [{name: _reader(array, on_error) for name, array in rows.items()} for rows in sets]
    counts = [len(next(iter(rows.values()))) for rows in sets]
    arrays = [array for rows in sets for array in rows.values()]
    on_demand = any(isinstance(array, OnDemand) for array in arrays)
    example_bytes = sum(array.nbytes // len(array) for array in arrays)

    def dataset(context: tf.distribute.InputContext) -> tf.data.Dataset:
        replicas = context.num_replicas_in_sync
        local = batch_size // replicas
        fed = replicas // context.num_input_pipelines  # replicas that this pipeline feeds

        def part(element: tf.Tensor) -> dict[str, tf.Tensor]:
            batch = element // fed
            replica = context.input_pipeline_id * fed + element % fed
            example: dict[str, tf.Tensor] = {}
            for place, (read, count) in enumerate(zip(readers, counts, strict=True)):
                choose = functools.partial(_rows_of_part, seed, batch_size, count, place, local)
                rows = tf.numpy_function(choose, [batch, replica], tf.int64)
                rows = tf.ensure_shape(rows, (local,))
                example |= {name: read_one(rows) for name, read_one in read.items()}
            return example

        elements = tf.data.Dataset.counter(first_batch * fed)
        calls = DECODED_AT_ONCE if on_demand else 1
        ahead = min(max(PREFETCHED_BYTES // (local * example_bytes), 2), PREFETCHED)
        return elements.map(part, num_parallel_calls=calls, deterministic=True).prefetch(ahead)

    return dataset


def as_floats(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns a batch with its uint8 images as float32 in [-1, 1]."""
    return {
        name: to_floats(value) if value.dtype == tf.uint8 else value
        for name, value in batch.items()
    }


def _rows_of_part(
    seed: int, batch_size: int, count: int, place: int, local: int, batch: int, replica: int
) -> np.ndarray:
    """Returns the rows of one replica's part of a batch: shape (local,), int64."""
    rows = order.rows_of_batch(seed, int(batch), batch_size, count, place)
    return rows[int(replica) * local :][:local]


def _reader(
    array: np.ndarray | OnDemand, on_error: Callable[[InputError], None]
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function: row numbers -> these rows of an array."""
    if isinstance(array, np.ndarray) and array.nbytes <= IN_GRAPH_BYTES:
        constant = tf.constant(array)

        def read(rows: tf.Tensor) -> tf.Tensor:
            return tf.gather(constant, rows)
    else:

        def read_now(numbers: np.ndarray) -> np.ndarray:
            try:
                return array[numbers]
            except InputError as error:
                on_error(error)
                raise

        def read(rows: tf.Tensor) -> tf.Tensor:
            return tf.numpy_function(read_now, [rows], array.dtype)

    return lambda rows: tf.ensure_shape(read(rows), (rows.shape[0], *array.shape[1:]))

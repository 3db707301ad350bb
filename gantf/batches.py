"""Images -> the batch of a step. Which images a step sees is a pure function of (seed, step)."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

IN_GRAPH_BYTES = 256 << 20  # a larger array is read through NumPy instead of living in the graph


def rows_of_batch(seed: int, batch: tf.Tensor, batch_size: int, count: int) -> tf.Tensor:
    """Which rows of the data make up a batch: shape (batch_size,), int64.

    Batches run through one permutation of the data after another, so that within an epoch every
    image comes exactly once, also where an epoch ends inside a batch.

    Args:
      seed: of the permutations.
      batch: number of the batch, from 0.
      batch_size: rows in it.
      count: images in the data set.
    """
    position = tf.cast(batch, tf.int64) * batch_size + tf.range(batch_size, dtype=tf.int64)
    epoch, offset = position // count, position % count
    key = tf.stack(
        [tf.fill([batch_size], np.int64(seed)), epoch, tf.fill([batch_size], np.int64(0x6BA7))],
        axis=1,
    )
    return tf.raw_ops.RandomIndexShuffle(
        index=offset, seed=tf.cast(key, tf.int32), max_index=np.int64(count - 1), rounds=4
    )


def make_dataset(
    images: np.ndarray,
    labels: np.ndarray | None,
    seed: int,
    batch_size: int,
    first_batch: int = 0,
) -> Callable[[tf.distribute.InputContext], tf.data.Dataset]:
    """The input of a training, for `Strategy.distribute_datasets_from_function`.

    Args:
      images: uint8, shape (n, H, W, C).
      labels: int64, shape (n,), or None.
      seed: of the order.
      batch_size: global; each replica gets its contiguous part.
      first_batch: where to start; a resumed run starts behind the last batch it saw.

    Returns:
      A function of the input context that gives an endless dataset of dicts: "image" (local, H, W,
      C), float32 in [-1, 1], and "label" (local,), int64, where there are labels.
    """
    read = _reader(images)
    known_labels = None if labels is None else tf.constant(labels, tf.int64)

    def dataset(context: tf.distribute.InputContext) -> tf.data.Dataset:
        replicas = context.num_replicas_in_sync
        local = batch_size // replicas
        here = replicas // context.num_input_pipelines  # replicas that this pipeline feeds

        def part(element: tf.Tensor) -> dict[str, tf.Tensor]:
            batch = element // here
            replica = context.input_pipeline_id * here + element % here
            rows = rows_of_batch(seed, batch, batch_size, len(images))
            rows = tf.slice(rows, [replica * local], [local])
            image = tf.ensure_shape(read(rows), (local, *images.shape[1:]))
            example = {"image": tf.cast(image, tf.float32) * (2.0 / 255.0) - 1.0}
            if known_labels is not None:
                example["label"] = tf.gather(known_labels, rows)
            return example

        elements = tf.data.Dataset.counter(first_batch * here)
        return elements.map(part, num_parallel_calls=1, deterministic=True).prefetch(8)

    return dataset


def _reader(images: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
    if images.nbytes <= IN_GRAPH_BYTES:
        constant = tf.constant(images)
        return lambda rows: tf.gather(constant, rows)
    return lambda rows: tf.numpy_function(lambda wanted: images[wanted], [rows], tf.uint8)

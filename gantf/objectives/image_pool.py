"""A pool of earlier fakes, which a discriminator sees together with new fakes."""

import keras
import tensorflow as tf

from gantf.noise import Noise


class ImagePool(keras.layers.Layer):
    """Keeps fakes of earlier steps, and exchanges them for new fakes at random.

    Until the pool is full, it keeps and returns each new image. Then it returns each new image with
    probability 1/2; otherwise the new image replaces a random image of the pool, and that one is
    returned. Images are processed in the order of the global batch, and all replicas have the same
    pool.

    Source: Shrivastava et al. 2017, arXiv:1612.07828, with the pool of Zhu et al. 2017,
    arXiv:1703.10593, section 4.
    """

    def __init__(self, capacity: int, image_shape: tuple[int, int, int], **kwargs):
        """Makes an empty pool for `capacity` images of shape (H, W, C)."""
        super().__init__(**{"dtype": "float32", **kwargs})
        self.capacity = capacity
        options = {
            "initializer": "zeros",
            "trainable": False,
            "aggregation": "only_first_replica",
        }
        self.images = self.add_weight(name="images", shape=(capacity, *image_shape), **options)
        self.kept = self.add_weight(name="kept", shape=(), dtype="int64", **options)
        self.built = True

    def exchange(self, fakes: tf.Tensor, noise: Noise) -> tf.Tensor:
        """Returns fakes for this replica's rows, some of them from earlier steps.

        Args:
          fakes: shape (local_batch, H, W, C); no gradient passes through.
          noise: the step's noise, which selects the images to exchange.
        """
        coins = noise.uniform(f"{self.name}/coins", (2,))
        new = tf.stop_gradient(tf.cast(fakes, tf.float32))
        first, count = 0, fakes.shape[0]
        context = tf.distribute.get_replica_context()
        if context and context.num_replicas_in_sync > 1:
            first = tf.cast(context.replica_id_in_sync_group, tf.int32) * count
            rows = context.num_replicas_in_sync * count
            new, coins = (
                tf.ensure_shape(context.all_gather(values, axis=0), (rows, *values.shape[1:]))
                for values in (new, coins)
            )
        kept = tf.cast(tf.convert_to_tensor(self.kept), tf.int32)
        returned, pool = exchange(kept, self.capacity, coins[:, 0], coins[:, 1])
        images = tf.concat([tf.convert_to_tensor(self.images), new], axis=0)
        self.images.assign(tf.gather(images, pool))
        self.kept.assign(tf.cast(tf.minimum(kept + new.shape[0], self.capacity), tf.int64))
        local = tf.slice(returned, [first], [count])
        return tf.cast(tf.gather(images, local), fakes.dtype)


def exchange(
    kept: tf.Tensor, capacity: int, coins: tf.Tensor, places: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Selects the images that a pool returns for a batch, and the images that it then contains.

    Images 0 .. capacity - 1 are those in the pool; those of the batch follow.

    Args:
      kept: int32, number of images in the pool.
      capacity: largest number of images in the pool.
      coins: U[0, 1), shape (batch,); 1/2 and more: exchange.
      places: U[0, 1), shape (batch,); selects the image of the pool to exchange.

    Returns:
      The returned images, int32, shape (batch,), and those in the pool, int32, shape (capacity,).
    """
    batch = coins.shape[0]
    order = tf.range(batch)
    drawn = tf.minimum(tf.cast(places * capacity, tf.int32), capacity - 1)
    filling = kept + order < capacity
    exchanging = ~filling & (coins >= 0.5)
    written = tf.where(filling, kept + order, tf.where(exchanging, drawn, -1))
    # If several images of the batch go to the same place, each is exchanged for the one before.
    before = (written[None, :] == drawn[:, None]) & (order[None, :] < order[:, None])
    latest = tf.reduce_max(tf.where(before, order[None, :], -1), axis=1)
    replaced = tf.where(latest >= 0, capacity + latest, drawn)
    returned = tf.where(exchanging, replaced, capacity + order)
    slots = tf.range(capacity)
    newest = tf.reduce_max(tf.where(written[None, :] == slots[:, None], order[None, :], -1), axis=1)
    return returned, tf.where(newest >= 0, capacity + newest, slots)

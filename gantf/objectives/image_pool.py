"""The pool of earlier fakes that a discriminator is shown beside the newest ones."""

import keras
import tensorflow as tf

from gantf.noise import Noise


class ImagePool(keras.layers.Layer):
    """Keeps fakes of earlier steps, and gives some of them back for newer ones.

    Image after image: until the pool is full, each is kept and also given back; from then on, with
    a chance of 1/2 each is given back, and else it takes the place of one that was kept, drawn at
    random, which is given back instead. The images of a global batch come in its order, and the
    pool is the same on all replicas.

    Source: Shrivastava et al. 2017, arXiv:1612.07828, with the pool of Zhu et al. 2017,
    arXiv:1703.10593, section 4.
    """

    def __init__(self, capacity: int, image_shape: tuple[int, int, int], **kwargs):
        """Room for `capacity` images of (H, W, C)."""
        super().__init__(**{"dtype": "float32", **kwargs})
        self.capacity = capacity
        of_all_replicas = {
            "initializer": "zeros",
            "trainable": False,
            "aggregation": "only_first_replica",
        }
        self.images = self.add_weight(
            name="images", shape=(capacity, *image_shape), **of_all_replicas
        )
        self.kept = self.add_weight(name="kept", shape=(), dtype="int64", **of_all_replicas)
        self.built = True

    def exchange(self, fakes: tf.Tensor, noise: Noise) -> tf.Tensor:
        """This replica's rows of fakes -> as many images, some of them of earlier steps.

        Args:
          fakes: shape (local_batch, H, W, C); no gradient passes.
          noise: of the step; decides which are exchanged.
        """
        coins = noise.uniform(f"{self.name}/coins", (2,))
        mine = tf.stop_gradient(tf.cast(fakes, tf.float32))
        first, count = 0, fakes.shape[0]
        context = tf.distribute.get_replica_context()
        if context and context.num_replicas_in_sync > 1:
            first = tf.cast(context.replica_id_in_sync_group, tf.int32) * count
            rows = context.num_replicas_in_sync * count
            mine, coins = (
                tf.ensure_shape(context.all_gather(values, axis=0), (rows, *values.shape[1:]))
                for values in (mine, coins)
            )
        kept = tf.cast(tf.convert_to_tensor(self.kept), tf.int32)
        given, pool = exchanged(kept, self.capacity, coins[:, 0], coins[:, 1])
        known = tf.concat([tf.convert_to_tensor(self.images), mine], axis=0)
        self.images.assign(tf.gather(known, pool))
        self.kept.assign(tf.cast(tf.minimum(kept + mine.shape[0], self.capacity), tf.int64))
        here = tf.slice(given, [first], [count])
        return tf.cast(tf.gather(known, here), fakes.dtype)


def exchanged(
    kept: tf.Tensor, capacity: int, coins: tf.Tensor, places: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """What a pool gives back for a batch, and what it holds then, as numbers of images.

    The pool's places are the images 0 .. capacity - 1, those of the batch come behind them.

    Args:
      kept: int32, how many places are filled.
      capacity: places.
      coins: U[0, 1), shape (batch,): 1/2 and more for an exchange.
      places: U[0, 1), shape (batch,): with which place.

    Returns:
      int32 of shape (batch,), and of shape (capacity,).
    """
    batch = coins.shape[0]
    order = tf.range(batch)
    drawn = tf.minimum(tf.cast(places * capacity, tf.int32), capacity - 1)
    filling = kept + order < capacity
    exchanging = ~filling & (coins >= 0.5)
    written = tf.where(filling, kept + order, tf.where(exchanging, drawn, -1))
    # Where several images of the batch go to one place, each finds the one before it there.
    before = (written[None, :] == drawn[:, None]) & (order[None, :] < order[:, None])
    latest = tf.reduce_max(tf.where(before, order[None, :], -1), axis=1)
    found = tf.where(latest >= 0, capacity + latest, drawn)
    given = tf.where(exchanging, found, capacity + order)
    slots = tf.range(capacity)
    newest = tf.reduce_max(tf.where(written[None, :] == slots[:, None], order[None, :], -1), axis=1)
    return given, tf.where(newest >= 0, capacity + newest, slots)

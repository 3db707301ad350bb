"""Training images flipped and turned at random, before anybody sees them."""

import tensorflow as tf

from gantf.noise import Noise


def flipped(images: tf.Tensor, noise: Noise, name: str = "mirror") -> tf.Tensor:
    """Each image from left to right, or as it is.

    Args:
      images: shape (n, H, W, C).
      noise: of the step.
      name: of the coins that are thrown.
    """
    coins = noise.uniform(name, (1, 1, 1)) < 0.5
    return tf.where(coins, images[:, :, ::-1], images)


def turned(images: tf.Tensor, noise: Noise, name: str = "mirror") -> tf.Tensor:
    """Each image flipped along either axis or none, and, if it is square, along its diagonal.

    Args:
      images: shape (n, H, W, C).
      noise: of the step.
      name: of the coins that are thrown.
    """
    coins = noise.uniform(name, (3, 1, 1, 1)) < 0.5
    images = tf.where(coins[:, 0], images[:, ::-1], images)
    images = tf.where(coins[:, 1], images[:, :, ::-1], images)
    if images.shape[1] != images.shape[2]:
        return images
    return tf.where(coins[:, 2], tf.transpose(images, (0, 2, 1, 3)), images)

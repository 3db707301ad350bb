"""Random flips and rotations of training images."""

import tensorflow as tf

from gantf.noise import Noise


def random_flip(images: tf.Tensor, noise: Noise, name: str = "mirror") -> tf.Tensor:
    """Flips each image from left to right with probability 1/2.

    Args:
      images: shape (n, H, W, C).
      noise: the step's noise.
      name: name of the random numbers.
    """
    coins = noise.uniform(name, (1, 1, 1)) < 0.5
    return tf.where(coins, images[:, :, ::-1], images)


def rotate_and_flip(images: tf.Tensor, noise: Noise, name: str = "mirror") -> tf.Tensor:
    """Flips each image left to right, top to bottom and, if square, along its diagonal.

    Each flip has probability 1/2.

    Args:
      images: shape (n, H, W, C).
      noise: the step's noise.
      name: name of the random numbers.
    """
    coins = noise.uniform(name, (3, 1, 1, 1)) < 0.5
    images = tf.where(coins[:, 0], images[:, ::-1], images)
    images = tf.where(coins[:, 1], images[:, :, ::-1], images)
    if images.shape[1] != images.shape[2]:
        return images
    return tf.where(coins[:, 2], tf.transpose(images, (0, 2, 1, 3)), images)

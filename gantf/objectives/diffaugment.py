"""DiffAugment: differentiable random changes of real and fake images.

Source: Zhao et al. 2020, arXiv:2006.10738, section 4.2; the same ranges.
"""

import tensorflow as tf

from gantf.noise import Noise

TRANSLATION = 1 / 8  # of the side
CUTOUT = 1 / 2  # of the side


def diffaugment(images: tf.Tensor, policy: tuple[str, ...], noise: Noise, name: str) -> tf.Tensor:
    """Applies the changes of a policy, one after another.

    Args:
      images: shape (batch, H, W, C), in [-1, 1].
      policy: some of "color", "translation", "cutout".
      noise: the step's noise.
      name: name of the draws; real and fake images have different ones.

    Returns:
      Images of the same shape; "color" may leave [-1, 1].
    """
    for change in policy:
        images = CHANGES[change](images, noise, f"{name}/{change}")
    return images


def color(images: tf.Tensor, noise: Noise, name: str) -> tf.Tensor:
    """Changes brightness by U(-1/2, 1/2), saturation by U(0, 2), contrast by U(1/2, 3/2)."""
    draws = noise.uniform(name, (3, 1, 1, 1))
    brightness, saturation, contrast = tf.unstack(draws, axis=1)
    images = images + (brightness - 0.5)
    gray = tf.reduce_mean(images, axis=3, keepdims=True)
    images = (images - gray) * (2.0 * saturation) + gray
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return (images - mean) * (contrast + 0.5) + mean


def translation(images: tf.Tensor, noise: Noise, name: str) -> tf.Tensor:
    """Shifts by up to an eighth of the side in each direction; fills with 0, as in the paper."""
    height, width = images.shape[1:3]
    draws = noise.uniform(name, (2,))
    rows = _source_lines(draws[:, 0], height)
    columns = _source_lines(draws[:, 1], width)
    images = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    images = tf.gather(images, rows, axis=1, batch_dims=1)
    return tf.gather(images, columns, axis=2, batch_dims=1)


def cutout(images: tf.Tensor, noise: Noise, name: str) -> tf.Tensor:
    """Sets a square of half the side to 0, at a random position."""
    height, width = images.shape[1:3]
    draws = noise.uniform(name, (2,))
    keep_rows = ~_inside(draws[:, 0], height)[:, :, None]
    keep_columns = ~_inside(draws[:, 1], width)[:, None, :]
    return images * tf.cast(keep_rows | keep_columns, images.dtype)[..., None]


def _source_lines(draw: tf.Tensor, side: int) -> tf.Tensor:
    """Returns the source of each row or column of a shifted image.

    Returns:
      Indices into the image padded by 1 on each side, int32, shape (batch, side).
    """
    reach = int(side * TRANSLATION + 0.5)
    shift = tf.cast(tf.floor(draw * (2 * reach + 1)), tf.int32) - reach
    return tf.clip_by_value(tf.range(side)[None, :] + shift[:, None] + 1, 0, side + 1)


def _inside(draw: tf.Tensor, side: int) -> tf.Tensor:
    """Returns whether the square covers each row or column of the image: (batch, side), bool."""
    length = int(side * CUTOUT + 0.5)
    center = tf.cast(tf.floor(draw * (side + 1 - length % 2)), tf.int32)
    distance = tf.range(side)[None, :] - (center - length // 2)[:, None]
    return (distance >= 0) & (distance < length)


CHANGES = {"color": color, "translation": translation, "cutout": cutout}

"""Adaptive discriminator augmentation: image changes with a probability controlled by the logits.

Source: Karras et al. 2020, arXiv:2006.06676, section 3 and appendix B; the same distributions and
ranges. Differences: images are resampled bilinearly, without the wavelet filters, and the
probability is updated after every step.
"""

import math

import keras
import tensorflow as tf

from gantf.noise import Noise

SCALE_DEVIATION = 0.2 * math.log(2)
CONTRAST_DEVIATION = 0.5 * math.log(2)
SATURATION_DEVIATION = math.log(2)
SHIFT = 1 / 8  # of the side


class Ada(keras.layers.Layer):
    """The probability of a change, and its controller.

    The probability rises while the mean sign of D(x) over real images is above the target, a sign
    of overfitting to the training images.
    """

    def __init__(self, target: float, images: int, changes: tuple[str, ...], **kwargs):
        """Starts at probability 0, which changes by at most 1 in `images` images."""
        super().__init__(**kwargs)
        self.target, self.images, self.changes = target, images, changes
        self.probability = self.add_weight(
            name="probability",
            shape=(),
            initializer="zeros",
            trainable=False,
            dtype="float32",
            aggregation="only_first_replica",
        )

    def change(self, images: tf.Tensor, noise: Noise, name: str) -> tf.Tensor:
        """Returns the images after the changes, each applied with the current probability."""
        return augment(images, tf.convert_to_tensor(self.probability), self.changes, noise, name)

    def observe(self, real_logits: tf.Tensor, noise: Noise) -> None:
        """Updates the probability from the logits of a batch of real images."""
        signs = tf.reduce_sum(tf.sign(tf.cast(real_logits, tf.float32)))
        count = tf.cast(tf.size(real_logits), tf.float32)
        context = tf.distribute.get_replica_context()
        if context and context.num_replicas_in_sync > 1:
            signs, count = context.all_reduce(tf.distribute.ReduceOp.SUM, [signs, count])
        amount = noise.local_rows * (context.num_replicas_in_sync if context else 1) / self.images
        probability = tf.convert_to_tensor(self.probability)
        self.probability.assign(update_probability(probability, signs / count, self.target, amount))


def update_probability(
    probability: tf.Tensor, mean_sign: tf.Tensor, target: float, amount: float
) -> tf.Tensor:
    """Raises the probability by `amount` if the mean sign is above the target, else lowers it."""
    return tf.clip_by_value(probability + amount * tf.sign(mean_sign - target), 0.0, 1.0)


def augment(
    images: tf.Tensor, probability: tf.Tensor, changes: tuple[str, ...], noise: Noise, name: str
) -> tf.Tensor:
    """Applies each kind of change to each image with a probability.

    Args:
      images: shape (batch, H, W, C), in [-1, 1].
      probability: of each single change, in [0, 1].
      changes: some of "blit" (flips, quarter turns, integer shifts), "geometry" (scalings,
        rotations, shifts) and "color" (brightness, contrast, inversion and, in RGB, hue and
        saturation).
      noise: the step's noise.
      name: name of the draws; real and fake images have different ones.

    Returns:
      Images of the same shape; "color" may leave [-1, 1].
    """
    draw = _Draws(noise, name, probability)
    height, width = images.shape[1:3]
    matrix = None
    if "blit" in changes:
        matrix = _blit(draw, height, width)
    if "geometry" in changes:
        geometry = _geometry(draw, height, width)
        matrix = geometry if matrix is None else matrix @ geometry
    if matrix is not None:
        images = warp(images, matrix)
    if "color" in changes:
        images = _color(draw, images)
    return images


class _Draws:
    """Draws one number per image for each change: random, or neutral (no change)."""

    def __init__(self, noise: Noise, name: str, probability: tf.Tensor):
        self._noise, self._name, self._probability = noise, name, probability

    def _where(self, kind: str, value: tf.Tensor, neutral: float, probability=None) -> tf.Tensor:
        coin = self._noise.uniform(f"{self._name}/{kind}/coin")
        probability = self._probability if probability is None else probability
        return tf.where(coin < probability, value, neutral)

    def normal(self, kind: str) -> tf.Tensor:
        """N(0, 1), or 0."""
        return self._where(kind, self._noise.normal(f"{self._name}/{kind}"), 0.0)

    def integer(self, kind: str, count: int) -> tf.Tensor:
        """0 .. count - 1 as floats, or 0."""
        value = tf.floor(self._noise.uniform(f"{self._name}/{kind}") * count)
        return self._where(kind, value, 0.0)

    def symmetric(self, kind: str, probability=None) -> tf.Tensor:
        """U(-1, 1), or 0."""
        value = self._noise.uniform(f"{self._name}/{kind}") * 2.0 - 1.0
        return self._where(kind, value, 0.0, probability)

    def half_probability(self) -> tf.Tensor:
        """Returns p such that one or both of two rotations occur as often as any other change."""
        return 1.0 - tf.sqrt(1.0 - self._probability)


def _blit(draw: _Draws, height: int, width: int) -> tf.Tensor:
    """Returns matrices (batch, 3, 3) of a flip, quarter turns and an integer shift."""
    flip = 1.0 - 2.0 * draw.integer("flip", 2)
    one = tf.ones_like(flip)
    down = tf.round(draw.symmetric("shift_down") * SHIFT * height)
    right = tf.round(draw.symmetric("shift_right") * SHIFT * width)
    quarter = _turn(draw.integer("quarter", 4) * (math.pi / 2))
    return _scale(flip, one) @ quarter @ _shift(right, down)


def _geometry(draw: _Draws, height: int, width: int) -> tf.Tensor:
    """Returns matrices (batch, 3, 3) of scaling, rotation, stretching, rotation and shift."""
    scale = tf.exp(draw.normal("scale") * SCALE_DEVIATION)
    stretch = tf.exp(draw.normal("stretch") * SCALE_DEVIATION)
    half = draw.half_probability()
    first = _turn(draw.symmetric("turn_before", half) * math.pi)
    second = _turn(draw.symmetric("turn_after", half) * math.pi)
    right = draw.normal("move_right") * SHIFT * width
    down = draw.normal("move_down") * SHIFT * height
    stretched = _scale(stretch, 1.0 / stretch)
    return _scale(scale, scale) @ first @ stretched @ second @ _shift(right, down)


def _color(draw: _Draws, images: tf.Tensor) -> tf.Tensor:
    """Changes brightness, contrast, inversion of the brightness, hue and saturation."""

    def per_image(values: tf.Tensor) -> tf.Tensor:
        return values[:, None, None, None]

    images += per_image(draw.normal("brightness") * 0.2)
    images *= per_image(tf.exp(draw.normal("contrast") * CONTRAST_DEVIATION))
    inverted = per_image(draw.integer("inversion", 2))
    luma = tf.reduce_mean(images, axis=3, keepdims=True)
    images -= 2.0 * inverted * luma
    if images.shape[3] != 3:
        return images
    luma = tf.reduce_mean(images, axis=3, keepdims=True)
    chroma = images - luma
    angle = draw.symmetric("hue") * math.pi
    # Rotates the colours about the gray axis: the cross product with the axis is a difference.
    crossed = (tf.roll(chroma, 1, axis=3) - tf.roll(chroma, -1, axis=3)) / math.sqrt(3)
    chroma = per_image(tf.cos(angle)) * chroma + per_image(tf.sin(angle)) * crossed
    return luma + chroma * per_image(tf.exp(draw.normal("saturation") * SATURATION_DEVIATION))


def warp(images: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
    """Transforms images by matrices, bilinearly; outside its edges an image is reflected.

    Args:
      images: shape (batch, H, W, C).
      matrices: shape (batch, 3, 3); maps (x, y, 1) of an output pixel to the input pixel, in pixels
        from the centre of the image.
    """
    height, width = images.shape[1:3]
    x, y = tf.meshgrid(_centred(width), _centred(height))
    targets = tf.stack([tf.reshape(x, [-1]), tf.reshape(y, [-1]), tf.ones(height * width)])
    sources = tf.matmul(matrices[:, :2], targets[None])  # (batch, 2, H W)
    column = sources[:, 0] + (width - 1) / 2
    row = sources[:, 1] + (height - 1) / 2
    left, top = tf.floor(column), tf.floor(row)
    flat = tf.reshape(images, (-1, height * width, images.shape[3]))
    result = tf.zeros_like(flat)
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        at_row, at_column = top + down, left + right
        weight = (1.0 - tf.abs(row - at_row)) * (1.0 - tf.abs(column - at_column))
        index = _reflected(at_row, height) * width + _reflected(at_column, width)
        picked = tf.gather(flat, index, batch_dims=1)
        result += tf.cast(weight[..., None], images.dtype) * picked
    return tf.reshape(result, tf.shape(images))


def _reflected(places: tf.Tensor, side: int) -> tf.Tensor:
    """Maps integers to 0 .. side - 1, reflected at the outermost pixels as often as necessary."""
    if side == 1:
        return tf.zeros_like(tf.cast(places, tf.int32))
    period = 2 * (side - 1)
    places = tf.math.floormod(tf.cast(places, tf.int32), period)
    return tf.minimum(places, period - places)


def _centred(side: int) -> tf.Tensor:
    return tf.range(side, dtype=tf.float32) - (side - 1) / 2


def _matrix(rows: list[list]) -> tf.Tensor:
    return tf.stack([tf.stack(row, axis=-1) for row in rows], axis=-2)


def _scale(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    zero, one = tf.zeros_like(x), tf.ones_like(x)
    return _matrix([[x, zero, zero], [zero, y, zero], [zero, zero, one]])


def _shift(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    zero, one = tf.zeros_like(x), tf.ones_like(x)
    return _matrix([[one, zero, x], [zero, one, y], [zero, zero, one]])


def _turn(angle: tf.Tensor) -> tf.Tensor:
    zero, one = tf.zeros_like(angle), tf.ones_like(angle)
    sine, cosine = tf.sin(angle), tf.cos(angle)
    return _matrix([[cosine, -sine, zero], [sine, cosine, zero], [zero, zero, one]])

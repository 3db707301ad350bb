"""What the networks' files share: initial weights, normalisation, and cutting to size."""

import zlib

import keras
from keras import layers

from gantf.settings import Norm


def normal(seed: int, layer: str, deviation: float = 0.02) -> keras.initializers.Initializer:
    """N(0, deviation), DCGAN's by default; each layer has a stream of its own."""
    return keras.initializers.RandomNormal(0.0, deviation, seed=stream(seed, layer))


def he(seed: int, layer: str, scale: float = 2.0) -> keras.initializers.Initializer:
    """N(0, scale / inputs): He's for ReLU; each layer has a stream of its own."""
    return keras.initializers.VarianceScaling(
        scale, "fan_in", "untruncated_normal", seed=stream(seed, layer)
    )


def stream(seed: int, layer: str) -> int:
    """The seed of one layer's weights."""
    return zlib.crc32(f"{seed}/{layer}".encode())


def normalise(x, norm: Norm):
    """Batch norm (over all replicas), layer norm, or nothing."""
    if norm == "batch":
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=True)(x)
    if norm == "layer":
        axes = list(range(1, len(x.shape)))
        return layers.LayerNormalization(axis=axes, epsilon=1e-5)(x)
    return x


def crop(x, side: tuple[int, int]):
    """The upper left part of an image, where it is larger than (H, W)."""
    extra = x.shape[1] - side[0], x.shape[2] - side[1]
    return layers.Cropping2D(((0, extra[0]), (0, extra[1])))(x) if any(extra) else x


def resolutions(
    image_shape: tuple[int, ...],
    smallest_px: int = 8,
    largest_px: int = 256,
    coarsest_px: int = 4,
    least_stages: int = 3,
) -> list[tuple[int, int]]:
    """(H, W) at each stage, finest first: halved, rounding up, down to a coarsest side.

    Args:
      image_shape: (H, W, ...).
      smallest_px: no side may be smaller.
      largest_px: nor larger.
      coarsest_px: no stage is coarser, but for `least_stages`.
      least_stages: so many there are, however small the image.

    Raises:
      ValueError: a side is not from `smallest_px` to `largest_px`.
    """
    height, width = image_shape[:2]
    if not all(smallest_px <= side <= largest_px for side in (height, width)):
        raise ValueError(
            f"images of {height} x {width} pixels: sides go from {smallest_px} to {largest_px}; "
            "choose another with --size"
        )
    sides = [(height, width)]
    while max(sides[-1]) > coarsest_px or len(sides) < least_stages:
        sides.append(((sides[-1][0] + 1) // 2, (sides[-1][1] + 1) // 2))
    return sides

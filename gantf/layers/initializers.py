"""Initializers of a network's weights. Each layer draws its weights with a seed of its own."""

import zlib

import keras


def normal(seed: int, layer: str, deviation: float = 0.02) -> keras.initializers.Initializer:
    """Returns an initializer N(0, deviation^2); the default deviation is DCGAN's."""
    return keras.initializers.RandomNormal(0.0, deviation, seed=stream(seed, layer))


def he(seed: int, layer: str, scale: float = 2.0) -> keras.initializers.Initializer:
    """Returns an initializer of variance scale / inputs; the default scale is He's for ReLU."""
    return keras.initializers.VarianceScaling(
        scale, "fan_in", "untruncated_normal", seed=stream(seed, layer)
    )


def stream(seed: int, layer: str) -> int:
    """Returns the seed of one layer's weights."""
    return zlib.crc32(f"{seed}/{layer}".encode())

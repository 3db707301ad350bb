"""DCGAN's generator and discriminator, for any image from 8 to 256 pixels a side.

Source: Radford et al. 2015, arXiv:1511.06434, section 3. Two changes fit small images: an extra
3 x 3 convolution at full resolution in each network, and stages down to 2 x 2 for 8 x 8 images.
"""

import zlib
from typing import Literal

import keras
from keras import layers

from gantf.layers.spectral import SpectralConv2D, SpectralDense

SMALLEST_PX, LARGEST_PX = 8, 256
COARSEST_PX = 4  # where convolutions give way to a dense layer, as in the paper
LEAST_STAGES = 3  # so that the networks of the smallest images are deep enough
Norm = Literal["none", "batch", "layer"]


def generator(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    channels: int,
    max_channels: int,
    norm: Norm,
    seed: int,
    name: str = "generator",
) -> keras.Model:
    """Latents (n, latent_dim) -> images (n, H, W, C) in [-1, 1], by a dense layer and upsampling.

    Args:
      image_shape: (H, W, C), H and W from 8 to 256.
      latent_dim: width of the input.
      channels: at full resolution; doubled at each coarser one.
      max_channels: no resolution has more.
      norm: see `Norm`, after every layer but the last.
      seed: of the initial weights.
      name: of the model.
    """
    sides = resolutions(image_shape)
    widths = [min(channels * 2**stage, max_channels) for stage in range(len(sides))]
    height, width = sides[-1]
    latents = keras.Input((latent_dim,), name="latents")
    x = layers.Dense(
        height * width * widths[-1], use_bias=norm == "none", kernel_initializer=_init(seed, "g_in")
    )(latents)
    x = layers.Reshape((height, width, widths[-1]))(x)
    x = layers.ReLU()(_normalise(x, norm))
    for stage in reversed(range(len(sides) - 1)):
        x = layers.Conv2DTranspose(
            widths[stage],
            4,
            strides=2,
            padding="same",
            use_bias=norm == "none",
            kernel_initializer=_init(seed, f"g_{stage}"),
        )(x)
        x = _crop(x, sides[stage])
        x = layers.ReLU()(_normalise(x, norm))
    x = layers.Conv2D(image_shape[2], 3, padding="same", kernel_initializer=_init(seed, "g_out"))(x)
    return keras.Model(latents, layers.Activation("tanh", name="images")(x), name=name)


def discriminator(
    image_shape: tuple[int, int, int],
    channels: int,
    max_channels: int,
    norm: Norm,
    spectral_norm: bool,
    seed: int,
    name: str = "discriminator",
) -> keras.Model:
    """Images (n, H, W, C) -> logits (n, 1), by strided convolutions and a dense layer.

    Args:
      image_shape: (H, W, C), H and W from 8 to 256.
      channels: at full resolution; doubled at each coarser one.
      max_channels: no resolution has more.
      norm: see `Norm`, after every strided convolution.
      spectral_norm: divide every kernel by its largest singular value.
      seed: of the initial weights.
      name: of the model.
    """
    conv, dense = (
        (SpectralConv2D, SpectralDense) if spectral_norm else (layers.Conv2D, layers.Dense)
    )
    images = keras.Input(image_shape, name="images")
    x = conv(channels, 3, padding="same", kernel_initializer=_init(seed, "d_in"))(images)
    x = layers.LeakyReLU(0.2)(x)
    for stage in range(1, len(resolutions(image_shape))):
        x = conv(
            min(channels * 2**stage, max_channels),
            4,
            strides=2,
            padding="same",
            use_bias=norm == "none",
            kernel_initializer=_init(seed, f"d_{stage}"),
        )(x)
        x = layers.LeakyReLU(0.2)(_normalise(x, norm))
    logits = dense(1, kernel_initializer=_init(seed, "d_out"))(layers.Flatten()(x))
    return keras.Model(images, logits, name=name)


def resolutions(image_shape: tuple[int, int, int]) -> list[tuple[int, int]]:
    """(H, W) at each stage, finest first: halved, rounding up, at least twice and to 4 at the most.

    Raises:
      ValueError: a side is not from 8 to 256.
    """
    height, width, _ = image_shape
    if not all(SMALLEST_PX <= side <= LARGEST_PX for side in (height, width)):
        raise ValueError(
            f"images of {height} x {width} pixels: sides go from {SMALLEST_PX} to {LARGEST_PX}; "
            "choose another with --size"
        )
    sides = [(height, width)]
    while max(sides[-1]) > COARSEST_PX or len(sides) < LEAST_STAGES:
        sides.append(((sides[-1][0] + 1) // 2, (sides[-1][1] + 1) // 2))
    return sides


def _crop(x, side: tuple[int, int]):
    extra = x.shape[1] - side[0], x.shape[2] - side[1]
    return layers.Cropping2D(((0, extra[0]), (0, extra[1])))(x) if any(extra) else x


def _normalise(x, norm: Norm):
    if norm == "batch":
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=True)(x)
    if norm == "layer":
        return layers.LayerNormalization(axis=[1, 2, 3], epsilon=1e-5)(x)
    return x


def _init(seed: int, layer: str) -> keras.initializers.Initializer:
    """N(0, 0.02), the paper's; its own stream for each layer."""
    return keras.initializers.RandomNormal(0.0, 0.02, seed=zlib.crc32(f"{seed}/{layer}".encode()))

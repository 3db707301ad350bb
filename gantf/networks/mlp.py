"""Networks of dense layers, as in the first GAN, for small images.

Source: Goodfellow et al. 2014, arXiv:1406.2661, section 5; with ReLU and leaky ReLU instead of
rectifiers, sigmoids and maxout.
"""

import math

from keras import layers

from gantf.layers.dropout import Dropout
from gantf.layers.initializers import he
from gantf.layers.normalisation import normalise
from gantf.layers.spectral import SpectralDense
from gantf.settings import Architecture

WIDTH_PER_CHANNEL = 16
HIDDEN_LAYERS = 3
LARGEST = 64 * 64 * 3


def generator_body(
    x, image_shape: tuple[int, int, int], config: Architecture, max_channels: int, seed: int
):
    """Maps x (n, d) to images (n, H, W, C), unbounded."""
    _check(image_shape)
    for layer in range(HIDDEN_LAYERS):
        x = layers.Dense(
            config.generator_channels * WIDTH_PER_CHANNEL,
            use_bias=config.generator_norm == "none",
            kernel_initializer=he(seed, f"g_{layer}"),
        )(x)
        x = layers.ReLU()(normalise(x, config.generator_norm))
        if config.generator_dropout:
            x = Dropout(config.generator_dropout)(x)
    size = math.prod(image_shape)
    x = layers.Dense(size, kernel_initializer=he(seed, "g_out", 1.0))(x)
    return layers.Reshape(image_shape)(x)


def discriminator_body(
    images, image_shape, config: Architecture, max_channels, spectral_norm: bool, seed: int
):
    """Maps images (n, H, W, C) to features (n, d)."""
    _check(image_shape)
    dense = SpectralDense if spectral_norm else layers.Dense
    x = layers.Flatten()(images)
    for layer in range(HIDDEN_LAYERS):
        x = dense(
            config.discriminator_channels * WIDTH_PER_CHANNEL,
            use_bias=config.discriminator_norm == "none",
            kernel_initializer=he(seed, f"d_{layer}"),
        )(x)
        x = layers.LeakyReLU(0.2)(normalise(x, config.discriminator_norm))
    return x


def _check(image_shape: tuple[int, ...]) -> None:
    if math.prod(image_shape) > LARGEST:
        raise ValueError(
            f"network=mlp takes images of at most {LARGEST} numbers (H x W x C), and these have "
            f"{math.prod(image_shape)}; set network=dcgan or resnet, or choose a smaller --size"
        )

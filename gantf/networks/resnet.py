"""The residual generator and discriminator of SNGAN, for any image from 8 to 256 pixels a side.

Source: Miyato et al. 2018, arXiv:1802.05957, tables 4 and 5; widths as in this package's DCGAN.
"""

from keras import layers

from gantf.layers.building import crop, he, normalise, resolutions
from gantf.layers.dropout import Dropout
from gantf.layers.spectral import SpectralConv2D
from gantf.settings import Architecture


def generator_body(
    x, image_shape: tuple[int, int, int], config: Architecture, max_channels: int, seed: int
):
    """What a generator is fed (n, d) -> images (n, H, W, C), unbounded.

    Arguments as in `dcgan.grow`; every residual block doubles the side.
    """
    norm = config.generator_norm
    sides = resolutions(image_shape)
    widths = [
        min(config.generator_channels * 2**stage, max_channels) for stage in range(len(sides))
    ]
    height, width = sides[-1]
    x = layers.Dense(height * width * widths[-1], kernel_initializer=he(seed, "g_in", 1.0))(x)
    x = layers.Reshape((height, width, widths[-1]))(x)
    for stage in reversed(range(len(sides) - 1)):
        name = f"g_{stage}"
        shortcut = crop(layers.UpSampling2D()(x), sides[stage])
        shortcut = _conv(widths[stage], 1, he(seed, f"{name}_skip", 1.0))(shortcut)
        x = layers.ReLU()(normalise(x, norm))
        x = crop(layers.UpSampling2D()(x), sides[stage])
        x = _conv(widths[stage], 3, he(seed, f"{name}_a"))(x)
        x = layers.ReLU()(normalise(x, norm))
        if config.generator_dropout:
            x = Dropout(config.generator_dropout)(x)
        x = _conv(widths[stage], 3, he(seed, f"{name}_b", 1.0))(x)
        x = layers.Add()([x, shortcut])
    x = layers.ReLU()(normalise(x, norm))
    return _conv(image_shape[2], 3, he(seed, "g_out", 1.0))(x)


def discriminator_body(
    images, image_shape, config: Architecture, max_channels, spectral_norm: bool, seed: int
):
    """Images (n, H, W, C) -> features (n, d), the mean over all places.

    Arguments as in `dcgan.shrink`; every residual block but the last halves the side.
    """
    conv = SpectralConv2D if spectral_norm else layers.Conv2D
    channels, norm = config.discriminator_channels, config.discriminator_norm
    stages = len(resolutions(image_shape))
    x = images
    for stage in range(stages):
        name, width = f"d_{stage}", min(channels * 2**stage, max_channels)
        halves = stage < stages - 1
        shortcut = conv(width, 1, padding="same", kernel_initializer=he(seed, f"{name}_skip", 1.0))(
            x
        )
        if stage:  # the first block sees the image itself
            x = layers.LeakyReLU(0.2)(normalise(x, norm))
        x = conv(width, 3, padding="same", kernel_initializer=he(seed, f"{name}_a"))(x)
        x = layers.LeakyReLU(0.2)(normalise(x, norm))
        x = conv(width, 3, padding="same", kernel_initializer=he(seed, f"{name}_b", 1.0))(x)
        x = layers.Add()([x, shortcut])
        if halves:
            x = layers.AveragePooling2D(2, padding="same")(x)
    x = layers.LeakyReLU(0.2)(x)
    return layers.GlobalAveragePooling2D()(x)


def _conv(channels: int, kernel: int, initializer):
    return layers.Conv2D(channels, kernel, padding="same", kernel_initializer=initializer)

"""SNGAN's residual generator and discriminator, for images with sides of 8 pixels or more.

Source: Miyato et al. 2018, arXiv:1802.05957, tables 4 and 5; widths as in this package's DCGAN.
"""

from keras import layers

from gantf.layers.dropout import Dropout
from gantf.layers.initializers import he
from gantf.layers.normalisation import normalise
from gantf.layers.resolutions import crop, resolutions
from gantf.layers.spectral import SpectralConv2D
from gantf.settings import Architecture


def generator_body(
    x, image_shape: tuple[int, int, int], config: Architecture, max_channels: int, seed: int
):
    """Maps x (n, d) to images (n, H, W, C), unbounded; every residual block doubles the sides.

    Arguments as in `dcgan.generator_body`.
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
    """Maps images (n, H, W, C) to features (n, d), the mean over height and width.

    Every residual block except the last halves the sides. Arguments as in
    `dcgan.discriminator_body`.
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
        if stage:  # the first block reads the image itself
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

"""DCGAN's generator and discriminator, for images with sides of 8 pixels or more.

Source: Radford et al. 2015, arXiv:1511.06434, section 3. Two changes for small images: an extra
3 x 3 convolution at full resolution in each network, and stages down to 2 x 2 for 8 x 8 images.
"""

from keras import layers

from gantf.layers.dropout import Dropout
from gantf.layers.initializers import normal
from gantf.layers.normalisation import normalise
from gantf.layers.resolutions import crop, resolutions
from gantf.layers.spectral import SpectralConv2D
from gantf.settings import Architecture


def generator_body(
    x, image_shape: tuple[int, int, int], config: Architecture, max_channels: int, seed: int
):
    """Maps x (n, d) to images (n, H, W, C), unbounded, by transposed convolutions.

    Args:
      x: shape (n, d).
      image_shape: (H, W, C), H and W of 8 or more.
      config: `generator_channels` at full resolution, doubled at each coarser one; normalised
        after every layer except the last.
      max_channels: largest number of channels at any resolution.
      seed: seed of the initial weights.
    """
    norm = config.generator_norm
    sides = resolutions(image_shape)
    widths = [
        min(config.generator_channels * 2**stage, max_channels) for stage in range(len(sides))
    ]
    height, width = sides[-1]
    x = layers.Dense(
        height * width * widths[-1],
        use_bias=norm == "none",
        kernel_initializer=normal(seed, "g_in"),
    )(x)
    x = layers.Reshape((height, width, widths[-1]))(x)
    x = layers.ReLU()(normalise(x, norm))
    for stage in reversed(range(len(sides) - 1)):
        x = layers.Conv2DTranspose(
            widths[stage],
            4,
            strides=2,
            padding="same",
            use_bias=norm == "none",
            kernel_initializer=normal(seed, f"g_{stage}"),
        )(x)
        x = crop(x, sides[stage])
        x = layers.ReLU()(normalise(x, norm))
        if config.generator_dropout:
            x = Dropout(config.generator_dropout)(x)
    return layers.Conv2D(
        image_shape[2], 3, padding="same", kernel_initializer=normal(seed, "g_out")
    )(x)


def discriminator_body(
    images,
    image_shape: tuple[int, int, int],
    config: Architecture,
    max_channels: int,
    spectral_norm: bool,
    seed: int,
):
    """Maps images (n, H, W, C) to features (n, d), by strided convolutions.

    Args:
      images: shape (n, H, W, C); C may be larger than in `image_shape`.
      image_shape: (H, W, ...), H and W of 8 or more.
      config: `discriminator_channels` at full resolution, doubled at each coarser one; normalised
        after every strided convolution.
      max_channels: largest number of channels at any resolution.
      spectral_norm: divide every kernel by its largest singular value.
      seed: seed of the initial weights.
    """
    conv = SpectralConv2D if spectral_norm else layers.Conv2D
    channels, norm = config.discriminator_channels, config.discriminator_norm
    x = conv(channels, 3, padding="same", kernel_initializer=normal(seed, "d_in"))(images)
    x = layers.LeakyReLU(0.2)(x)
    for stage in range(1, len(resolutions(image_shape))):
        x = conv(
            min(channels * 2**stage, max_channels),
            4,
            strides=2,
            padding="same",
            use_bias=norm == "none",
            kernel_initializer=normal(seed, f"d_{stage}"),
        )(x)
        x = layers.LeakyReLU(0.2)(normalise(x, norm))
    return layers.Flatten()(x)

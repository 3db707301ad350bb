"""R3GAN's generator and discriminator: residual blocks of grouped convolutions, no normalisation.

Source: Huang et al. 2024, arXiv:2501.05441, section 3 and figure 2. Each block is a 1 x 1, a
grouped 3 x 3 and a 1 x 1 convolution. The last one starts at zero; the initial weights of the
others decrease with the number of blocks (fix-up: Zhang et al. 2019, arXiv:1901.09321). Resampling
is bilinear. Differences: any side of 8 pixels or more, and widths that a CPU can train.
"""

import math

import keras
from keras import layers

from gantf.layers.grouped import GroupedConv2D
from gantf.layers.initializers import normal, stream
from gantf.layers.resolutions import crop, resolutions

SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))  # of the leaky ReLU
LAYERS_IN_BLOCK = 3
EXPANSION = 2  # of the channels inside a block


def generator(
    image_shape: tuple[int, int, int],
    latent_dim: int,
    channels: int,
    blocks: int,
    group_channels: int,
    seed: int,
    name: str = "generator",
) -> keras.Model:
    """{"latents": (n, latent_dim)} -> images (n, H, W, C), unbounded as published.

    Args:
      image_shape: (H, W, C), H and W of 8 or more.
      latent_dim: size of the latent vector.
      channels: channels at every resolution.
      blocks: residual blocks at each resolution.
      group_channels: channels in a group of the grouped convolutions; must divide 2 * channels.
      seed: seed of the initial weights.
      name: name of the model.
    """
    sides = resolutions(image_shape)
    latents = keras.Input((latent_dim,), name="latents")
    height, width = sides[-1]
    basis = layers.Dense(
        height * width * channels,
        use_bias=False,
        kernel_initializer=normal(seed, "g_in", latent_dim**-0.5),
    )(latents)
    x = layers.Reshape((height, width, channels))(basis)
    for stage in reversed(range(len(sides))):
        if stage < len(sides) - 1:
            x = crop(layers.UpSampling2D(interpolation="bilinear")(x), sides[stage])
        for block in range(blocks):
            x = _block(x, channels, group_channels, blocks * len(sides), seed, f"g_{stage}_{block}")
    x = layers.Conv2D(image_shape[2], 1, kernel_initializer=_scaled(seed, "g_out", 1.0))(x)
    images = layers.Activation("linear", dtype="float32", name="images")(x)
    return keras.Model({"latents": latents}, images, name=name)


def discriminator(
    image_shape: tuple[int, int, int],
    channels: int,
    blocks: int,
    group_channels: int,
    seed: int,
    name: str = "discriminator",
) -> keras.Model:
    """{"image": (n, H, W, C)} -> logits (n, 1); arguments as for `generator`."""
    sides = resolutions(image_shape)
    images = keras.Input(image_shape, name="image")
    x = layers.Conv2D(channels, 1, kernel_initializer=_scaled(seed, "d_in", 1.0))(images)
    for stage in range(len(sides)):
        for block in range(blocks):
            x = _block(x, channels, group_channels, blocks * len(sides), seed, f"d_{stage}_{block}")
        if stage < len(sides) - 1:
            x = layers.AveragePooling2D(2, padding="same")(x)  # bilinear, at half the side
    x = layers.DepthwiseConv2D(
        sides[-1],
        use_bias=False,
        depthwise_initializer=normal(seed, "d_end", 1 / math.prod(sides[-1]) ** 0.5),
    )(x)
    x = layers.Flatten()(x)
    logits = layers.Dense(1, use_bias=False, kernel_initializer=_scaled(seed, "d_out", 1.0))(x)
    logits = layers.Activation("linear", dtype="float32", name="logits")(logits)
    return keras.Model({"image": images}, logits, name=name)


def _block(x, channels: int, group_channels: int, all_blocks: int, seed: int, name: str):
    """Returns x + conv(act(grouped conv(act(conv(x)))))."""
    wide = channels * EXPANSION
    if wide % group_channels:
        raise ValueError(
            f"group_channels={group_channels} does not divide the {wide} channels of a block; "
            f"set it to a divisor, such as {math.gcd(wide, group_channels)}"
        )
    scale = GAIN * all_blocks ** (-1 / (2 * LAYERS_IN_BLOCK - 2))
    inner = layers.Conv2D(wide, 1, kernel_initializer=_scaled(seed, f"{name}_a", scale))(x)
    inner = layers.LeakyReLU(SLOPE)(inner)
    inner = GroupedConv2D(
        wide,
        3,
        padding="same",
        groups=wide // group_channels,
        kernel_initializer=_scaled(seed, f"{name}_b", scale),
    )(inner)
    inner = layers.LeakyReLU(SLOPE)(inner)
    inner = layers.Conv2D(channels, 1, use_bias=False, kernel_initializer="zeros")(inner)
    return layers.Add()([x, inner])


def _scaled(seed: int, layer: str, gain: float) -> keras.initializers.Initializer:
    """Returns an initializer N(0, gain^2 / inputs)."""
    return keras.initializers.VarianceScaling(
        gain**2, "fan_in", "untruncated_normal", seed=stream(seed, layer)
    )

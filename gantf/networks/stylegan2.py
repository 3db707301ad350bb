"""StyleGAN2's mapping, synthesis and discriminator, for squares of 8, 16, 32 ... pixels.

Source: Karras et al. 2020, arXiv:1912.04958: the synthesis of figure 2 (d), the generator of
figure 7 (b) (skip connections), the discriminator of figure 7 (c) (residual).
"""

import math
from typing import Protocol

import keras
from keras import layers

from gantf.layers import equalized
from gantf.layers.blur import Blur, Upsample
from gantf.layers.minibatch_stddev import MinibatchStddev
from gantf.layers.modulated import Bias, ModulatedConv2D, PixelNoise
from gantf.layers.styles import LearnedConstant, PixelNorm, SelectStyle, Truncation

SMALLEST_PX = 8
COARSEST_PX = 4


class Sizes(Protocol):
    """The settings that the networks read; `gantf.models.stylegan2` describes them."""

    latent_dim: int
    style_dim: int
    mapping_layers: int
    mapping_speed: float
    generator_channels: int
    discriminator_channels: int
    max_channels: int
    stddev_group: int


def stages(image_shape: tuple[int, int, int]) -> list[int]:
    """Returns the side of each stage, coarsest first: 4, 8 ... up to the image's side.

    Raises:
      ValueError: the image is not a square whose side is a power of two, 8 or more.
    """
    height, width = image_shape[:2]
    near = max(2 ** int(math.log2(min(height, width))), SMALLEST_PX)
    if height != width or height != near:
        raise ValueError(
            f"images of {height} x {width} pixels: stylegan2 needs squares with a side of 8, 16, "
            f"32 ... pixels; use --size {near}"
        )
    return [COARSEST_PX * 2**stage for stage in range(int(math.log2(height)) - 1)]


def style_layers(image_shape: tuple[int, int, int]) -> int:
    """Returns the number of layers of the synthesis; each has a style of its own."""
    return 2 * len(stages(image_shape))


def generator(
    config: Sizes, image_shape: tuple[int, int, int], seed: int, name: str = "generator"
) -> keras.Model:
    """{"latents": (n, latent_dim)} -> images (n, H, W, C), about [-1, 1]; see `parts`."""
    latents = keras.Input((config.latent_dim,), name="latents")
    style = _map(latents, config, seed)
    style = Truncation(name="truncation", dtype="float32")(style)
    styles = layers.RepeatVector(style_layers(image_shape), name="styles", dtype="float32")(style)
    return keras.Model(
        {"latents": latents}, _synthesise(styles, config, image_shape, seed), name=name
    )


def parts(network: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Returns a generator's mapping and synthesis.

    The mapping: latents (n, latent_dim) -> w (n, style_dim). The synthesis: the styles of all
    layers (n, layers, style_dim) -> images.
    """
    mapping = keras.Model(network.input["latents"], network.get_layer("truncation").input)
    return mapping, keras.Model(network.get_layer("styles").output, network.output)


def discriminator(
    config: Sizes, image_shape: tuple[int, int, int], seed: int, name: str = "discriminator"
) -> keras.Model:
    """{"image": (n, H, W, C)} -> logits (n, 1), which depend on the other images of a group."""
    sides = stages(image_shape)
    widths = _widths(config.discriminator_channels, config.max_channels, sides)
    image = keras.Input(image_shape, name="image")
    x = equalized.conv(widths[sides[-1]], 1, seed, "d_image", activate=True)(image)
    for side in reversed(sides[1:]):
        block, coarser = f"d_{side}", widths[side // 2]
        skip = Blur(padding=1, stride=2, name=f"{block}_skip_blur")(x)
        skip = equalized.conv(coarser, 1, seed, f"{block}_skip", use_bias=False)(skip)
        x = equalized.conv(widths[side], 3, seed, f"{block}_a", activate=True)(x)
        x = Blur(padding=2, name=f"{block}_blur")(x)
        x = equalized.conv(
            coarser, 3, seed, f"{block}_b", activate=True, strides=2, padding="valid"
        )(x)
        x = layers.Rescaling(math.sqrt(0.5), name=f"{block}_scale")(layers.Add()([x, skip]))
    x = MinibatchStddev(config.stddev_group, name="d_deviation")(x)
    x = equalized.conv(widths[COARSEST_PX], 3, seed, "d_4", activate=True)(x)
    x = layers.Flatten()(x)
    x = equalized.dense(widths[COARSEST_PX], seed, "d_dense", activate=True)(x)
    logits = equalized.dense(1, seed, "d_out", dtype="float32")(x)
    return keras.Model({"image": image}, logits, name=name)


def _map(latents, config: Sizes, seed: int):
    """Maps latents to w, in float32."""
    x = PixelNorm(name="normed", dtype="float32")(latents)
    for place in range(config.mapping_layers):
        x = equalized.dense(
            config.style_dim,
            seed,
            f"map_{place}",
            speed=config.mapping_speed,
            activate=True,
            dtype="float32",
        )(x)
    return x


def _synthesise(styles, config: Sizes, image_shape, seed: int):
    """Maps the styles of all layers to images: the sum of the RGB outputs of all resolutions."""
    sides = stages(image_shape)
    widths = _widths(config.generator_channels, config.max_channels, sides)

    def convolved(x, side: int, part: str, place: int, enlarge: bool = False):
        name = f"g_{side}_{part}"
        x = ModulatedConv2D(widths[side], 3, seed, enlarge=enlarge, name=name)(
            x, _style(styles, place, name)
        )
        x = PixelNoise(seed, name=f"{name}_noise")(x)
        return Bias(name=f"{name}_bias")(x)

    def rgb_output(x, side: int, place: int):
        name = f"g_{side}_rgb"
        rgb = ModulatedConv2D(
            image_shape[2], 1, seed, demodulate=False, name=name, dtype="float32"
        )(x, _style(styles, place, name))
        return Bias(activate=False, name=f"{name}_bias", dtype="float32")(rgb)

    x = LearnedConstant(widths[COARSEST_PX], seed, COARSEST_PX, name="g_constant")(
        _style(styles, 0, "g_constant")
    )
    x = convolved(x, COARSEST_PX, "b", 0)
    image = rgb_output(x, COARSEST_PX, 1)
    for stage, side in enumerate(sides[1:], start=1):
        x = convolved(x, side, "a", 2 * stage - 1, enlarge=True)
        x = convolved(x, side, "b", 2 * stage)
        image = Upsample(name=f"g_{side}_enlarged", dtype="float32")(image)
        image = layers.Add(dtype="float32")([image, rgb_output(x, side, 2 * stage + 1)])
    return layers.Activation("linear", dtype="float32", name="images")(image)


def _style(styles, place: int, name: str):
    """Selects the style of one layer."""
    return SelectStyle(place, name=f"{name}_style", dtype="float32")(styles)


def _widths(finest: int, most: int, sides: list[int]) -> dict[int, int]:
    """Returns the channels at each side, doubled at each halving up to `most`."""
    return {side: min(finest * sides[-1] // side, most) for side in sides}

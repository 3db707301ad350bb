"""A discriminator of patches: each logit depends on one patch, and all patches share the weights.

Isola et al. 2017, arXiv:1611.07004, section 3.2.2 and appendix 6.1.2.
"""

import keras
from keras import layers
from pydantic import Field

from gantf.config import ModelConfig
from gantf.layers.initializers import normal
from gantf.layers.instance_norm import ImageNorm, normalise
from gantf.layers.spectral import SpectralConv2D

PUBLISHED_LAYERS = 3
WIDEST = 8  # times the channels of the first layer


class Patches(ModelConfig):
    """The settings of an image translator's discriminators."""

    discriminator_channels: int = Field(
        32,
        ge=1,
        description="channels of the discriminator's first layer, doubled in each layer up to "
        f"{WIDEST} times",
    )
    discriminator_layers: int = Field(
        0,
        ge=0,
        le=5,
        description="strided layers of the discriminator; 1, 2, 3 layers judge patches of 16, 34, "
        "70 pixels; 0: chosen by the image size",
    )
    discriminator_norm: ImageNorm = Field(
        "instance", description="normalisation layers of the discriminator"
    )


def patchgan(
    settings: Patches,
    image_shape: tuple[int, int, int],
    seed: int,
    spectral_norm: bool = False,
    name: str = "discriminator",
) -> keras.Model:
    """{"image": (n, H, W, C)} -> logits (n, H', W', 1), one for each patch.

    Args:
      settings: channels, number of layers and normalisation.
      image_shape: (H, W, C).
      seed: seed of the initial weights.
      spectral_norm: divide every kernel by its largest singular value.
      name: name of the model.

    Raises:
      ValueError: the images are too small for so many layers.
    """
    conv = SpectralConv2D if spectral_norm else layers.Conv2D
    strided = settings.discriminator_layers or fitting_layers(image_shape)
    if min(image_shape[:2]) >> strided < 3:
        raise ValueError(
            f"discriminator_layers={strided} needs images of at least {3 << strided} pixels a "
            f"side; these are {image_shape[0]} x {image_shape[1]}; set fewer layers or choose a "
            "larger --size"
        )

    def apply(x, place: int, channels: int, stride: int, bias: bool):
        return conv(
            channels,
            4,
            strides=stride,
            use_bias=bias,
            kernel_initializer=normal(seed, f"{name}_{place}"),
        )(layers.ZeroPadding2D(1)(x))

    image = keras.Input(image_shape, name="image")
    x = layers.LeakyReLU(0.2)(apply(image, 0, settings.discriminator_channels, 2, True))
    for place in range(1, strided + 1):
        channels = settings.discriminator_channels * min(2**place, WIDEST)
        stride = 2 if place < strided else 1
        x = apply(x, place, channels, stride, settings.discriminator_norm == "none")
        x = layers.LeakyReLU(0.2)(normalise(x, settings.discriminator_norm))
    logits = apply(x, strided + 1, 1, 1, True)
    logits = layers.Activation("linear", dtype="float32", name="logits")(logits)
    return keras.Model({"image": image}, logits, name=name)


def fitting_layers(image_shape: tuple[int, ...]) -> int:
    """Returns the strided layers: 3 from 64 pixels on, else for patches of about the image size."""
    return max(1, min(PUBLISHED_LAYERS, min(image_shape[:2]).bit_length() - 4))

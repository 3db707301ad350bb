"""SRResNet, which upsamples images of any size, and SRGAN's discriminator.

Source: Ledig et al. 2016, arXiv:1609.04802, figure 4. Differences: fewer channels by default; the
last convolution is 3 x 3, not 9 x 9; and with `bicubic_skip` the network computes the difference
from bicubic upsampling. Then its input is each pixel minus the mean around the pixel, and it has no
biases, so that it adds nothing where the image is constant.
"""

import math
from typing import Literal

import keras
from keras import layers

from gantf.layers.initializers import he
from gantf.layers.normalisation import normalise
from gantf.layers.resample import BicubicUpsampling, PixelShuffle
from gantf.layers.resolutions import resolutions
from gantf.layers.spectral import SpectralConv2D, SpectralDense
from gantf.settings import Norm

SLOPE = 0.25  # of the PReLUs below 0, at the start: He et al. 2015, arXiv:1502.01852
WIDEST = 8  # times the discriminator's first channels
DENSE = 16  # units of the discriminator's dense layer, times its first channels
AROUND_PX = 3  # side of the square whose mean is subtracted from its central pixel


def generator(
    image_channels: int,
    channels: int,
    blocks: int,
    norm: Literal["none", "batch"],
    upscaling: int,
    bicubic_skip: bool,
    seed: int,
    name: str = "generator",
) -> keras.Model:
    """{"image": (n, H, W, C)} -> images (n, upscaling * H, upscaling * W, C), not clipped.

    Args:
      image_channels: C.
      channels: channels of all hidden layers.
      blocks: number of residual blocks; a global skip connection spans them.
      norm: normalisation in the blocks and after them.
      upscaling: a power of 2; each doubling has a sub-pixel convolution.
      bicubic_skip: add the bicubic upsampling to the output of the last convolution, which is 0 at
        the start.
      seed: seed of the initial weights.
      name: name of the model.
    """

    def conv(x, width: int, kernel: int, initializer):
        return layers.Conv2D(
            width,
            kernel,
            padding="same",
            use_bias=not bicubic_skip,
            kernel_initializer=initializer,
        )(x)

    image = x = keras.Input((None, None, image_channels), name="image")
    if bicubic_skip:
        around = layers.AveragePooling2D(AROUND_PX, strides=1, padding="same", dtype="float32")
        x = layers.Subtract(dtype="float32")([image, around(image)])
    first = x = _prelu(conv(x, channels, 9, he(seed, "g_in")))
    for block in range(blocks):
        inner = normalise(conv(x, channels, 3, he(seed, f"g_{block}_a")), norm)
        inner = conv(_prelu(inner), channels, 3, he(seed, f"g_{block}_b", 0.1))
        x = layers.Add()([x, normalise(inner, norm)])
    x = normalise(conv(x, channels, 3, he(seed, "g_body", 1.0)), norm)
    x = layers.Add()([x, first])
    for doubling in range(int(math.log2(upscaling))):
        x = conv(x, 4 * channels, 3, he(seed, f"g_up_{doubling}"))
        x = _prelu(PixelShuffle(2)(x))
    x = conv(x, image_channels, 3, "zeros" if bicubic_skip else he(seed, "g_out", 1.0))
    x = layers.Activation("linear", dtype="float32", name="images")(x)
    if bicubic_skip:
        x = layers.Add(dtype="float32")([x, BicubicUpsampling(upscaling, dtype="float32")(image)])
    return keras.Model({"image": image}, x, name=name)


def receptive_field_px(blocks: int, upscaling: int, bicubic_skip: bool) -> int:
    """Returns the largest distance, in input pixels, at which a pixel influences the output.

    Args:
      blocks: number of residual blocks.
      upscaling: as for `generator`.
      bicubic_skip: as for `generator`.
    """
    reach = 4.0 + 2 * blocks + 1  # the 9 x 9 convolution, the blocks, the convolution after them
    reach += AROUND_PX // 2 if bicubic_skip else 0
    reach += sum(0.5**doubling for doubling in range(int(math.log2(upscaling))))
    return math.ceil(reach + 1 / upscaling)


def discriminator(
    image_shape: tuple[int, int, int],
    channels: int,
    norm: Norm,
    spectral_norm: bool,
    seed: int,
    name: str = "discriminator",
) -> keras.Model:
    """{"image": (n, H, W, C)} -> [logits (n, 1), features (n, h, w, d) after each halving ...].

    Args:
      image_shape: (H, W, C), H and W of 8 or more.
      channels: channels at full resolution, doubled at each halving up to 8 times.
      norm: normalisation after every convolution except the first.
      spectral_norm: divide every kernel by its largest singular value.
      seed: seed of the initial weights.
      name: name of the model.
    """
    conv = SpectralConv2D if spectral_norm else layers.Conv2D
    dense = SpectralDense if spectral_norm else layers.Dense
    image = x = keras.Input(image_shape, name="image")
    features = []
    for stage in range(len(resolutions(image_shape)) - 1):
        width = channels * min(2**stage, WIDEST)
        for strides, part in ((1, "a"), (2, "b")):
            is_first = x is image
            x = conv(
                width,
                3,
                strides=strides,
                padding="same",
                use_bias=norm == "none" or is_first,
                kernel_initializer=he(seed, f"d_{stage}_{part}"),
            )(x)
            x = layers.LeakyReLU(0.2)(x if is_first else normalise(x, norm))
        features.append(layers.Activation("linear", dtype="float32", name=f"features_{stage}")(x))
    x = dense(DENSE * channels, kernel_initializer=he(seed, "d_dense"))(layers.Flatten()(x))
    x = dense(1, kernel_initializer=he(seed, "d_out", 1.0))(layers.LeakyReLU(0.2)(x))
    logits = layers.Activation("linear", dtype="float32", name="logits")(x)
    return keras.Model({"image": image}, [logits, *features], name=name)


def _prelu(x):
    """Applies a PReLU with one learned slope per channel."""
    slopes = keras.initializers.Constant(SLOPE)
    return layers.PReLU(alpha_initializer=slopes, shared_axes=[1, 2])(x)

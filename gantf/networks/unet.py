"""A U-Net: an encoder that halves an image repeatedly, a decoder, and skip connections.

Isola et al. 2017, arXiv:1611.07004, appendix 6.1.1, without a norm at the innermost layer, as its
section 6.2 advises. Difference: images whose sides are not multiples of the total stride are padded
by reflection and cropped at the end.
"""

import keras
from keras import layers

from gantf.layers.dropout import Dropout
from gantf.layers.initializers import normal
from gantf.layers.instance_norm import ImageNorm, normalise
from gantf.layers.padding import CropLike, PadToMultiple

MOST_STAGES = 8
WIDEST = 8  # times the channels of the first layer
DROPPING = 3  # innermost stages of the decoder with dropout; fewer in small networks


def unet(
    in_channels: int,
    out_channels: int,
    channels: int,
    stages: int,
    norm: ImageNorm,
    dropout: float,
    seed: int,
    name: str = "generator",
) -> keras.Model:
    """{"image": (n, H, W, in_channels)} -> images (n, H, W, out_channels) in [-1, 1].

    Args:
      in_channels: channels of the input image.
      out_channels: channels of the output image.
      channels: channels of the first layer, doubled at each halving up to `WIDEST` times.
      stages: number of halvings.
      norm: normalisation after all layers except the first, the innermost and the last.
      dropout: fraction of units dropped in the innermost stages of the decoder, in training and in
        use.
      seed: seed of the initial weights.
      name: name of the model.
    """

    def settings(layer: str, bias: bool):
        return {
            "strides": 2,
            "padding": "same",
            "use_bias": bias,
            "kernel_initializer": normal(seed, f"{name}_{layer}"),
        }

    widths = [channels * min(2**stage, WIDEST) for stage in range(stages)]
    image = keras.Input((None, None, in_channels), name="image")
    x = PadToMultiple(2**stages, 2**stages)(image)
    skips = []
    for stage, width in enumerate(widths):
        plain = stage in (0, stages - 1)
        x = x if stage == 0 else layers.LeakyReLU(0.2)(x)
        x = layers.Conv2D(width, 4, **settings(f"down_{stage}", plain or norm == "none"))(x)
        x = x if plain else normalise(x, norm)
        skips.append(x)
    x = skips.pop()
    for stage in reversed(range(1, stages)):
        x = layers.ReLU()(x)
        up = settings(f"up_{stage}", norm == "none")
        x = normalise(layers.Conv2DTranspose(widths[stage - 1], 4, **up)(x), norm)
        if dropout and stage >= max(stages - DROPPING, min(2, stages - 1)):
            x = Dropout(dropout, always=True)(x)
        x = layers.Concatenate()([x, skips.pop()])
    x = layers.Conv2DTranspose(out_channels, 4, **settings("up_0", True))(layers.ReLU()(x))
    x = CropLike()([x, image])
    images = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model({"image": image}, images, name=name)


def fitting_stages(image_shape: tuple[int, ...]) -> int:
    """Returns the number of halvings down to 2 or 3 pixels, from 2 to `MOST_STAGES`."""
    return max(2, min(MOST_STAGES, min(image_shape[:2]).bit_length() - 2))


def receptive_field_px(stages: int) -> int:
    """Returns the largest distance, in pixels, at which an input pixel influences the output.

    A halving adds 1 pixel of its input; a doubling adds 1 pixel of its input, which is 2 pixels of
    its output. Instance norm, which depends on the whole image, is not counted.

    Args:
      stages: number of halvings.
    """
    return sum(3 * 2**stage for stage in range(stages))

"""A generator that halves an image again and again, doubles it again, and skips across.

Isola et al. 2017, arXiv:1611.07004, appendix 6.1.1, with the innermost layer free of a norm, as
its section 6.2 advises. What differs: images whose sides are no multiples of the whole stride are
padded by reflection and cut again.
"""

import keras
from keras import layers

from gantf.layers.building import normal
from gantf.layers.dropout import Dropout
from gantf.layers.instance_norm import ImageNorm, normalise
from gantf.layers.padding import CropLike, PadToMultiple

MOST_STAGES = 8
WIDEST = 8  # times the channels of the first layer
DROPPING = 3  # innermost stages of the decoder drop units; fewer where there are few


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
      in_channels: of what is translated.
      out_channels: of what it becomes.
      channels: of the first layer; doubled at each coarser one, up to `WIDEST` times.
      stages: how often the sides are halved.
      norm: after all layers but the first, the innermost and the last.
      dropout: share of the units that the innermost stages of the decoder drop, at any time.
      seed: of the initial weights.
      name: of the model.
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
    """Stages down to 2 or 3 pixels for images of a size, at most `MOST_STAGES`, at least 2."""
    return max(2, min(MOST_STAGES, min(image_shape[:2]).bit_length() - 2))


def receptive_field_px(stages: int) -> int:
    """How far from a pixel of the input lie those that its translation depends on, in pixels.

    Every halving looks 1 of its pixels further than the square it halves, every doubling likewise;
    a norm that looks at the whole image goes further.

    Args:
      stages: how often the sides are halved.
    """
    return sum(3 * 2**stage for stage in range(stages))

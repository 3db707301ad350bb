"""A generator of residual blocks that gives an image for an image, whatever its size.

Zhu et al. 2017, arXiv:1703.10593, appendix 7.2, after Johnson et al. 2016, arXiv:1603.08155. What
differs: a kernel of 4 where the image grows again, which its stride of 2 divides, so that no
checkerboard comes of it; sides that are no multiples of 4, or short, are padded by reflection and
cut again.
"""

import keras
from keras import layers

from gantf.layers.building import normal
from gantf.layers.instance_norm import InstanceNormalization
from gantf.layers.padding import CropLike, PadToMultiple, ReflectionPadding

DOWN = 2  # strided layers
LEAST_PX = 16  # the outermost padding of 3 pixels, and that of 1 at a quarter, need some to mirror


def translator(
    in_channels: int,
    out_channels: int,
    channels: int,
    residual_blocks: int,
    input_skip: bool,
    seed: int,
    name: str,
) -> keras.Model:
    """{"image": (n, H, W, in_channels)} -> images (n, H, W, out_channels) in [-1, 1].

    Args:
      in_channels: of what is translated.
      out_channels: of what it becomes.
      channels: at full resolution, doubled at a half and again at a quarter.
      residual_blocks: at a quarter of the resolution.
      input_skip: whether the last layer sees the image beside its features.
      seed: of the initial weights.
      name: of the model.
    """

    def conv(x, layer: str, width: int, kernel: int, stride: int = 1, bias: bool = False):
        return layers.Conv2D(
            width,
            kernel,
            strides=stride,
            use_bias=bias,
            kernel_initializer=normal(seed, f"{name}_{layer}"),
        )(x)

    def normed(x):
        return layers.ReLU()(InstanceNormalization()(x))

    image = keras.Input((None, None, in_channels), name="image")
    padded = PadToMultiple(2**DOWN, LEAST_PX)(image)
    x = normed(conv(ReflectionPadding(3)(padded), "in", channels, 7))
    for stage in range(1, DOWN + 1):
        x = layers.ZeroPadding2D(1)(x)
        x = normed(conv(x, f"down_{stage}", channels * 2**stage, 3, stride=2))
    for block in range(residual_blocks):
        width = channels * 2**DOWN
        y = normed(conv(ReflectionPadding(1)(x), f"block_{block}_1", width, 3))
        y = conv(ReflectionPadding(1)(y), f"block_{block}_2", width, 3)
        x = layers.Add()([x, InstanceNormalization()(y)])
    for stage in reversed(range(DOWN)):
        x = layers.Conv2DTranspose(
            channels * 2**stage,
            4,
            strides=2,
            padding="same",
            use_bias=False,
            kernel_initializer=normal(seed, f"{name}_up_{stage}"),
        )(x)
        x = normed(x)
    if input_skip:
        x = layers.Concatenate()([x, padded])
    x = conv(ReflectionPadding(3)(x), "out", out_channels, 7, bias=True)
    x = CropLike()([x, image])
    images = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model({"image": image}, images, name=name)

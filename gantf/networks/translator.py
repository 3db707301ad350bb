"""An image-to-image generator of residual blocks, for images of any size.

Zhu et al. 2017, arXiv:1703.10593, appendix 7.2, after Johnson et al. 2016, arXiv:1603.08155.
Differences: the transposed convolutions have kernels of 4, a multiple of their stride of 2, to
avoid checkerboard patterns; images with short sides, or sides that are not multiples of 4, are
padded by reflection and cropped at the end.
"""

import keras
from keras import layers

from gantf.layers.initializers import normal
from gantf.layers.instance_norm import InstanceNormalization
from gantf.layers.padding import CropLike, PadToMultiple, ReflectionPadding

DOWN = 2  # strided layers
LEAST_PX = 16  # smallest padded side; reflection pads 3 pixels, and 1 at a quarter of the side


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
      in_channels: channels of the input image.
      out_channels: channels of the output image.
      channels: channels at full resolution, doubled at a half and again at a quarter.
      residual_blocks: residual blocks at a quarter of the resolution.
      input_skip: whether the last layer reads the input image beside its features.
      seed: seed of the initial weights.
      name: name of the model.
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

"""`inception`: the Inception network of 2015-12-05, for FID, KID and the Inception Score.

It is not the Inception of Keras and torchvision: it was trained differently, has 1008 classes, does
not count padding in average pooling, and uses max pooling in its last block. Layers:

- "2048" (the default): input of the classifier, `pool_3` of the original graph.
- "64", "192", "768": means over all pixels after the first pooling, after the second pooling, and
  before the last halving of the side.
- "2023": the first 7 channels of `mixed_6/conv`, 17 x 17 pixels, flattened row by row, as in sFID
  (Nash et al. 2021, arXiv:2103.03841).
- "logits", "logits_unbiased": 1008 classes, with and without the last bias.

The layers "2048", "logits" and "logits_unbiased" also return logits, for the Inception Score. These
are always the unbiased ones, as in the original program of that score. With the other layers, the
computation stops at the layer. The weights are not shipped; see
`evaluation/features/files/inception.py`.
"""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.core import validation
from evaluation.errors import InputError
from evaluation.features import devices, inception_weights, resizing
from evaluation.features.extractor import Extractor, Request
from evaluation.features.files import inception as inception_files
from evaluation.features.inception_layers import (
    BLOCKS,
    CONVOLUTIONS,
    STEM,
    Block,
    Convolution,
)
from evaluation.runtime.tensorflow import import_tensorflow
from evaluation.sources.sampler import Progress

HAS_LOGITS = None  # depends on the layer
BATCH_IMAGES = 32
LAYERS = ("64", "192", "768", "2048", "2023", "logits", "logits_unbiased")
WITH_LOGITS = ("2048", "logits", "logits_unbiased")
EPSILON = 1e-3  # of the batch normalisations
STEM_LAYERS = {"Conv2d_2b_3x3": "64", "Conv2d_4a_3x3": "192"}  # max pooling follows both
SPATIAL_BLOCK, SPATIAL_CHANNELS = "Mixed_6d", 7  # of mixed_6/conv, its first branch


def fetch(weights: str | None, progress: Progress | None = None) -> None:
    """Downloads the weights, unless the user names a file or one was already downloaded.

    Raises:
      InputError: see `inception_files.find`.
    """
    if weights is None and not inception_files.present():
        inception_files.find(progress)


def open_extractor(request: Request) -> Extractor:
    """Compiles the network for batches of the request's size.

    The weights come from `request.weights`, or else from the cache directory, after a download if
    necessary. In bfloat16, the resize, the means over pixels and the classifier stay float32.

    Raises:
      InputError: an unknown layer or resize, images that are neither gray nor RGB, or weights that
        are missing or damaged.
    """
    if request.argument:
        raise InputError(
            f"features='inception:{request.argument}'; name the layer by itself: --layer "
            f"{request.argument}, of {', '.join(LAYERS)}."
        )
    layer, resize = request.layer or "2048", request.resize or resizing.DEFAULT
    validation.check_choice("layer", layer, LAYERS)
    validation.check_choice("resize", resize, resizing.NORMALISATION)
    if len(request.shape) != 3 or request.shape[2] not in (1, 3):
        raise InputError(f"images are {request.shape}; Inception takes (H, W, 1) or (H, W, 3).")
    path = Path(request.weights) if request.weights else inception_files.find()
    weights = inception_weights.read(path)
    prepare = resizing.make(resize, request.shape)
    network = make_network(weights.arrays, layer, request.precision)
    run = devices.compiled(lambda images: network(prepare(images)), request.batch_size)
    settings = {
        "layer": layer,
        "resize": resize,
        "normalisation": resizing.NORMALISATION[resize],
        "precision": request.precision,
        "weights": weights.origin,
    }
    return Extractor(f"inception:{layer}", weights.sha256, settings, _without_tf32(run))


def make_network(
    arrays: Mapping[str, np.ndarray], layer: str, precision: str
) -> Callable[[Any], tuple[Any, ...]]:
    """Builds a function of TensorFlow tensors from images in [-1, 1] to features and logits.

    The weights become constants of the traced graph. TensorFlow then chooses their memory layout
    once, not at each call, and a replica needs no variables.

    Args:
      arrays: the weights by the port's names, see `inception_weights`.
      layer: one of LAYERS.
      precision: precision of the convolutions and poolings.

    Returns:
      float32 (b, 299, 299, 3) -> (features (b, d),) or (features (b, d), logits (b, 1008)).
    """
    tf = import_tensorflow()
    model = build(layer, precision)
    fused = {c.name: fuse(arrays, c.name) for c in CONVOLUTIONS}
    values = [
        fused[variable.path.split("/")[0]][variable.path.split("/")[1]].astype(
            tf.as_dtype(variable.dtype).as_numpy_dtype
        )
        for variable in model.variables
    ]
    classes = arrays["fc.weight"].T.astype(np.float32), arrays["fc.bias"].astype(np.float32)

    def network(images):
        constants = [tf.constant(value) for value in values]
        features, _ = model.stateless_call([], constants, images, training=False)
        if layer not in WITH_LOGITS:
            return (features,)
        unbiased = features @ classes[0]
        outputs = {"2048": features, "logits_unbiased": unbiased, "logits": unbiased + classes[1]}
        return outputs[layer], unbiased

    return network


def fuse(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Fuses a convolution and its batch normalisation into one convolution with bias, in float64.

    Args:
      arrays: the weights by the port's names.
      name: the convolution's name.

    Returns:
      "kernel" (height, width, in, out) and "bias" (out,).
    """
    variance = arrays[f"{name}.bn.running_var"].astype(np.float64) + EPSILON
    scale = arrays[f"{name}.bn.weight"] / np.sqrt(variance)
    kernel = arrays[f"{name}.conv.weight"] * scale[:, None, None, None]
    bias = arrays[f"{name}.bn.bias"] - arrays[f"{name}.bn.running_mean"] * scale
    return {"kernel": kernel.transpose(2, 3, 1, 0), "bias": bias}


def build(layer: str, precision: str = "float32"):
    """Builds the Keras model up to a layer, with zero weights: (b, 299, 299, 3) -> (b, d).

    Its layers have the port's names; the batch normalisations are fused into the convolutions. For
    the logits' layers, the model ends at the classifier's input.
    """
    import keras

    images = keras.Input((resizing.SIDE_PX, resizing.SIDE_PX, 3), name="images")
    x = keras.layers.Activation("linear", dtype=precision, name="cast")(images)
    for convolution in STEM:
        x = _convolve(convolution, precision)(x)
        if convolution.name in STEM_LAYERS:
            x = keras.layers.MaxPooling2D(3, 2, dtype=precision)(x)
        if STEM_LAYERS.get(convolution.name) == layer:
            return keras.Model(images, _mean(x))
    for block in BLOCKS:
        if layer == "2023" and block.name == SPATIAL_BLOCK:
            first = _convolve(block.convolutions[0], precision)(x)
            flat = keras.layers.Flatten(dtype="float32", name="features")
            return keras.Model(images, flat(first[..., :SPATIAL_CHANNELS]))
        x = _join(block, x, precision)
        if layer == "768" and block.name == "Mixed_6e":
            break
    return keras.Model(images, _mean(x))


def _mean(x):
    """Returns the mean over all pixels."""
    import keras

    return keras.layers.GlobalAveragePooling2D(dtype="float32", name="features")(x)


def _convolve(convolution: Convolution, precision: str, activation: str | None = "relu"):
    """Returns the Keras layer of a convolution with bias."""
    import keras

    return keras.layers.Conv2D(
        convolution.outputs,
        convolution.kernel,
        convolution.stride,
        padding="same" if convolution.padded else "valid",
        activation=activation,
        kernel_initializer="zeros",
        dtype=precision,
        trainable=False,
        name=convolution.name,
    )


def _join(block: Block, x, precision: str):
    """Returns a block's output.

    Average pooling that does not count padding commutes with a 1 x 1 convolution. Here it follows
    the convolution, because there are fewer channels then.
    """
    import keras

    layers = keras.layers
    outputs = {"input": x}
    if block.pool == "reduce":
        outputs["pool"] = layers.MaxPooling2D(3, 2, dtype=precision)(x)
    if block.pool == "max":
        outputs["pool"] = layers.MaxPooling2D(3, 1, padding="same", dtype=precision)(x)
    for c in block.convolutions:
        if c.source == "pool" and block.pool == "average":
            convolved = _convolve(c, precision, activation=None)(x)
            mean = layers.AveragePooling2D(3, 1, padding="same", dtype=precision)(convolved)
            outputs[c.name] = layers.ReLU(dtype=precision)(mean)
        else:
            outputs[c.name] = _convolve(c, precision)(outputs[c.source])
    joined = [outputs[name] for name in block.joined]
    return layers.Concatenate(dtype=precision, name=block.name)(joined)


def _without_tf32(run: Callable) -> Callable:
    """Disables TensorFloat-32 during `run`: on GPUs it drops 13 of float32's mantissa bits."""
    setting = import_tensorflow().config.experimental

    @functools.wraps(run)
    def full_precision(images):
        before = setting.tensor_float_32_execution_enabled()
        setting.enable_tensor_float_32_execution(False)
        try:
            return run(images)
        finally:
            setting.enable_tensor_float_32_execution(before)

    return full_precision

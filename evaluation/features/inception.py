"""`inception`: the Inception network of 2015-12-05, which FID, KID and the Inception Score are of.

It is not the Inception that Keras and torchvision ship: it was trained otherwise, has 1008 classes,
does not count padding in its average poolings, and pools by the maximum in its last block. Layers:

- "2048" (the usual one): what the classifier reads, `pool_3` of the original graph.
- "64", "192", "768": means over all pixels after the first and the second pooling and before the
  last halving.
- "2023": the first 7 channels of `mixed_6/conv`, 17 x 17 pixels, flattened row by row, as sFID
  reads them (Nash et al. 2021, arXiv:2103.03841).
- "logits", "logits_unbiased": of 1008 classes, with and without the last bias.

Logits, for the Inception Score, come with "2048" and the logits' own layers, and are the unbiased
ones, as in that score's first program. The others stop where their layer is reached. Its weights
are not shipped: see `evaluation/features/files/inception.py`.
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
from evaluation.features.files import inception
from evaluation.features.inception_layers import (
    BLOCKS,
    CONVOLUTIONS,
    STEM,
    Block,
    Convolution,
)
from evaluation.runtime.tensorflow import import_tensorflow
from evaluation.sources.sampler import Progress

HAS_LOGITS = None  # by its layer
BATCH_IMAGES = 32
LAYERS = ("64", "192", "768", "2048", "2023", "logits", "logits_unbiased")
WITH_LOGITS = ("2048", "logits", "logits_unbiased")
EPSILON = 1e-3  # of the batch normalisations
STEM_LAYERS = {"Conv2d_2b_3x3": "64", "Conv2d_4a_3x3": "192"}  # both are pooled first
SPATIAL_BLOCK, SPATIAL_CHANNELS = "Mixed_6d", 7  # of mixed_6/conv, its first branch


def fetch(weights: str | None, progress: Progress | None = None) -> None:
    """Downloads the weights, unless a file is named or one is there.

    Raises:
      InputError: as `inception_files.find`.
    """
    if weights is None and not inception.present():
        inception.find(progress)


def open_extractor(request: Request) -> Extractor:
    """The network, compiled for batches of the request's size.

    Weights are those of `request.weights`, or else of the cache directory, or else downloaded
    there. In bfloat16 the resize and the means over pixels are float32, and so is the classifier.

    Raises:
      InputError: an unknown layer or resize, images that are neither gray nor RGB, or weights that
        cannot be had.
    """
    if request.argument:
        raise InputError(
            f"features='inception:{request.argument}'; name the layer by itself: --layer "
            f"{request.argument}, of {', '.join(LAYERS)}."
        )
    layer, resize = request.layer or "2048", request.resize or resizing.USUAL
    validation.check_choice("layer", layer, LAYERS)
    validation.check_choice("resize", resize, resizing.NORMALISATION)
    if len(request.shape) != 3 or request.shape[2] not in (1, 3):
        raise InputError(f"images are {request.shape}; Inception takes (H, W, 1) or (H, W, 3).")
    path = Path(request.weights) if request.weights else inception.find()
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
    return Extractor(f"inception:{layer}", weights.sha256, settings, _exact(run))


def make_network(
    arrays: Mapping[str, np.ndarray], layer: str, precision: str
) -> Callable[[Any], tuple[Any, ...]]:
    """A function of TensorFlow tensors: images in [-1, 1] to features, and logits where there are.

    The weights become constants of the graph that it is traced into: their layout in memory is then
    chosen once, not at each call, and a replica needs no variables.

    Args:
      arrays: the weights by the port's names, see `inception_weights`.
      layer: one of LAYERS.
      precision: of convolutions and poolings.

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
        of = {"2048": features, "logits_unbiased": unbiased, "logits": unbiased + classes[1]}
        return of[layer], unbiased

    return network


def fuse(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """A convolution and its batch normalisation as one convolution with a bias, in float64.

    Args:
      arrays: the weights by the port's names.
      name: the convolution's.

    Returns:
      "kernel" (height, width, in, out) and "bias" (out,).
    """
    variance = arrays[f"{name}.bn.running_var"].astype(np.float64) + EPSILON
    scale = arrays[f"{name}.bn.weight"] / np.sqrt(variance)
    kernel = arrays[f"{name}.conv.weight"] * scale[:, None, None, None]
    bias = arrays[f"{name}.bn.bias"] - arrays[f"{name}.bn.running_mean"] * scale
    return {"kernel": kernel.transpose(2, 3, 1, 0), "bias": bias}


def build(layer: str, precision: str = "float32"):
    """The Keras model up to a layer, with weights of zero: (b, 299, 299, 3) -> (b, d).

    Its layers have the port's names; the batch normalisations are part of the convolutions. Of the
    logits' layers it is what they read.
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
    """The mean over all pixels."""
    import keras

    return keras.layers.GlobalAveragePooling2D(dtype="float32", name="features")(x)


def _convolve(convolution: Convolution, precision: str, activation: str | None = "relu"):
    """The Keras layer of a convolution with its bias."""
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
    """A block's output.

    An average over pixels and a convolution of single pixels may change places, since the average
    does not count padding: here it comes second, where there are fewer channels.
    """
    import keras

    layers = keras.layers
    given = {"input": x}
    if block.pool == "reduce":
        given["pool"] = layers.MaxPooling2D(3, 2, dtype=precision)(x)
    if block.pool == "max":
        given["pool"] = layers.MaxPooling2D(3, 1, padding="same", dtype=precision)(x)
    for c in block.convolutions:
        if c.source == "pool" and block.pool == "average":
            mixed = _convolve(c, precision, activation=None)(x)
            mean = layers.AveragePooling2D(3, 1, padding="same", dtype=precision)(mixed)
            given[c.name] = layers.ReLU(dtype=precision)(mean)
        else:
            given[c.name] = _convolve(c, precision)(given[c.source])
    joined = [given[name] for name in block.joined]
    return layers.Concatenate(dtype=precision, name=block.name)(joined)


def _exact(run: Callable) -> Callable:
    """The same, with all of float32's bits on GPUs too, where TensorFlow otherwise drops 13."""
    setting = import_tensorflow().config.experimental

    @functools.wraps(run)
    def exact(images):
        before = setting.tensor_float_32_execution_enabled()
        setting.enable_tensor_float_32_execution(False)
        try:
            return run(images)
        finally:
            setting.enable_tensor_float_32_execution(before)

    return exact

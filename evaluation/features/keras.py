"""`keras:NAME`: a network of keras.applications, such as keras:ResNet50 or keras:ConvNeXtTiny.

The network uses its own `preprocess_input` and input size. Pillow stretches images to that size,
bilinear with antialias unless --resize names another method; gray images become RGB. The features
are the input of the last layer; the logits are those of the 1000 ImageNet classes. `layer` names
another layer.

Keras downloads the ImageNet weights once and caches them; `weights=PATH` reads a file in Keras's
own format instead. A file with "notop" in its name has no logits: the features are then the last
layer's output, averaged over all positions.
"""

import contextlib
import difflib
import hashlib
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.errors import InputError
from evaluation.features import devices, fitting, layers
from evaluation.features.extractor import Extractor, Request
from evaluation.runtime.tensorflow import import_tensorflow

BATCH_IMAGES = 32


def open_extractor(request: Request) -> Extractor:
    """Opens the network: features (n, d), and logits (n, 1000) unless the weights have no top.

    Raises:
      InputError: an unknown network or layer, or weights that cannot be downloaded or do not fit.
    """
    tf = import_tensorflow()
    import keras

    method = fitting.check_method(request.resize or "bilinear")
    build, preprocess = _application(request.argument)
    top = request.weights is None or "notop" not in Path(request.weights).name
    with devices.strategy().scope():
        with _fresh_layer_names():
            model = _build(build, request, top)
        outputs, layer = _outputs(model, request, top)
        both = keras.Model(model.inputs[0], outputs)
        if request.precision == "bfloat16":
            layers.compute_in(both, "mixed_bfloat16")
    height, width = model.input_shape[1:3] if top else _default_size(build)
    fit = fitting.Fit((height, width), method)

    def prepare(images: np.ndarray) -> np.ndarray:
        return fitting.as_rgb(fitting.fitted(images, fit))

    def network(images):
        return tuple(both(preprocess(tf.cast(images, tf.float32)), training=False))

    settings = {
        "layer": layer,
        "resize": method,
        "size": [height, width],
        "precision": request.precision,
    }
    run = devices.compiled(network, request.batch_size)
    packages = ("tensorflow", "keras", "pillow")
    name = f"keras:{request.argument}"
    return Extractor(name, _sha256(model, request.argument), settings, run, (), prepare, packages)


def names() -> list[str]:
    """Returns the names of the networks in keras.applications."""
    import_tensorflow()
    import keras

    members = vars(keras.applications).items()
    return sorted(name for name, value in members if inspect.isfunction(value))


def _application(name: str) -> tuple[Any, Any]:
    """Returns the function that builds a network, and its `preprocess_input`."""
    available = names()
    if name not in available:
        near = difflib.get_close_matches(name, available, n=1, cutoff=0.4)
        hint = f"did you mean keras:{near[0]}?" if near else f"choose from {', '.join(available)}."
        raise InputError(f"keras.applications has no network {name!r}; {hint}")
    import keras

    build = getattr(keras.applications, name)
    return build, importlib.import_module(build.__module__).preprocess_input


def _default_size(build: Any) -> tuple[int, int]:
    """Returns the size (height, width) of the network's training images."""
    height, width = build(weights=None).input_shape[1:3]
    return height, width


@contextlib.contextmanager
def _fresh_layer_names() -> Iterator[None]:
    """Gives layers the default names that they have in a new process.

    Keras numbers a process's unnamed layers: "dense" would be "dense_1" the second time. `layer`
    would not match it, and the recorded settings would differ.
    """
    from keras.src.backend.common import global_state

    numbers = global_state.get_global_attribute("object_name_uids")
    global_state.set_global_attribute("object_name_uids", None)
    try:
        yield
    finally:
        global_state.set_global_attribute("object_name_uids", numbers)


def _build(build: Any, request: Request, top: bool) -> Any:
    """Builds the network and loads its weights."""
    options: dict[str, Any] = {"include_top": top, "weights": None}
    if top and "classifier_activation" in inspect.signature(build).parameters:
        options["classifier_activation"] = None
    if request.weights is None:
        options["weights"] = "imagenet"
        try:
            with contextlib.redirect_stdout(sys.stderr):  # Keras prints a progress bar to stdout
                return build(**options)
        except Exception as error:  # network, disk, a wrong hash
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(
                f"keras:{request.argument}: its ImageNet weights could not be downloaded "
                f"({reason[:200]}); copy that file here and give weights=PATH (--weights)."
            ) from None
    model = build(**options)
    try:
        model.load_weights(request.weights)
    except Exception as error:  # Keras raises many types for files that do not fit
        reason = (str(error).strip().splitlines() or ["no reason"])[0]
        raise InputError(
            f"weights={request.weights!r} are not weights of keras:{request.argument} "
            f"({reason[:200]}); give a file that Keras saved from that network."
        ) from None
    return model


def _outputs(model: Any, request: Request, top: bool) -> tuple[list[Any], str]:
    """Returns the features and, with a top, the logits; and the layer's name."""
    if top:
        features, logits, layer = layers.split(model, request.layer, f"keras:{request.argument}")
        return [features, logits], layer
    last = model.layers[-1].name
    layer = request.layer or last
    if layer not in [member.name for member in model.layers]:
        listed = layers.listing(model)
        raise InputError(f"keras:{request.argument} has no layer {layer!r}; it has {listed}.")
    return [layers.pooled(model.get_layer(layer).output)], layer


def _sha256(model: Any, name: str) -> str:
    """Hashes the network's name and all its weights."""
    digest = hashlib.sha256(name.encode())
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()

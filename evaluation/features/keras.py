"""`keras:NAME`: a network of keras.applications, such as keras:ResNet50 or keras:ConvNeXtTiny.

With its own `preprocess_input`, at its own size; images are stretched to that by Pillow, bilinear
with antialias where --resize names no other, and gray ones are taken as RGB. The features are what
its last layer reads, of 1000 ImageNet classes the logits; `layer` is another layer's name.

The weights are those trained on ImageNet, which Keras downloads once and keeps; or a file in
Keras's own format, `weights=PATH`. One whose name has "notop" has no logits: then the features are
the last ones averaged over all places.
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
    """The network; features (n, d), and logits (n, 1000) unless the weights are without a top.

    Raises:
      InputError: unknown name or layer, weights that cannot be had or are another network's.
    """
    tf = import_tensorflow()
    import keras

    method = fitting.check_method(request.resize or "bilinear")
    build, preprocess = _application(request.argument)
    top = request.weights is None or "notop" not in Path(request.weights).name
    with devices.strategy().scope():
        with _numbered_anew():
            model = _model(build, request, top)
        outputs, layer = _outputs(model, request, top)
        both = keras.Model(model.inputs[0], outputs)
        if request.precision == "bfloat16":
            layers.compute_in(both, "mixed_bfloat16")
    height, width = model.input_shape[1:3] if top else _usual_size(build)
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
    """The networks of keras.applications."""
    import_tensorflow()
    import keras

    found = vars(keras.applications).items()
    return sorted(name for name, value in found if inspect.isfunction(value))


def _application(name: str) -> tuple[Any, Any]:
    """The function that builds a network, and the one that prepares images for it."""
    known = names()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean keras:{near[0]}?" if near else f"choose from {', '.join(known)}."
        raise InputError(f"keras.applications has no network {name!r}; {hint}")
    import keras

    build = getattr(keras.applications, name)
    return build, importlib.import_module(build.__module__).preprocess_input


def _usual_size(build: Any) -> tuple[int, int]:
    """The size of the images that a network was trained on."""
    height, width = build(weights=None).input_shape[1:3]
    return height, width


@contextlib.contextmanager
def _numbered_anew() -> Iterator[None]:
    """Gives layers the names that they have in a new process, whatever this one built before.

    Keras numbers all layers of a process that have no name of their own: what was "dense" the first
    time would be "dense_1" the second, no longer found by `layer` and another protocol.
    """
    from keras.src.backend.common import global_state

    numbers = global_state.get_global_attribute("object_name_uids")
    global_state.set_global_attribute("object_name_uids", None)
    try:
        yield
    finally:
        global_state.set_global_attribute("object_name_uids", numbers)


def _model(build: Any, request: Request, top: bool) -> Any:
    options: dict[str, Any] = {"include_top": top, "weights": None}
    if top and "classifier_activation" in inspect.signature(build).parameters:
        options["classifier_activation"] = None
    if request.weights is None:
        options["weights"] = "imagenet"
        try:
            with contextlib.redirect_stdout(sys.stderr):  # where Keras draws its download's bar
                return build(**options)
        except Exception as error:  # network, disk, a hash that does not fit
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(
                f"keras:{request.argument}: its ImageNet weights could not be had "
                f"({reason[:200]}); bring that file and give it as weights=PATH (--weights)."
            ) from None
    model = build(**options)
    try:
        model.load_weights(request.weights)
    except Exception as error:  # Keras raises many kinds for files that do not fit
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise InputError(
            f"weights={request.weights!r} are not those of keras:{request.argument} "
            f"({reason[:200]}); give a file that Keras saved of that network."
        ) from None
    return model


def _outputs(model: Any, request: Request, top: bool) -> tuple[list[Any], str]:
    """Features and, with a top, logits; the layer's name."""
    if top:
        features, logits, layer = layers.split(model, request.layer, f"keras:{request.argument}")
        return [features, logits], layer
    last = model.layers[-1].name
    layer = request.layer or last
    if layer not in [found.name for found in model.layers]:
        listed = layers.listing(model)
        raise InputError(f"keras:{request.argument} has no layer {layer!r}; it has {listed}.")
    return [layers.pooled(model.get_layer(layer).output)], layer


def _sha256(model: Any, name: str) -> str:
    """Hash of the network's name and all its weights."""
    digest = hashlib.sha256(name.encode())
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()

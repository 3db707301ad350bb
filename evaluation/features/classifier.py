"""`classifier:PATH`: a hidden layer and the logits of a classifier.

PATH is a Keras model (.keras, .h5), a SavedModel's directory or an ONNX file. Its output is logits
or their softmax. NAME.json beside it describes the images that the classifier takes:

    {"images": {"height": 32, "width": 32, "channels": 3, "range": [-1, 1]},
     "classes": ["cat", "dog"]}

"range" holds the values that 0 and 255 are mapped to. Optional are "classes" and, in "images",
"layout" ("NHWC"; also "NCHW" for an ONNX file) and "resize" ("bilinear" or another Pillow method;
--resize does the same). Without "resize", images of another size are refused. `layer` is a layer's
name; the default is the layer "features", or else the last hidden layer.
"""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.errors import InputError
from evaluation.features import devices, fitting, kinds, layers
from evaluation.features.extractor import Extractor, Request, refuse
from evaluation.features.identity import content_sha256
from evaluation.runtime.tensorflow import import_tensorflow

HAS_LOGITS = True
LAYOUTS = ("NHWC", "NCHW")


@dataclasses.dataclass(frozen=True)
class Record:
    """The content of a classifier's NAME.json.

    Attributes:
      shape: (H, W, C) of the classifier's input images.
      value_range: (low, high), the values that 0 and 255 are mapped to.
      classes: the class names, in the order of the logits.
      content: the whole file.
      layout: "NHWC" or "NCHW".
      resize: how images of another size are resized; None refuses them.
    """

    shape: tuple[int, int, int]
    value_range: tuple[float, float]
    classes: tuple[str, ...]
    content: dict[str, Any]
    layout: str = "NHWC"
    resize: str | None = None


def read_record(path: Path) -> Record:
    """Reads the JSON file beside a classifier.

    Raises:
      InputError: missing, damaged or incomplete.
    """
    beside = path.with_suffix(".json")
    try:
        content = json.loads(beside.read_text(encoding="utf-8"))
        form = content["images"]
        shape = (int(form["height"]), int(form["width"]), int(form["channels"]))
        low, high = map(float, form["range"])
        layout, resize = form.get("layout", "NHWC"), form.get("resize")
        classes = tuple(map(str, content.get("classes", ())))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{beside} is missing or damaged ({type(error).__name__}: {error}); it must say "
            '{"images": {"height": H, "width": W, "channels": C, "range": [low, high]}}.'
        ) from None
    if layout not in LAYOUTS:
        raise InputError(f"{beside}: layout {layout!r} must be one of {', '.join(LAYOUTS)}.")
    if resize is not None and resize not in fitting.METHODS:
        methods = ", ".join(fitting.METHODS)
        raise InputError(f"{beside}: resize {resize!r} must be one of {methods}.")
    return Record(shape, (low, high), classes, content, layout, resize)


def open_extractor(request: Request) -> Extractor:
    """Opens a classifier: features (n, d) from a layer, logits (n, classes) from the output.

    Raises:
      InputError: images of another shape, a damaged or unsuitable file, an unknown layer, or an
        option that this type of file does not have.
    """
    refuse(request, "weights")
    path = Path(request.argument)
    record = read_record(path)
    name = path.stem if path.parent == kinds.SHIPPED else request.argument
    resize = request.resize or record.resize
    prepare = _prepare(request, record, name, resize)
    if path.suffix.lower() == ".onnx":
        from evaluation.features import onnx

        refuse(request, "precision")
        run, layer = onnx.classifier(path, request, record.value_range, record.layout)
        packages: tuple[str, ...] = ("onnxruntime", "pillow")
    else:
        if record.layout != "NHWC":
            raise InputError(f"{path.with_suffix('.json')}: layout NCHW is for ONNX files only.")
        run, layer = _tensorflow(path, request, record)
        packages = ("tensorflow", "keras", "pillow")
    settings = {
        "layer": layer,
        "precision": request.precision,
        "range": list(record.value_range),
        "size": list(record.shape),
        "resize": resize if prepare else None,
    }
    return Extractor(name, _sha256(path), settings, run, record.classes, prepare, packages)


def _sha256(path: Path) -> str:
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return content_sha256(path / "saved_model.pb", path / "variables", path / "assets")


def _prepare(request: Request, record: Record, name: str, resize: str | None):
    """Returns the function that resizes images for the classifier; None if the size fits."""
    if resize is not None:
        fitting.check_method(resize)
    if request.shape == record.shape:
        return None
    if resize is None or request.shape[2] != record.shape[2]:
        side = record.shape[0]
        square = record.shape[1] == side and request.shape[2] == record.shape[2]
        hint = f", --size {side} or --resize bilinear" if square else ""
        actual, expected = (" x ".join(map(str, s)) for s in (request.shape, record.shape))
        raise InputError(
            f"the images are {actual}, features {name!r} take {expected}; use other features "
            f"(pixels take any size){hint}."
        )
    fit = fitting.Fit(record.shape[:2], resize)
    return lambda images: fitting.fitted(images, fit)


def _tensorflow(path: Path, request: Request, record: Record):
    """Compiles a Keras model or SavedModel; returns it and the layer's name."""
    tf = import_tensorflow()
    if path.is_dir():
        from evaluation.features import saved_model

        refuse(request, "precision")
        both, layer = saved_model.classifier(path, request.layer)
    else:
        with devices.strategy().scope():
            both, layer = _keras(path, request)
    low, high = record.value_range
    scale = np.float32((high - low) / 255)

    def network(images):
        return both(tf.cast(images, tf.float32) * scale + np.float32(low))

    return devices.compiled(network, request.batch_size), layer


def _keras(path: Path, request: Request):
    """Returns a function from images to (features, logits), and the layer's name."""
    import keras

    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
        if not isinstance(model, keras.Model) or not model.inputs:
            raise ValueError("it is not a Keras model with defined inputs")
    except Exception as error:  # Keras raises many types for damaged and unsafe files
        reason = (str(error).strip().splitlines() or ["no reason"])[0]
        raise InputError(
            f"{path} cannot be used for features ({reason[:200]}); give a Keras classifier with a "
            'layer named "features" and logits as its output.'
        ) from None
    features, logits, layer = layers.split(model, request.layer, str(path))
    both = keras.Model(model.inputs[0], [features, logits])
    if request.precision == "bfloat16":
        layers.compute_in(both, "mixed_bfloat16")
    return lambda images: both(images, training=False), layer

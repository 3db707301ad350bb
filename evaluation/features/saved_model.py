"""A classifier in a SavedModel's directory, as one graph with constants for its weights."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from evaluation.errors import InputError
from evaluation.runtime.tensorflow import import_tensorflow
from evaluation.sources import saved_model_scan as scan

SHOWN = 12
PASSED = ("Identity", "BiasAdd", "Add", "AddV2", "Reshape", "Squeeze", "StopGradient", "NoOp")


def classifier(path: Path, layer: str | None) -> tuple[Any, str]:
    """A function from images to (features, logits), and the layer's name.

    The signature is "serving_default", or the only one; it takes one float input (n, H, W, C) and
    gives one output (n, classes), or among others one called "logits". A softmax at the end is
    taken off. Without `layer` the features are the output called "features", or else what the last
    matrix product reads; `layer` is the name of an output or of an operation in the graph.

    Raises:
      InputError: it holds operations that read or write files, call Python or open connections;
        it cannot be loaded, its signatures do not say what is what, or it has no such
        layer.
    """
    scan.check(scan.parse(path / "saved_model.pb"), path)
    tf = import_tensorflow()
    try:
        with ThreadPoolExecutor(1) as outside:  # of any strategy's scope: constants need none
            frozen, name, given = outside.submit(_frozen, path).result()
    except Exception as error:  # TensorFlow raises many kinds for damaged files
        reason = (str(error).strip().splitlines() or ["no signatures"])[0]
        raise InputError(
            f"{path} cannot be used for features ({reason[:200]}); give a SavedModel with a "
            "signature from images to logits."
        ) from None
    outputs = dict(zip(given, frozen.outputs, strict=True))
    takes = frozen.inputs
    if len(takes) != 1 or takes[0].shape.rank != 4 or not takes[0].dtype.is_floating:
        raise InputError(
            f"{path}: signature {name!r} takes {[tuple(t.shape) for t in takes]}; a classifier "
            "takes one float array of images (n, H, W, C)."
        )
    logits = _logits(outputs, path)
    features, found = _features(frozen.graph, outputs, logits, layer, path)
    if features.shape.rank is not None and features.shape.rank > 2:
        with frozen.graph.as_default():
            features = tf.reduce_mean(features, axis=list(range(1, features.shape.rank - 1)))
    pruned = frozen.prune(takes, [features, logits])
    return lambda images: pruned(tf.cast(images, takes[0].dtype)), found


def _frozen(path: Path) -> tuple[Any, str, list[str]]:
    """A signature with constants for its variables, its name and its outputs' names."""
    tf = import_tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    loaded = tf.saved_model.load(str(path))
    names = list(loaded.signatures)
    name = "serving_default" if "serving_default" in names else names[0]
    function = loaded.signatures[name]
    return convert_variables_to_constants_v2(function), name, sorted(function.structured_outputs)


def _logits(outputs: dict[str, Any], path: Path) -> Any:
    """The tensor of the logits, before a softmax."""
    if len(outputs) > 1 and "logits" not in outputs:
        raise InputError(
            f"{path} gives {', '.join(outputs)}; call the one that is the classes 'logits'."
        )
    logits = outputs["logits"] if "logits" in outputs else next(iter(outputs.values()))
    operation = logits.op
    while operation.type == "Identity":
        operation = operation.inputs[0].op
    if operation.type == "Softmax":
        logits = operation.inputs[0]
    if logits.shape.rank != 2:
        raise InputError(f"{path} gives {tuple(logits.shape)}; a classifier gives (n, classes).")
    return logits


def _features(graph, outputs: dict[str, Any], logits, layer: str | None, path: Path):
    """The tensor of the features and what it is called."""
    if layer is None and "features" in outputs:
        layer = "features"
    if layer in outputs:
        return outputs[layer], layer
    operations = {op.name: op for op in graph.get_operations() if len(op.outputs) == 1}
    if layer is not None:
        if layer not in operations:
            raise InputError(f"{path} has no layer {layer!r}; it has {_listing(operations)}.")
        return operations[layer].outputs[0], layer
    operation = logits.op
    while operation.type in PASSED and operation.inputs:
        operation = operation.inputs[0].op
    if operation.type != "MatMul":
        raise InputError(
            f"{path}: its last hidden layer cannot be told; name one with --layer: it has "
            f"{_listing(operations)}."
        )
    return operation.inputs[0], f"input of {operation.name}"


def _listing(operations: dict[str, Any]) -> str:
    """The last operations that give floats per image, with their shapes."""
    told = [
        f"{name} {tuple(op.outputs[0].shape)}"
        for name, op in operations.items()
        if op.outputs[0].dtype.is_floating
        and (op.outputs[0].shape.rank or 0) >= 2
        and op.outputs[0].shape[0] is None
        and op.type not in ("Placeholder", "Identity")
    ]
    return ", ".join(told[-SHOWN:]) or "none that gives an array per image"

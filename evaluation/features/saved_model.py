"""Opens a classifier in a SavedModel's directory as one graph with constant weights."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from evaluation.errors import InputError
from evaluation.runtime.tensorflow import import_tensorflow
from evaluation.sources import saved_model_scan as scan

SHOWN = 12
PASSED = ("Identity", "BiasAdd", "Add", "AddV2", "Reshape", "Squeeze", "StopGradient", "NoOp")


def classifier(path: Path, layer: str | None) -> tuple[Any, str]:
    """Returns a function from images to (features, logits), and the layer's name.

    The signature is "serving_default", or else the first one. It takes one float input (n, H, W, C)
    and returns one output (n, classes), or several outputs with one named "logits". A final softmax
    is removed. `layer` names an output or an operation in the graph. The default is the output
    named "features", or else the input of the last matrix product.

    Raises:
      InputError: the model has operations that read or write files, call Python or open
        connections; it cannot be loaded; its signature does not fit; or the layer is unknown.
    """
    scan.check(scan.parse(path / "saved_model.pb"), path)
    tf = import_tensorflow()
    try:
        with ThreadPoolExecutor(1) as thread:  # outside of any strategy's scope
            frozen, name, output_names = thread.submit(_freeze, path).result()
    except Exception as error:  # TensorFlow raises many types for damaged files
        reason = (str(error).strip().splitlines() or ["no signatures"])[0]
        raise InputError(
            f"{path} cannot be used for features ({reason[:200]}); give a SavedModel with a "
            "signature from images to logits."
        ) from None
    outputs = dict(zip(output_names, frozen.outputs, strict=True))
    takes = frozen.inputs
    if len(takes) != 1 or takes[0].shape.rank != 4 or not takes[0].dtype.is_floating:
        raise InputError(
            f"{path}: signature {name!r} takes {[tuple(t.shape) for t in takes]}; a classifier "
            "takes one float array of images (n, H, W, C)."
        )
    logits = _logits(outputs, path)
    features, layer = _features(frozen.graph, outputs, logits, layer, path)
    if features.shape.rank is not None and features.shape.rank > 2:
        with frozen.graph.as_default():
            features = tf.reduce_mean(features, axis=list(range(1, features.shape.rank - 1)))
    pruned = frozen.prune(takes, [features, logits])
    return lambda images: pruned(tf.cast(images, takes[0].dtype)), layer


def _freeze(path: Path) -> tuple[Any, str, list[str]]:
    """Returns a signature with constants for its variables, its name and its outputs' names."""
    tf = import_tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    loaded = tf.saved_model.load(str(path))
    names = list(loaded.signatures)
    name = "serving_default" if "serving_default" in names else names[0]
    function = loaded.signatures[name]
    return convert_variables_to_constants_v2(function), name, sorted(function.structured_outputs)


def _logits(outputs: dict[str, Any], path: Path) -> Any:
    """Returns the tensor of the logits, before a softmax."""
    if len(outputs) > 1 and "logits" not in outputs:
        raise InputError(
            f"{path} has the outputs {', '.join(outputs)}; name the classes' output 'logits'."
        )
    logits = outputs["logits"] if "logits" in outputs else next(iter(outputs.values()))
    operation = logits.op
    while operation.type == "Identity":
        operation = operation.inputs[0].op
    if operation.type == "Softmax":
        logits = operation.inputs[0]
    if logits.shape.rank != 2:
        raise InputError(
            f"{path} returns shape {tuple(logits.shape)}; a classifier returns (n, classes)."
        )
    return logits


def _features(graph, outputs: dict[str, Any], logits, layer: str | None, path: Path):
    """Returns the tensor of the features, and its name."""
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
            f"{path} has no clear last hidden layer; name one with --layer: it has "
            f"{_listing(operations)}."
        )
    return operation.inputs[0], f"input of {operation.name}"


def _listing(operations: dict[str, Any]) -> str:
    """Lists the last operations with a float output per image, and their shapes."""
    listed = [
        f"{name} {tuple(op.outputs[0].shape)}"
        for name, op in operations.items()
        if op.outputs[0].dtype.is_floating
        and (op.outputs[0].shape.rank or 0) >= 2
        and op.outputs[0].shape[0] is None
        and op.type not in ("Placeholder", "Identity")
    ]
    return ", ".join(listed[-SHOWN:]) or "none that returns an array per image"

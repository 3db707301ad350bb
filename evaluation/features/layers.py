"""Finds the features and the logits in a Keras classifier."""

from typing import Any

from evaluation.errors import InputError

DEFAULT = "features"  # the layer to read if the user names none
SHOWN = 12  # layers listed in an error


def split(model: Any, layer: str | None, path: str) -> tuple[Any, Any, str]:
    """Returns the features and the logits of a classifier.

    A final softmax is removed. The features are the output of `layer`; by default of the layer
    named "features", or else the input of the last layer with weights, which is the last hidden
    layer's output. Spatial positions are averaged.

    Args:
      model: a Keras model with one input and one output (n, classes).
      layer: name of the layer; None for the default.
      path: path of the file, for errors.

    Returns:
      Symbolic features (n, d) and logits (n, classes); the layer's name.

    Raises:
      InputError: an unknown layer, several inputs or outputs, an output that is not logits or
        softmax, or a model without a clear last hidden layer.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        shapes = [tuple(output.shape) for output in model.outputs]
        raise InputError(
            f"{path} has {len(model.inputs)} inputs and outputs of shape {shapes}; a classifier "
            "has one input and one output (n, classes)."
        )
    logits, last = _logits(model, path)
    names = [member.name for member in model.layers]
    if layer is None and DEFAULT in names:
        layer = DEFAULT
    if layer is not None:
        if layer not in names:
            raise InputError(f"{path} has no layer {layer!r}; it has {listing(model)}.")
        features = model.get_layer(layer).output
    elif last is not None and _is_tensor(last.input):
        features, layer = last.input, f"input of {last.name}"
    else:
        raise InputError(
            f'{path} has no layer named "features" and no clear last hidden layer; name one with '
            f"--layer: it has {listing(model)}."
        )
    if not _is_tensor(features) or len(features.shape) < 2:
        raise InputError(f"{path}: layer {layer!r} returns no (n, d) array; name another layer.")
    return pooled(features), logits, layer


def pooled(features: Any) -> Any:
    """Averages features (n, ..., d) over all axes but the first and the last."""
    import keras

    rank = len(features.shape)
    return features if rank == 2 else keras.ops.mean(features, axis=tuple(range(1, rank - 1)))


def listing(model: Any) -> str:
    """Lists the last layers with their output shapes, for an error message."""
    listed = []
    for layer in model.layers[-SHOWN:]:
        shape = getattr(getattr(layer, "output", None), "shape", None)
        listed.append(f"{layer.name} {tuple(shape)}" if shape is not None else layer.name)
    more = ["..."] if len(model.layers) > SHOWN else []
    return ", ".join(more + listed) or "no layers"


def compute_in(model: Any, policy: str) -> None:
    """Sets the dtype policy of all layers; the weights stay float32."""
    import keras

    for layer in model.layers:
        if hasattr(layer, "layers"):
            compute_in(layer, policy)
        else:
            layer.dtype_policy = keras.DTypePolicy(policy)


def _logits(model: Any, path: str) -> tuple[Any, Any]:
    """Returns the output before its softmax, and the layer with weights that computes it."""
    import keras

    softmax, linear = keras.activations.softmax, keras.activations.linear
    logits = model.outputs[0]
    top = _producer(model, logits)
    if isinstance(top, keras.layers.Softmax) or (
        isinstance(top, keras.layers.Activation) and top.activation is softmax
    ):
        logits = top.input
    tensor, last = logits, _producer(model, logits)
    while last is not None and not last.weights and _is_tensor(last.input):
        last = None if last.input is tensor else _producer(model, last.input)
    if last is None or not last.weights or not hasattr(last, "kernel"):
        return logits, None
    activation = getattr(last, "activation", None)
    if activation is softmax:
        last.activation = linear
    elif activation not in (None, linear):
        raise InputError(
            f"{path}: its last layer {last.name!r} has the activation {activation.__name__}; a "
            "classifier's output must be logits or a softmax."
        )
    return logits, last


def _producer(model: Any, tensor: Any) -> Any:
    """Returns the layer whose output is `tensor`; None if there is none."""
    for layer in model.layers:
        if getattr(layer, "output", None) is tensor:
            return layer
    return None


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")

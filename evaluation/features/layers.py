"""Where in a Keras classifier the features and the logits are."""

from typing import Any

from evaluation.errors import InputError

USUAL = "features"  # a layer of that name is meant where no other is named
SHOWN = 12  # layers listed in an error


def split(model: Any, layer: str | None, path: str) -> tuple[Any, Any, str]:
    """A layer's output and the logits of a classifier.

    A softmax at the end is taken off. Without a layer's name it is the layer called "features", or
    else what the last layer with weights reads: the last hidden layer. Outputs with places are
    averaged over them.

    Args:
      model: a Keras model with one input and one output (n, classes).
      layer: which layer; None for the usual one.
      path: of the file, for errors.

    Returns:
      features (n, d), logits (n, classes), symbolic; the layer's name.

    Raises:
      InputError: no such layer; more than one output; an output that is no logits; a model whose
        last hidden layer cannot be told.
    """
    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        shapes = [tuple(output.shape) for output in model.outputs]
        raise InputError(
            f"{path} has {len(model.inputs)} inputs and outputs of shape {shapes}; a classifier "
            "has one input and one output (n, classes)."
        )
    logits, last = _logits(model, path)
    names = [found.name for found in model.layers]
    if layer is None and USUAL in names:
        layer = USUAL
    if layer is not None:
        if layer not in names:
            raise InputError(f"{path} has no layer {layer!r}; it has {listing(model)}.")
        features = model.get_layer(layer).output
    elif last is not None and _is_tensor(last.input):
        features, layer = last.input, f"input of {last.name}"
    else:
        raise InputError(
            f'{path} has no layer named "features", and its last hidden layer cannot be told; '
            f"name one with --layer: it has {listing(model)}."
        )
    if not _is_tensor(features) or len(features.shape) < 2:
        raise InputError(f"{path}: layer {layer!r} gives no (n, d) array; name another.")
    return pooled(features), logits, layer


def pooled(features: Any) -> Any:
    """Features (n, ..., d) averaged over all that is between."""
    import keras

    rank = len(features.shape)
    return features if rank == 2 else keras.ops.mean(features, axis=tuple(range(1, rank - 1)))


def listing(model: Any) -> str:
    """The last layers with their outputs' shapes, in words."""
    told = []
    for layer in model.layers[-SHOWN:]:
        shape = getattr(getattr(layer, "output", None), "shape", None)
        told.append(f"{layer.name} {tuple(shape)}" if shape is not None else layer.name)
    more = ["..."] if len(model.layers) > SHOWN else []
    return ", ".join(more + told) or "no layers"


def compute_in(model: Any, policy: str) -> None:
    """Sets the arithmetic of all layers; the weights stay float32."""
    import keras

    for layer in model.layers:
        if hasattr(layer, "layers"):
            compute_in(layer, policy)
        else:
            layer.dtype_policy = keras.DTypePolicy(policy)


def _logits(model: Any, path: str) -> tuple[Any, Any]:
    """The output before its softmax, and the layer with weights that makes it, where it is told."""
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
            f"{path}: its last layer {last.name!r} is activated by {activation.__name__}; a "
            "classifier's output must be logits or a softmax."
        )
    return logits, last


def _producer(model: Any, tensor: Any) -> Any:
    """The layer whose output a tensor is; None where no single one is."""
    for layer in model.layers:
        if getattr(layer, "output", None) is tensor:
            return layer
    return None


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")

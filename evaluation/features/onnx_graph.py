"""Runs ONNX files with onnxruntime, and finds the hidden layer and logits of ONNX classifiers."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.errors import InputError

PASSED = ("Identity", "Add", "Cast", "Reshape", "Flatten", "Squeeze", "Dropout")
SHOWN = 12
FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


def sha256(path: Path) -> str:
    """Hashes the file and its external weights NAME.onnx.data or NAME.onnx_data, if any."""
    digest = hashlib.sha256(path.read_bytes())
    for suffix in (".data", "_data"):
        beside = path.with_name(path.name + suffix)
        if beside.is_file():
            with open(beside, "rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def session(model: Path | bytes, path: Path | None = None) -> Any:
    """Opens an onnxruntime session, on a GPU if onnxruntime can use one.

    Raises:
      InputError: onnxruntime is missing, or the file is damaged or has unsupported operations.
    """
    path = path or Path(str(model))
    try:
        import onnxruntime
    except ImportError:
        raise InputError(
            f"{path} needs the package onnxruntime; install it with pip install 'gantf[onnx]'."
        ) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(
            source, options, providers=onnxruntime.get_available_providers()
        )
    except Exception as error:  # onnxruntime raises its own types
        reason = (str(error).strip().splitlines() or ["no reason"])[0]
        raise InputError(
            f"{path} cannot be used for features ({reason[:200]}); export it to ONNX again."
        ) from None


def runner(
    session: Any, outputs: Sequence[str], path: Path
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Returns a function from float32 images, in the network's layout, to float32 outputs.

    Raises:
      InputError: the network does not take one float array of rank 4.
    """
    inputs = session.get_inputs()
    takes = inputs[0]
    if len(inputs) != 1 or len(takes.shape) != 4 or takes.type not in FLOATS:
        listed = ", ".join(f"{info.name} {info.shape} {info.type}" for info in inputs)
        raise InputError(f"{path} takes {listed}; it must take one float array of images.")
    fixed = takes.shape[0] if isinstance(takes.shape[0], int) else None

    def run(images: np.ndarray) -> list[np.ndarray]:
        for axis, side in enumerate(takes.shape[1:], 1):
            if isinstance(side, int) and images.shape[axis] != side:
                raise InputError(
                    f"{path} takes {takes.shape}, but its .json makes {images.shape}; correct "
                    "the size or the layout there."
                )
        step, parts = fixed or len(images), []
        for start in range(0, len(images), step):
            batch = images[start : start + step]
            missing = step - len(batch)
            batch = np.pad(batch, [(0, missing)] + [(0, 0)] * 3).astype(FLOATS[takes.type])
            values = session.run(list(outputs), {takes.name: batch})
            parts.append([value[: step - missing] for value in values])
        return [np.concatenate(part).astype(np.float32) for part in zip(*parts, strict=True)]

    return run


def split(path: Path, layer: str | None) -> tuple[Any, str, str]:
    """Opens a classifier with a hidden layer and the logits as outputs.

    A final softmax is removed. Without `layer`, the hidden layer is the input of the last matrix
    product.

    Returns:
      The session, the layer's name, the logits' name.

    Raises:
      InputError: the package onnx is missing, the file is damaged, it has more than one output, the
        layer is unknown, or there is no clear last hidden layer.
    """
    try:
        import onnx
    except ImportError:
        raise InputError(
            f"{path} needs the package onnx; install it with pip install 'gantf[onnx]'."
        ) from None
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf raises its own types
        reason = (str(error).strip().splitlines() or ["no reason"])[0]
        raise InputError(
            f"{path} cannot be used for features ({reason[:200]}); export it to ONNX again."
        ) from None
    if len(model.graph.output) != 1:
        listed = ", ".join(output.name for output in model.graph.output)
        raise InputError(
            f"{path} has the outputs {listed}; a classifier has one output (n, classes)."
        )
    makers = {name: node for node in model.graph.node for name in node.output}
    logits = model.graph.output[0].name
    if logits in makers and makers[logits].op_type == "Softmax":
        logits = makers[logits].input[0]
    hidden = layer or _hidden(makers, logits)
    if hidden is None or hidden not in makers:
        problem = f"no layer {layer!r}" if layer else "no clear last hidden layer"
        listed = ", ".join(list(makers)[-SHOWN:])
        raise InputError(f"{path} has {problem}; name one with --layer: it has {listed}.")
    outputs = {output.name for output in model.graph.output}
    for name in dict.fromkeys((hidden, logits)):
        if name not in outputs:
            model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    return session(model.SerializeToString(), path), hidden, logits


def _hidden(makers: dict[str, Any], name: str) -> str | None:
    """Returns the name of the input of the last matrix product before `name`."""
    node = makers.get(name)
    while node is not None and node.op_type in PASSED:
        node = next((makers[source] for source in node.input if source in makers), None)
    if node is None or node.op_type not in ("Gemm", "MatMul"):
        return None
    return str(node.input[0])

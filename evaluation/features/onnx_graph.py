"""ONNX files by onnxruntime, and what lies before a classifier's output in their graphs."""

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
    """Hash of the file and, where it keeps its weights in others, of NAME.onnx.data or _data."""
    digest = hashlib.sha256(path.read_bytes())
    for suffix in (".data", "_data"):
        beside = path.with_name(path.name + suffix)
        if beside.is_file():
            with open(beside, "rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def session(model: Path | bytes, path: Path | None = None) -> Any:
    """An onnxruntime session, on a GPU where that package can use one.

    Raises:
      InputError: the package is missing, or the file is damaged or has operations that it lacks.
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
    except Exception as error:  # onnxruntime has kinds of its own for each failure
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise InputError(
            f"{path} cannot be used for features ({reason[:200]}); export it to ONNX again."
        ) from None


def runner(
    session: Any, outputs: Sequence[str], path: Path
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """A function from a batch of float32 images, in the network's layout, to float32 outputs.

    Raises:
      InputError: the network does not take one array of rank 4.
    """
    inputs = session.get_inputs()
    takes = inputs[0]
    if len(inputs) != 1 or len(takes.shape) != 4 or takes.type not in FLOATS:
        listed = ", ".join(f"{found.name} {found.shape} {found.type}" for found in inputs)
        raise InputError(f"{path} takes {listed}; it must take one float array of images.")
    fixed = takes.shape[0] if isinstance(takes.shape[0], int) else None

    def run(images: np.ndarray) -> list[np.ndarray]:
        for axis, side in enumerate(takes.shape[1:], 1):
            if isinstance(side, int) and images.shape[axis] != side:
                raise InputError(
                    f"{path} takes {takes.shape}, and its .json makes {images.shape}; correct "
                    "the size or the layout there."
                )
        step, parts = fixed or len(images), []
        for start in range(0, len(images), step):
            batch = images[start : start + step]
            missing = step - len(batch)
            batch = np.pad(batch, [(0, missing)] + [(0, 0)] * 3).astype(FLOATS[takes.type])
            found = session.run(list(outputs), {takes.name: batch})
            parts.append([of[: step - missing] for of in found])
        return [np.concatenate(of).astype(np.float32) for of in zip(*parts, strict=True)]

    return run


def split(path: Path, layer: str | None) -> tuple[Any, str, str]:
    """A classifier's session that also gives a hidden layer, that layer's name, the logits' name.

    A softmax at the end is taken off. Without `layer` it is what the last matrix product reads.

    Raises:
      InputError: the package onnx is missing; the file is damaged; it has more than one output;
        there is no such layer, or the last hidden one cannot be told.
    """
    try:
        import onnx
    except ImportError:
        raise InputError(
            f"{path} needs the package onnx; install it with pip install 'gantf[onnx]'."
        ) from None
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf has kinds of its own
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise InputError(
            f"{path} cannot be used for features ({reason[:200]}); export it to ONNX again."
        ) from None
    if len(model.graph.output) != 1:
        named = ", ".join(output.name for output in model.graph.output)
        raise InputError(f"{path} gives {named}; a classifier gives one output (n, classes).")
    makers = {name: node for node in model.graph.node for name in node.output}
    logits = model.graph.output[0].name
    if logits in makers and makers[logits].op_type == "Softmax":
        logits = makers[logits].input[0]
    hidden = layer or _hidden(makers, logits)
    if hidden is None or hidden not in makers:
        what = f"has no layer {layer!r}" if layer else "does not tell its last hidden layer"
        named = ", ".join(list(makers)[-SHOWN:])
        raise InputError(f"{path} {what}; name one with --layer: it has {named}.")
    known = {output.name for output in model.graph.output}
    for name in dict.fromkeys((hidden, logits)):
        if name not in known:
            model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    return session(model.SerializeToString(), path), hidden, logits


def _hidden(makers: dict[str, Any], name: str) -> str | None:
    """What the last matrix product before `name` reads of its image."""
    node = makers.get(name)
    while node is not None and node.op_type in PASSED:
        node = next((makers[of] for of in node.input if of in makers), None)
    if node is None or node.op_type not in ("Gemm", "MatMul"):
        return None
    return str(node.input[0])

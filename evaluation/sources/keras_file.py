"""Loads Keras models in one file, .keras or the older .h5, in Keras's safe mode."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.errors import InputError
from evaluation.runtime.tensorflow import import_tensorflow
from evaluation.sources.archive import check_members
from evaluation.sources.program import (
    DEFAULT_SIGNATURE,
    Port,
    Program,
    Signature,
    cause,
    sha256_of,
)

SUFFIXES = (".keras", ".h5", ".hdf5")
RANGES = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0)}
_MOVES_PIXELS = ("Reshape", "Permute", "Cropping2D", "ZeroPadding2D", "Transpose", "Flatten")


def load(path: Path, trust: bool) -> Program:
    """Loads a Keras model with fixed inputs.

    Args:
      path: a .keras or .h5 file.
      trust: allow Python code in the file (Lambda layers).

    Raises:
      InputError: the file is damaged, holds Python code or custom classes, or has no fixed inputs.
    """
    if not trust:
        _check_config(_config(path), path)
    import_tensorflow()
    import keras

    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=not trust)
    except Exception as error:  # Keras raises many types for damaged and unsafe files
        raise InputError(
            f"{path} cannot be loaded as a Keras model ({_first_line(error)}); save it again, "
            "or export it as a SavedModel with model.export()."
        ) from None
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise InputError(
            f"{path} is a Keras model without fixed inputs; export it as a SavedModel with "
            "model.export()."
        )
    return Program("Keras", (_signature(model),), sha256_of([path], path.parent))


def _signature(model: Any) -> Signature:
    tf = import_tensorflow()
    import keras

    flat = keras.Model(list(model.inputs), list(model.outputs))
    takes = _ports(model.inputs)
    gives = _ports(model.outputs)
    function = tf.function(lambda tensors: flat(tensors, training=False))

    def run(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        inputs = [tf.cast(tf.constant(arrays[port.name]), port.dtype) for port in takes]
        outputs = function(inputs)
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        return {
            port.name: (tf.cast(x, tf.float32) if x.dtype == tf.bfloat16 else x).numpy()
            for port, x in zip(gives, outputs, strict=True)
        }

    bounds = _bounds(model.outputs[0]) if len(model.outputs) == 1 else None
    return Signature(DEFAULT_SIGNATURE, takes, gives, run, bounds)


def _ports(tensors: list) -> tuple[Port, ...]:
    return tuple(Port(x.name, tuple(x.shape), str(x.dtype)) for x in tensors)


def _bounds(output: Any) -> tuple[float, float] | None:
    """Returns the range of the last layer's activation; skips layers that only move pixels."""
    while True:
        operation = output._keras_history.operation
        activation = getattr(getattr(operation, "activation", None), "__name__", "")
        name = activation or type(operation).__name__.lower()
        if activation != "linear" and name in RANGES:
            return RANGES[name]
        inside = getattr(operation, "outputs", None) if hasattr(operation, "layers") else None
        if inside:
            output = inside[0]
        elif type(operation).__name__ in _MOVES_PIXELS:
            output = operation._inbound_nodes[0].input_tensors[0]
        else:
            return None


def _config(path: Path) -> Any:
    """Reads the model's configuration without loading the model."""
    try:
        if path.suffix.lower() == ".keras":
            with zipfile.ZipFile(path) as archive:
                check_members(archive.infolist(), str(path))
                return json.loads(archive.read("config.json"))
        import h5py

        with h5py.File(path, "r") as file:
            text = file.attrs["model_config"]
            return json.loads(text.decode() if isinstance(text, bytes) else text)
    except InputError:
        raise
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, RuntimeError) as error:
        raise InputError(
            f"{path} cannot be loaded as a Keras model ({_first_line(error)}); it is damaged or "
            "holds only weights: save the whole model again."
        ) from None


def _check_config(config: Any, path: Path) -> None:
    """Refuses Python code, and classes that are not Keras's."""
    for part in _parts(config):
        name = part["class_name"]
        module = part.get("module") or "keras"
        if name in ("Lambda", "__lambda__", "TorchModuleWrapper"):
            raise InputError(
                f"{path} holds Python code (a layer {name}), which runs when it is loaded; give "
                "--trust if you know its author, or export it as a SavedModel."
            )
        if not isinstance(module, str) or module.split(".")[0] not in ("keras", "builtins"):
            raise InputError(
                f"{path} needs the class {name} of {module}, which is not Keras's; export it as a "
                "SavedModel with model.export(), or import it first and give --trust."
            )


def _parts(config: Any) -> Iterator[dict]:
    """Yields every serialised object in a configuration."""
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield config
        for value in config.values():
            yield from _parts(value)
    elif isinstance(config, list):
        for value in config:
            yield from _parts(value)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else cause(error)

"""Loads ONNX models; onnxruntime runs them on the CPU or on another device that it supports."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.errors import InputError
from evaluation.sources.program import (
    DEFAULT_SIGNATURE,
    Port,
    Program,
    Signature,
    cause,
    sha256_of,
)

SUFFIXES = (".onnx",)
_FATAL_ONLY = 4
_DTYPES = {"float": "float32", "double": "float64"}  # ONNX's names -> NumPy's


def load(path: Path) -> Program:
    """Loads an ONNX model; it needs the extra [onnx].

    Weights may lie beside it, in files whose names begin with the model's name.

    Raises:
      InputError: onnxruntime is missing; the file is damaged or uses unknown operations.
    """
    try:
        import onnxruntime
    except ImportError:
        raise InputError(
            f"{path} needs onnxruntime, which is not installed; pip install 'gantf[onnx]'."
        ) from None
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = _FATAL_ONLY
    try:
        session = onnxruntime.InferenceSession(
            str(path), settings, providers=onnxruntime.get_available_providers()
        )
    except Exception as error:  # onnxruntime has its own types, none of them public
        raise InputError(
            f"{path} cannot be loaded as an ONNX model ({cause(error)}); export it again."
        ) from None
    files = [file for file in path.parent.iterdir() if _belongs(file, path)]
    return Program("ONNX", (_signature(session),), sha256_of(files, path.parent))


def _belongs(file: Path, model: Path) -> bool:
    """Returns whether a file is the model or its weights: G.onnx.data, G.onnx_data, G.data."""
    is_weights = re.fullmatch(
        re.escape(model.stem) + r"(\.onnx)?[._](data|weights|bin)", file.name, re.IGNORECASE
    )
    return file.is_file() and (file.name == model.name or is_weights is not None)


def _signature(session: Any) -> Signature:
    takes = tuple(_port(value) for value in session.get_inputs())
    gives = tuple(_port(value) for value in session.get_outputs())
    names = [port.name for port in gives]
    dtypes = {port.name: port.dtype for port in takes}

    def run(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        inputs = {name: value.astype(dtypes[name]) for name, value in arrays.items()}
        return dict(zip(names, session.run(names, inputs), strict=True))

    return Signature(DEFAULT_SIGNATURE, takes, gives, run)


def _port(value: Any) -> Port:
    shape = tuple(side if isinstance(side, int) else None for side in value.shape)
    match = re.fullmatch(r"tensor\((\w+)\)", value.type)
    dtype = match[1] if match else value.type
    return Port(value.name, shape, _DTYPES.get(dtype, dtype))

"""Loads SavedModel directories: TensorFlow 1 and 2, Keras, and TF-Hub modules on disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.errors import InputError
from evaluation.runtime.tensorflow import import_tensorflow
from evaluation.sources import saved_model_scan
from evaluation.sources.program import Port, Program, Signature, cause, sha256_of

MODEL_FILE = "saved_model.pb"
PARTS = ("variables", "assets")
SERVING = {"serve"}  # the tags of a graph for inference


def load(directory: Path, trust: bool) -> Program:
    """Loads a SavedModel after a check that its operations only compute.

    Args:
      directory: the directory of saved_model.pb.
      trust: skip the check.

    Raises:
      InputError: the model is damaged or dangerous, or none of its several graphs is for serving.
    """
    content = saved_model_scan.parse(directory / MODEL_FILE)
    if not trust:
        saved_model_scan.check(content, directory)
    tf = import_tensorflow()
    tags = _tags(content, directory)
    try:
        model = tf.saved_model.load(str(directory), tags=tags)
    except Exception as error:  # TensorFlow raises many types for damaged files
        raise InputError(
            f"{directory} cannot be loaded as a SavedModel ({cause(error)}); it is damaged or of "
            "another program: export the generator again."
        ) from None
    signatures = [_signature(name, function, model) for name, function in model.signatures.items()]
    if not signatures:
        signatures = _call_signatures(model)
    return Program("SavedModel", tuple(signatures), _sha256(directory))


def _tags(content, directory: Path) -> list[str] | None:
    """Returns the tags of the graph for serving; None if there is only one graph."""
    tags = [set(graph.meta_info_def.tags) for graph in content.meta_graphs]
    if len(tags) == 1:
        return None
    for wanted in (SERVING, set()):  # TF-Hub modules of TensorFlow 1 have none
        if wanted in tags:
            return sorted(wanted)
    shown = "; ".join(",".join(sorted(each)) or "none" for each in tags)
    raise InputError(
        f"{directory} holds {len(tags)} graphs (tags {shown}), and none is tagged 'serve'; export "
        "the generator again, for serving."
    )


def _signature(name: str, function: Any, model: Any) -> Signature:
    takes = function.structured_input_signature[1]
    gives = function.structured_outputs
    ports = tuple(_port(key, spec) for key, spec in takes.items())
    outputs = tuple(_port(key, spec) for key, spec in gives.items())

    def run(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        assert model is not None  # its variables live as long as it does
        tensors = {key: _tensor(value, takes[key].dtype) for key, value in arrays.items()}
        return {key: _array(value) for key, value in function(**tensors).items()}

    return Signature(name, ports, outputs, run)


def _call_signatures(model: Any) -> list[Signature]:
    """Returns the traced functions of a callable model without signatures, as in TF-Hub modules.

    Functions whose flags were traced as True are left out: they are for training.
    """
    signatures = []
    call = model.__call__ if callable(model) else None
    for function in getattr(call, "concrete_functions", ()):
        positional, named = function.structured_input_signature
        flags = [value for value in (*positional, *named.values()) if not hasattr(value, "dtype")]
        if any(value is not False and value is not None for value in flags):
            continue
        specs = [spec for spec in positional if hasattr(spec, "dtype")]
        specs += [spec for spec in named.values() if hasattr(spec, "dtype")]
        signatures.append(_call_signature(function, specs, model))
    unique = {str(signature): signature for signature in signatures}
    return list(unique.values())


def _call_signature(function: Any, specs: list, model: Any) -> Signature:
    ports = tuple(_port(spec.name or f"input_{k}", spec) for k, spec in enumerate(specs))
    outputs = function.structured_outputs
    single = not isinstance(outputs, dict)
    gives = {"output": outputs} if single else outputs
    gives = {key: spec for key, spec in gives.items() if hasattr(spec, "dtype")}

    def run(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        assert model is not None  # its variables live as long as it does
        tensors = [
            _tensor(arrays[port.name], spec.dtype) for port, spec in zip(ports, specs, strict=True)
        ]
        output = function(*tensors)
        return {"output": _array(output)} if single else {k: _array(output[k]) for k in gives}

    ports_out = tuple(_port(key, spec) for key, spec in gives.items())
    return Signature("__call__", ports, ports_out, run)


def _port(name: str, spec: Any) -> Port:
    shape = None if spec.shape.rank is None else tuple(spec.shape)
    return Port(name, shape, spec.dtype.name)


def _tensor(value: np.ndarray, dtype: Any) -> Any:
    tf = import_tensorflow()
    return tf.cast(tf.constant(value), dtype)


def _array(tensor: Any) -> np.ndarray:
    """Returns a tensor as an array; bfloat16 becomes float32, for NumPy has no bfloat16."""
    tf = import_tensorflow()
    return (tf.cast(tensor, tf.float32) if tensor.dtype == tf.bfloat16 else tensor).numpy()


def _sha256(directory: Path) -> str:
    files = [directory / MODEL_FILE]
    for part in PARTS:
        files += [file for file in (directory / part).rglob("*") if file.is_file()]
    return sha256_of(files, directory)

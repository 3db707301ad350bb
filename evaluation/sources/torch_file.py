"""Loads PyTorch models that contain their own program: TorchScript and torch.export."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.errors import InputError
from evaluation.sources.program import DEFAULT_SIGNATURE, Port, Program, Signature, cause

EXPORTED = ".pt2"
SUFFIXES = (".pt", ".ts", ".pts", EXPORTED)


def load(path: Path, trust: bool) -> Program:
    """Loads a TorchScript file, or a .pt2 of torch.export; it needs the extra [torch].

    TorchScript is read without Python's pickles. A .pt2 may hold pickles, which torch.export.load
    unpickles and which may run any Python. So a .pt2 needs `trust`.

    Args:
      path: the file.
      trust: load a .pt2.

    Raises:
      InputError: torch is missing, the file is neither format, or it is a .pt2 without trust.
    """
    if path.suffix.lower() == EXPORTED and not trust:
        raise InputError(
            f"{path} may hold pickles, which run Python when they are loaded; give --trust if you "
            "know its author, or save it as TorchScript."
        )
    try:
        import torch
    except ImportError:
        raise InputError(
            f"{path} needs PyTorch, which is not installed; pip install 'gantf[torch]'."
        ) from None
    try:
        if path.suffix.lower() == EXPORTED:
            exported = torch.export.load(str(path))
            module, takes, gives = exported.module(), *_exported_ports(exported)
        else:
            module = torch.jit.load(str(path), map_location="cpu").eval()
            takes, gives = _script_ports(module)
    except Exception as error:  # torch raises many types
        raise InputError(
            f"{path} cannot be loaded as TorchScript or torch.export ({cause(error)}); save it "
            "with torch.jit.save or torch.export.save: weights or pickled modules are not read."
        ) from None

    def run(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        inputs = [torch.from_numpy(np.ascontiguousarray(arrays[port.name])) for port in takes]
        with torch.inference_mode():
            outputs = module(*inputs)
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        return {
            port.name: x.float().numpy() if x.is_floating_point() else x.numpy()
            for port, x in zip(gives, outputs, strict=False)
        }

    kind = "torch.export" if path.suffix.lower() == EXPORTED else "TorchScript"
    signature = Signature(DEFAULT_SIGNATURE, takes, gives, run)
    return Program(kind, (signature,), hashlib.sha256(path.read_bytes()).hexdigest())


def _script_ports(module: Any) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    """Returns ports without shapes and dtypes: TorchScript declares only the number of inputs."""
    arguments = list(module.forward.schema.arguments)[1:]
    takes = [Port(a.name, None, "") for a in arguments if not a.has_default_value()]
    if len(takes) == 2:
        takes[1] = Port(takes[1].name, (None,), "int64")
    return tuple(takes), (Port("images", None, "float32"),)


def _exported_ports(exported: Any) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    names = set(exported.graph_signature.user_inputs)
    outputs = list(exported.graph_signature.user_outputs)
    takes, gives = [], {}
    for node in exported.graph.nodes:
        value = node.meta.get("val")
        if node.op == "placeholder" and node.name in names:
            takes.append(_port(node.name, value))
        elif node.name in outputs:
            gives[node.name] = _port(node.name, value)
    return tuple(takes), tuple(gives[name] for name in outputs)


def _port(name: str, value: Any) -> Port:
    shape = tuple(side if isinstance(side, int) else None for side in value.shape)
    return Port(name, shape, str(value.dtype).removeprefix("torch."))

"""Loaded models of every format: functions with named inputs and outputs."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

DEFAULT_SIGNATURE = "serving_default"  # the name of the only function of a file
_CHUNK_BYTES = 1 << 22


@dataclasses.dataclass(frozen=True)
class Port:
    """One input or output.

    Attributes:
      name: its name in the model.
      shape: its axes, None for an axis of any length; None if the model declares no shape.
      dtype: "float32", "int64", "bool" ...; empty if the model declares no dtype.
    """

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str

    @property
    def is_float(self) -> bool:
        """True for a float dtype, and if the model declares no dtype."""
        return self.dtype in ("", "float16", "bfloat16", "float32", "float64")

    @property
    def is_integer(self) -> bool:
        """True for an integer dtype."""
        return self.dtype.startswith(("int", "uint"))

    def __str__(self) -> str:
        if self.shape is None:
            shape = "(?)"
        else:
            shape = f"({', '.join('n' if side is None else str(side) for side in self.shape)})"
        return f"{self.name} {shape} {self.dtype}".rstrip()


@dataclasses.dataclass(frozen=True)
class Signature:
    """One function of a model.

    Attributes:
      name: its name in the model.
      takes: its inputs.
      gives: its outputs.
      run: arrays by input name -> arrays by output name; batch norm is in inference mode where the
        format has a choice.
      value_range: (low, high) of the output, if the last layer bounds it.
    """

    name: str
    takes: tuple[Port, ...]
    gives: tuple[Port, ...]
    run: Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
    value_range: tuple[float, float] | None = None

    def __str__(self) -> str:
        takes = ", ".join(str(port) for port in self.takes)
        return f"{self.name}({takes}) -> {', '.join(str(port) for port in self.gives)}"


@dataclasses.dataclass(frozen=True)
class Program:
    """A loaded model.

    Attributes:
      kind: "SavedModel", "Keras", "ONNX", "TorchScript" or "torch.export".
      signatures: its functions.
      sha256: hash of its files.
    """

    kind: str
    signatures: tuple[Signature, ...]
    sha256: str

    @property
    def listing(self) -> str:
        """The signatures in one line."""
        return "; ".join(str(signature) for signature in self.signatures) or "no signatures at all"


def sha256_of(files: Iterable[Path], root: Path) -> str:
    """Returns the hash of files' names below `root` and of their contents."""
    digest = hashlib.sha256()
    for file in sorted(files):
        name = file.relative_to(root).as_posix()
        digest.update(f"{len(name)} {name} {file.stat().st_size}\n".encode())
        with file.open("rb") as opened:
            while chunk := opened.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def cause(error: BaseException) -> str:
    """Returns the last line of a long message that is no stack trace: it names the cause."""
    lines = [" ".join(line.split()).partition(" [Op:")[0] for line in str(error).splitlines()]
    lines = [line for line in lines if line and not line.startswith(("[[", "Function call stack"))]
    return lines[-1][:200] if lines else type(error).__name__

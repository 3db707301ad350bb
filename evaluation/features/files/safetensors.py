"""Reads arrays from a .safetensors file: a length in 8 bytes, a table in JSON, then the numbers."""

import json
import math
from pathlib import Path

import numpy as np

from evaluation.errors import InputError

DTYPES: dict[str, np.dtype] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


def read(path: Path) -> dict[str, np.ndarray]:
    """Reads the arrays of a .safetensors file.

    Raises:
      InputError: the file is truncated or damaged, or holds other types than float32 and float64.
    """
    content = np.memmap(path, np.uint8, "r")
    length = int.from_bytes(content[:8].tobytes(), "little")
    data, arrays = content[8 + length :], {}
    try:
        table = json.loads(content[8 : 8 + length].tobytes())
        for name, entry in table.items():
            if name != "__metadata__":
                arrays[name] = _array(data, **entry)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path} is truncated, damaged, or not float32 or float64 weights ({error}); get it "
            "again."
        ) from None
    return arrays


def _array(
    data: np.ndarray, *, dtype: str, shape: list[int], data_offsets: list[int]
) -> np.ndarray:
    """Reads one entry of the table; raises ValueError if it is invalid."""
    if dtype not in DTYPES:
        raise ValueError(f"a tensor is {dtype}")
    first, last = data_offsets
    numbers = DTYPES[dtype]
    if not 0 <= first <= last <= len(data):
        raise ValueError("a tensor lies beyond its end")
    if last - first != math.prod(shape) * numbers.itemsize:
        raise ValueError(f"{last - first} bytes for a tensor of {math.prod(shape)} numbers")
    return np.frombuffer(data[first:last].tobytes(), numbers).reshape(shape)

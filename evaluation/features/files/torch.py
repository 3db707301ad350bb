"""Reads tensors from a torch.save file, without PyTorch and without running code from the file.

Such a file is a pickle, which can call any function of any module. This reader allows only the four
things that a table of tensors needs: OrderedDict, the two functions that make a tensor from a
storage, and the storage types. It refuses a file that names anything else. It reads both formats:
the zip archive of PyTorch 1.6 and later, and the earlier stream of pickles and numbers.
"""

import collections
import dataclasses
import math
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from evaluation.core.validation import shown
from evaluation.errors import InputError

DTYPES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "ByteStorage": np.dtype("|u1"),
    "BoolStorage": np.dtype("|b1"),
}
STREAM_MAGIC = 0x1950A86A20F9469CFC6C
STREAM_VERSION = 1001
LARGEST_PICKLE = 1 << 24  # bytes


@dataclasses.dataclass(frozen=True)
class _Storage:
    """A one-dimensional array of numbers elsewhere in the file."""

    key: str
    dtype: np.dtype
    count: int


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """A view of a storage: its offset, shape and strides, in numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Damaged(Exception):
    """The reason why the file cannot be read."""


def read(path: Path) -> dict[str, np.ndarray]:
    """Reads a table of tensors (a state_dict) as arrays.

    Raises:
      InputError: the file is damaged, does not hold a table of tensors, or names a function or type
        that such a table does not need.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return _read_archive(archive)
        with open(path, "rb") as stream:
            return _read_stream(stream)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); make it readable, or give another file."
        ) from None
    except InputError as error:
        raise InputError(f"{path} {error}") from None
    except Exception as error:  # a damaged pickle or archive raises nearly anything
        reason = str(error) if isinstance(error, _Damaged) else type(error).__name__
        raise InputError(
            f"{path} is damaged or not a torch.save file ({reason}); get it again."
        ) from None


def _read_archive(archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
    """Reads data.pkl and, for each storage, the member beside it with the raw numbers."""
    members = {info.filename: info for info in archive.infolist()}
    pickles = [name for name in members if name.endswith("/data.pkl")]
    if len(pickles) != 1 or members[pickles[0]].file_size > LARGEST_PICKLE:
        raise _Damaged("it holds no data.pkl, or a huge one")
    folder = pickles[0].removesuffix("data.pkl")
    order = archive.read(f"{folder}byteorder") if f"{folder}byteorder" in members else b"little"
    if order != b"little":
        raise _Damaged(f"its byte order is {shown(order)}")
    with archive.open(pickles[0]) as stream:
        table = _table(_Tensors(stream).load())
    rows: dict[str, np.ndarray] = {}
    for storage in {tensor.storage for tensor in table.values()}:
        info = members[f"{folder}data/{storage.key}"]
        if info.compress_type != zipfile.ZIP_STORED:
            raise _Damaged("its tensors are compressed")
        _check_size(storage, info.file_size)
        rows[storage.key] = np.frombuffer(archive.read(info), storage.dtype)
    return {name: _view(tensor, rows) for name, tensor in table.items()}


def _read_stream(stream: BinaryIO) -> dict[str, np.ndarray]:
    """Reads five pickles (magic, version, machine, table, keys), then the storages.

    Each storage is its length and its bytes.
    """
    if _Tensors(stream).load() != STREAM_MAGIC or _Tensors(stream).load() != STREAM_VERSION:
        raise _Damaged("it begins with wrong numbers")
    machine = _Tensors(stream).load()
    if machine.get("little_endian") is not True:
        raise _Damaged("its byte order is big")
    table = _table(_Tensors(stream).load())
    storages = {tensor.storage.key: tensor.storage for tensor in table.values()}
    rows: dict[str, np.ndarray] = {}
    for key in _Tensors(stream).load():
        storage = storages[key]
        count = int.from_bytes(stream.read(8), "little")
        if count != storage.count:
            raise _Damaged(f"storage {key} has a different length than its tensor")
        content = stream.read(count * storage.dtype.itemsize)
        _check_size(storage, len(content))
        rows[key] = np.frombuffer(content, storage.dtype)
    return {name: _view(tensor, rows) for name, tensor in table.items()}


class _Tensors(pickle.Unpickler):
    """Reads a pickle of tensors and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Returns one of the few allowed objects; refuses any other name."""
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        raise InputError(
            f"names {shown(f'{module}.{name}')}, which no table of tensors needs: it may be a "
            "program; save the state_dict alone, with torch.save(model.state_dict(), PATH)."
        )

    def persistent_load(self, pid: Any) -> _Storage:
        """Reads a storage: ("storage", type, key, device, count[, unused view in a stream])."""
        kind, dtype, key, _, count, *view = pid
        whole = isinstance(count, int) and count >= 0
        if kind != "storage" or not isinstance(dtype, np.dtype) or not whole or any(view):
            raise _Damaged("a storage has an invalid description")
        return _Storage(str(key), dtype, count)


def _rebuild(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or len(shape) != len(strides):
        raise _Damaged("a tensor has an invalid description")
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise _Damaged("a tensor's shape is not whole numbers")
    last = offset + sum((side - 1) * step for side, step in zip(shape, strides, strict=True))
    if math.prod(shape) > storage.count or (math.prod(shape) and last >= storage.count):
        raise _Damaged("a tensor reaches beyond its storage")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


_ALLOWED: dict[tuple[str, str], Callable] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
    ("torch._utils", "_rebuild_tensor"): _rebuild,
}


def _table(loaded: Any) -> dict[str, _Tensor]:
    """Returns the unpickled object after a check that it is a table of tensors."""
    if not isinstance(loaded, dict):
        raise InputError("holds no table of tensors; save a state_dict with torch.save.")
    table = {}
    for name, tensor in dict.items(loaded):
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise InputError(
                f"holds {shown(name)}, which is not a tensor; save a state_dict alone."
            )
        table[name] = tensor
    return table


def _check_size(storage: _Storage, size: int) -> None:
    expected = storage.count * storage.dtype.itemsize
    if size != expected:
        raise _Damaged(f"storage {storage.key} has {size} bytes instead of {expected}")


def _view(tensor: _Tensor, rows: dict[str, np.ndarray]) -> np.ndarray:
    if math.prod(tensor.shape) == 0:
        return np.empty(tensor.shape, tensor.storage.dtype)
    row = rows[tensor.storage.key]
    strides = [step * row.itemsize for step in tensor.strides]
    view = np.lib.stride_tricks.as_strided(row[tensor.offset :], tensor.shape, strides)
    view.flags.writeable = False
    return view

"""One checkpoint as one file, in which no damage goes unnoticed; NumPy opens it without gantf.

An npz file holds every variable of the game under its name, and a JSON text "meta". Each carries a
CRC-32.
"""

import contextlib
import dataclasses
import errno
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gantf.runs.files import Place

META = "meta"
_OF_THE_FILE = (  # it leads nowhere, is gone, or is none
    errno.EINVAL,
    errno.EIO,
    errno.ENOENT,
    errno.EISDIR,
    errno.ELOOP,
)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What one file holds.

    Attributes:
      step: steps done.
      values: arrays by the variables' names.
      meta: JSON: the metrics at this step, the open log window.
    """

    step: int
    values: Mapping[str, np.ndarray]
    meta: Mapping[str, Any]


class DamagedError(Exception):
    """A checkpoint's file is truncated, altered, or no checkpoint."""


def pack(checkpoint: Checkpoint) -> bytes:
    """A checkpoint as an npz file; the same one in the same bytes."""
    meta = {"step": checkpoint.step, "arrays": len(checkpoint.values), **checkpoint.meta}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, value in {META: np.array(json.dumps(meta)), **checkpoint.values}.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(value), allow_pickle=False)
    return packed.getvalue()


def read(path: Place) -> Checkpoint:
    """Reads and verifies one file: each array carries a CRC-32.

    Raises:
      DamagedError: the file is not whole.
      OSError: it cannot be reached, and may be whole.
    """
    with _damage_named(), zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        arrays = {name.removesuffix(".npy"): _array(archive, name) for name in archive.namelist()}
        meta = json.loads(str(arrays.pop(META)))
        if meta.pop("arrays") != len(arrays):
            raise DamagedError("arrays are missing")
        return Checkpoint(meta.pop("step"), arrays, meta)


def read_meta(path: Place) -> dict[str, Any]:
    """Only the JSON of a file, as it stands there; errors as for `read`."""
    with _damage_named(), path.open("rb") as file, zipfile.ZipFile(file) as archive:
        return json.loads(str(_array(archive, f"{META}.npy")))


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array, of which every byte was read and its checksum compared."""
    return np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)


@contextlib.contextmanager
def _damage_named() -> Iterator[None]:
    """Whatever a damaged file raises, in one exception; not what a missing right or server does."""
    try:
        yield
    except (DamagedError, MemoryError):
        raise
    except Exception as error:  # a damaged archive fails in any of a dozen ways
        if isinstance(error, OSError) and error.errno not in _OF_THE_FILE:
            raise
        raise DamagedError(str(error) or type(error).__name__) from error

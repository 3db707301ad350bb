"""The file format of a checkpoint: an npz that detects any damage and opens without gantf.

The file holds every variable of the game under its name, and a JSON text "meta", each with a
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
_DAMAGE_ERRNOS = (  # the path is broken, missing, or no file
    errno.EINVAL,
    errno.EIO,
    errno.ENOENT,
    errno.EISDIR,
    errno.ELOOP,
)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The content of one file.

    Attributes:
      step: steps done.
      values: arrays by the names of the variables.
      meta: plain JSON: the state of the training, the data's form, the run's identity.
    """

    step: int
    values: Mapping[str, np.ndarray]
    meta: Mapping[str, Any]


class DamagedError(Exception):
    """The file is truncated, altered, or no checkpoint."""


def pack(checkpoint: Checkpoint) -> bytes:
    """Returns a checkpoint as the bytes of an npz file; equal checkpoints give equal bytes."""
    meta = {"step": checkpoint.step, "arrays": len(checkpoint.values), **checkpoint.meta}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, value in {META: np.array(json.dumps(meta)), **checkpoint.values}.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(value), allow_pickle=False)
    return packed.getvalue()


def read(path: Place) -> Checkpoint:
    """Reads one file and verifies every CRC-32.

    Raises:
      DamagedError: the file is damaged.
      OSError: the file cannot be reached; it may be intact.
    """
    with _raise_damage(), zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        arrays = {name.removesuffix(".npy"): _array(archive, name) for name in archive.namelist()}
        meta = json.loads(str(arrays.pop(META)))
        if meta.pop("arrays") != len(arrays):
            raise DamagedError("arrays are missing")
        return Checkpoint(meta.pop("step"), arrays, meta)


def read_meta(path: Place) -> dict[str, Any]:
    """Reads only the JSON of a file; errors as for `read`."""
    with _raise_damage(), path.open("rb") as file, zipfile.ZipFile(file) as archive:
        return json.loads(str(_array(archive, f"{META}.npy")))


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Reads one array whole, which compares its checksum."""
    return np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)


@contextlib.contextmanager
def _raise_damage() -> Iterator[None]:
    """Turns every error of a damaged file into DamagedError; lets errors of access pass."""
    try:
        yield
    except (DamagedError, MemoryError):
        raise
    except Exception as error:  # damaged archives raise a dozen kinds of errors
        if isinstance(error, OSError) and error.errno not in _DAMAGE_ERRNOS:
            raise
        raise DamagedError(str(error) or type(error).__name__) from error

"""Caches features on disk, under a hash of everything that decides the numbers.

Names and paths are not part of that key. An entry is one file: a line of JSON (the facts, the
arrays' names and shapes, the SHA-256 of their bytes), then the bytes. Writes are atomic, so two
processes may fill one cache at once. A damaged entry is ignored and computed again.
"""

import dataclasses
import datetime
import errno
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.errors import InputError
from evaluation.runtime.files import atomic_write

FORMAT = 1
SUFFIX = ".features"
LONGEST_HEADER = 1 << 20  # bytes
DTYPES = ("<f4", "<f8", "<i8", "|u1")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file of the cache.

    Attributes:
      path: path of the file.
      key: key of the entry; see the function `key`.
      size_bytes: size of the file.
      written: time of the last write, UTC.
      facts: the facts that the key was made from; see `write`.
      shapes: shapes of the arrays, by name.
    """

    path: Path
    key: str
    size_bytes: int
    written: datetime.datetime
    facts: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]


def directory() -> Path:
    """Returns the cache's folder: GANTF_CACHE, or else gantf in XDG_CACHE_HOME or in ~/.cache."""
    own = os.environ.get("GANTF_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gantf"


cache_directory = directory  # the public name


def features_directory(cache: bool | str | os.PathLike | None) -> Path | None:
    """Returns the folder for an argument `cache`; None for no cache.

    Args:
      cache: None or False for no cache, True for the default folder, or a folder's path.

    Raises:
      InputError: `cache` has another type, or is the path of a file.
    """
    if cache is None or cache is False:
        return None
    if cache is True:
        return directory() / "features"
    if not isinstance(cache, str | os.PathLike) or not os.fspath(cache):
        raise InputError(f"cache={cache!r}; it must be True, False or the path of a folder.")
    if Path(cache).exists() and not Path(cache).is_dir():
        raise InputError(f"cache={os.fspath(cache)!r} is a file; give the path of a folder.")
    return Path(cache)


def key(facts: Mapping[str, Any]) -> str:
    """Returns the key of an entry: 64 hex digits that do not depend on the order of `facts`.

    Args:
      facts: everything that decides the numbers, as plain JSON types: the hash of the images'
        bytes, or a generator's weights hash, seed, n and contract; the features' sha256 and
        settings; the packages' versions.

    Raises:
      InputError: `facts` holds a value that is not a plain JSON type.
    """
    try:
        text = json.dumps([FORMAT, facts], sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"facts of a cache key cannot be written as JSON ({error}); use plain numbers, "
            "strings, lists and dictionaries."
        ) from None
    return hashlib.sha256(text.encode()).hexdigest()


def read(folder: Path, name: str) -> dict[str, np.ndarray] | None:
    """Reads the arrays of an entry; returns None if it is missing or damaged.

    Args:
      folder: the folder from `features_directory`.
      name: the entry's key, from `key`.
    """
    try:
        with open(folder / f"{name}{SUFFIX}", "rb") as file:
            header = _header(file)
            arrays = {}
            for item in header["arrays"]:
                flat = np.fromfile(file, item["dtype"], int(np.prod(item["shape"])))
                arrays[item["name"]] = flat.reshape(item["shape"])
            whole = not file.read(1)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return arrays if whole and header["sha256"] == _sha256(arrays) else None


def write(
    folder: Path, name: str, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
) -> None:
    """Writes an entry atomically.

    Args:
      folder: the cache's folder; made if it is missing.
      name: the entry's key, from `key`.
      arrays: float32, float64, int64 or uint8, of any shape.
      facts: the facts that `name` was made from; `entries` returns them.

    Raises:
      InputError: the folder cannot be written, or the disk is full.
    """
    arrays = {kind: np.ascontiguousarray(array) for kind, array in arrays.items()}
    listed = [
        {"name": kind, "dtype": array.dtype.str, "shape": list(array.shape)}
        for kind, array in arrays.items()
    ]
    assert all(item["dtype"] in DTYPES for item in listed), listed
    header = {"format": FORMAT, "facts": facts, "arrays": listed, "sha256": _sha256(arrays)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / f"{name}{SUFFIX}") as file:
            file.write(json.dumps(header, sort_keys=True).encode() + b"\n")
            for array in arrays.values():
                file.write(_bytes(array))
    except OSError as error:
        reason, remedy = error.strerror or str(error), "make it writable"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "clear it (gantf-eval cache clear) or set GANTF_CACHE to a larger disk"
        raise InputError(f"the cache {folder} cannot be written ({reason}); {remedy}.") from None


def entries(folder: Path | None = None) -> list[Entry]:
    """Lists the entries of the cache, the newest last; skips damaged files.

    Args:
      folder: the folder from `features_directory`; None for the default folder.
    """
    listed = []
    for path in _files(folder):
        try:
            with open(path, "rb") as file:
                header = _header(file)
            status = path.stat()
            written = datetime.datetime.fromtimestamp(status.st_mtime, datetime.UTC)
            shapes = {item["name"]: tuple(item["shape"]) for item in header["arrays"]}
            name = path.name.removesuffix(SUFFIX)
            listed.append(Entry(path, name, status.st_size, written, header["facts"], shapes))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return sorted(listed, key=lambda entry: (entry.written, entry.key))


def clear(folder: Path | None = None) -> int:
    """Removes all entries, damaged files and temporary files; returns the bytes freed.

    Weights in the same cache stay.

    Args:
      folder: the folder from `features_directory`; None for the default folder.
    """
    freed = 0
    for path in [*_files(folder), *_files(folder, ".part")]:
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:  # another process has just removed it
            continue
        freed += size
    return freed


def _files(folder: Path | None, suffix: str = SUFFIX) -> list[Path]:
    folder = directory() / "features" if folder is None else folder
    return sorted(folder.glob(f"*{suffix}"))


def _header(file) -> dict[str, Any]:
    """Reads the first line of an entry; raises ValueError if it is not a header of this format."""
    header = json.loads(file.readline(LONGEST_HEADER))
    if header["format"] != FORMAT or any(i["dtype"] not in DTYPES for i in header["arrays"]):
        raise ValueError("another format")
    return header


def _sha256(arrays: Mapping[str, np.ndarray]) -> str:
    """Hashes all arrays' names, shapes and bytes."""
    digest = hashlib.sha256()
    for kind, array in arrays.items():
        digest.update(f"{kind} {array.dtype.str} {list(array.shape)}\n".encode())
        digest.update(_bytes(array))
    return digest.hexdigest()


def _bytes(array: np.ndarray) -> memoryview:
    """Returns the bytes of a contiguous array without a copy."""
    return array.reshape(-1).view(np.uint8).data

"""Features kept on disk, found again by what they were computed from, never by a name or a path.

An entry is one file: a line of JSON (what it is of, its arrays, the SHA-256 of their bytes), then
the bytes. It is written beside its place and moved there whole, so that two processes may fill
one cache at once; one that is damaged is not used, and computed again.
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
      path: the file.
      key: what it is found by; see `key`.
      size_bytes: of the file.
      written: when, UTC.
      facts: what it was computed from, as it was given to `write`.
      shapes: of its arrays, by their names.
    """

    path: Path
    key: str
    size_bytes: int
    written: datetime.datetime
    facts: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]


def directory() -> Path:
    """Where everything is kept: GANTF_CACHE, or else gantf in XDG_CACHE_HOME or in ~/.cache."""
    named = os.environ.get("GANTF_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gantf"


cache_directory = directory  # its public name


def features_directory(cache: bool | str | os.PathLike | None) -> Path | None:
    """The folder that an argument `cache` means; None where nothing is to be kept.

    Args:
      cache: None or False for no cache, True for the usual place, or a folder's path.

    Raises:
      InputError: it is something else, or the path of a file.
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
    """A name for what is computed from `facts`: 64 hex digits, the same whatever their order.

    Args:
      facts: everything that decides the numbers, as plain JSON types: of images the hash of their
        bytes; of a generator the hash of its weights, the seed of its latents, n and its contract;
        of the features their sha256 and settings; the versions of the programs.

    Raises:
      InputError: something else than plain JSON types is among them.
    """
    try:
        text = json.dumps([FORMAT, facts], sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"facts of a cache key hold what JSON does not ({error}); give plain numbers, strings, "
            "lists and dictionaries."
        ) from None
    return hashlib.sha256(text.encode()).hexdigest()


def read(folder: Path, name: str) -> dict[str, np.ndarray] | None:
    """The arrays of an entry; None where there is none, or it is damaged.

    Args:
      folder: as `features_directory` gives it.
      name: as `key` gives it.
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
    """Writes an entry, all of it or nothing.

    Args:
      folder: made if it is not there.
      name: as `key` gives it.
      arrays: float32, float64, int64 or uint8, of any shape.
      facts: what `name` was made from; shown by `entries`.

    Raises:
      InputError: it cannot be written; the line says whether the disk is full.
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
            remedy = "empty it (gantf-eval cache clear) or set GANTF_CACHE to a larger disk"
        raise InputError(f"the cache {folder} cannot be written ({reason}); {remedy}.") from None


def entries(folder: Path | None = None) -> list[Entry]:
    """What is in the cache, the newest last; damaged files are left out.

    Args:
      folder: as `features_directory` gives it; None for the usual place.
    """
    found = []
    for path in _files(folder):
        try:
            with open(path, "rb") as file:
                header = _header(file)
            status = path.stat()
            written = datetime.datetime.fromtimestamp(status.st_mtime, datetime.UTC)
            shapes = {item["name"]: tuple(item["shape"]) for item in header["arrays"]}
            name = path.name.removesuffix(SUFFIX)
            found.append(Entry(path, name, status.st_size, written, header["facts"], shapes))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return sorted(found, key=lambda entry: (entry.written, entry.key))


def clear(folder: Path | None = None) -> int:
    """Removes every entry, damaged ones and what killed processes left; the bytes that it frees.

    Weights that lie in the same cache stay.

    Args:
      folder: as `features_directory` gives it; None for the usual place.
    """
    freed = 0
    for path in [*_files(folder), *_files(folder, ".part")]:
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:  # another process was first
            continue
        freed += size
    return freed


def _files(folder: Path | None, suffix: str = SUFFIX) -> list[Path]:
    folder = directory() / "features" if folder is None else folder
    return sorted(folder.glob(f"*{suffix}"))


def _header(file) -> dict[str, Any]:
    """The first line of an entry; ValueError where it is no header of this format."""
    header = json.loads(file.readline(LONGEST_HEADER))
    if header["format"] != FORMAT or any(i["dtype"] not in DTYPES for i in header["arrays"]):
        raise ValueError("another format")
    return header


def _sha256(arrays: Mapping[str, np.ndarray]) -> str:
    """Of all arrays' names, shapes and bytes."""
    digest = hashlib.sha256()
    for kind, array in arrays.items():
        digest.update(f"{kind} {array.dtype.str} {list(array.shape)}\n".encode())
        digest.update(_bytes(array))
    return digest.hexdigest()


def _bytes(array: np.ndarray) -> memoryview:
    """What is in a contiguous array, without a copy."""
    return array.reshape(-1).view(np.uint8).data

"""Tables of numbers: checked, in blocks, and from iterators by way of a temporary file."""

import math
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from evaluation.errors import InputError

BLOCK_ENTRIES = 4_000_000  # numbers looked at at once
LARGEST = 1e20  # a cubic kernel's square reaches its 12th power


def as_rows(values: Any, name: str, *, double: bool = False) -> np.ndarray:
    """Checks that `values` is a finite (n, d) table of real numbers.

    Args:
      values: array-like, shape (n, d), any real dtype, n >= 1, d >= 1, finite; a memory-mapped
        array is read block by block and never copied. An iterator of such tables is written to
        a temporary file first, which goes with the process.
      name: what the caller calls it, for the error.
      double: whether to answer in float64 in any case.

    Returns:
      C-contiguous array of shape (n, d): float32 where the numbers came as float32 or float16,
      otherwise float64; no copy where none is needed.

    Raises:
      InputError: not numeric, not two-dimensional, empty, not finite, or so large as to overflow.
    """
    rows = _spooled(values, name, double) if isinstance(values, Iterator) else _table(values, name)
    single = rows.dtype in (np.float16, np.float32) and not double
    with np.errstate(over="ignore"):  # longer floats may become infinite, which is refused
        rows = np.ascontiguousarray(rows, dtype=np.float32 if single else np.float64)
    _check_numbers(rows, name)
    return rows


def blocks(rows: np.ndarray, entries: int = BLOCK_ENTRIES) -> Iterator[np.ndarray]:
    """Consecutive rows of (n, d) in float64, about `entries` numbers at a time."""
    step = max(1, entries // rows.shape[1])
    for start in range(0, len(rows), step):
        yield rows[start : start + step].astype(np.float64)


def _table(values: Any, name: str) -> np.ndarray:
    """An array of real numbers of shape (n, d), of whatever dtype."""
    if isinstance(values, np.ma.MaskedArray):
        raise InputError(
            f"{name} is a masked array; its masked entries would count as numbers: drop those rows"
            " and give a plain array"
        )
    try:
        rows = np.asarray(values)
    except ValueError as error:
        raise InputError(
            f"{name} is not a table of numbers: give every row the same number of columns"
        ) from error
    except Exception as error:  # whatever an object's own __array__ raises
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"{name} is {type(values).__name__}, which does not become an array ({why}): convert"
            " it to a NumPy array in main memory first"
        ) from error
    if rows.dtype.kind not in "biuf":
        raise InputError(
            f"{name} has dtype {rows.dtype}; it must be real numbers: convert it to float32 first"
        )
    if rows.ndim != 2:
        raise InputError(
            f"{name} has shape {rows.shape}; it must be (n, d), one row per image:"
            " flatten or pool each image's features to one vector"
        )
    if 0 in rows.shape:
        raise InputError(f"{name} has shape {rows.shape}; it must not be empty: give some rows")
    return rows


def _spooled(parts: Iterator[Any], name: str, double: bool) -> np.ndarray:
    """Tables one after another, in a temporary file that is mapped into memory."""
    with tempfile.TemporaryFile() as file:  # mapped, it lives on until the array goes
        columns = 0
        dtype: np.dtype[Any] = np.dtype(np.float64)
        for index, part in enumerate(parts):
            table = _table(part, f"block {index} of {name}")
            single = table.dtype in (np.float16, np.float32) and not double
            own = np.dtype(np.float32 if single else np.float64)
            if not columns:
                columns, dtype = table.shape[1], own
            if own != dtype:
                raise InputError(
                    f"block {index} of {name} has dtype {table.dtype}, kept as {own}, and those"
                    f" before it are kept as {dtype}; all must agree: convert them to one dtype"
                )
            if table.shape[1] != columns:
                raise InputError(
                    f"block {index} of {name} has {table.shape[1]} columns, those before it"
                    f" {columns}; all must agree: take them from one network and layer"
                )
            with np.errstate(over="ignore"):  # as in `as_rows`
                file.write(np.ascontiguousarray(table, dtype=dtype).data)
        if not columns:
            raise InputError(f"{name} is an iterator without a block: give some rows")
        file.flush()
        rows = np.memmap(file, dtype=dtype, mode="r")
        return rows.reshape(-1, columns)


def _check_numbers(rows: np.ndarray, name: str) -> None:
    """Refuses numbers that are not finite, or whose sums would overflow."""
    bad: list[int] = []
    largest = 0.0
    step = max(1, BLOCK_ENTRIES // rows.shape[1])
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        block_largest = max(float(block.max()), -float(block.min()))
        if not math.isfinite(block_largest):
            bad += (start + np.flatnonzero(~np.isfinite(block).all(axis=1))).tolist()
        largest = max(largest, block_largest)
    if bad:
        raise InputError(
            f"{name} holds NaN or infinite numbers in {len(bad)} of {len(rows)} rows (first: row"
            f" {bad[0]}); all must be finite: drop those rows or mend what made them"
        )
    if largest > LARGEST:
        raise InputError(
            f"{name} holds {largest:.3g}; magnitudes must stay within {LARGEST:.0e}, past which"
            " sums overflow: rescale the rows"
        )

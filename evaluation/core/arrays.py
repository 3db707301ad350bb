"""Checks tables of numbers, reads them in blocks, and spools iterators to a temporary file."""

import math
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from evaluation.errors import InputError

BLOCK_ENTRIES = 4_000_000  # numbers read at once
LARGEST = 1e20  # the square of a cubic kernel is a 12th power


def as_rows(values: Any, name: str, *, double: bool = False) -> np.ndarray:
    """Checks that `values` is a finite (n, d) table of real numbers.

    Args:
      values: array-like, shape (n, d), any real dtype, n >= 1, d >= 1, finite; a memory-mapped
        array is read in blocks and never copied. An iterator of tables is first written to a
        temporary file, which is deleted with the array.
      name: name of the argument, for error messages.
      double: whether the result is always float64.

    Returns:
      C-contiguous array of shape (n, d): float32 if the input is float32 or float16, otherwise
      float64; not copied if not necessary.

    Raises:
      InputError: not numeric, not two-dimensional, empty, not finite, or too large.
    """
    rows = _spooled(values, name, double) if isinstance(values, Iterator) else _table(values, name)
    single = rows.dtype in (np.float16, np.float32) and not double
    with np.errstate(over="ignore"):  # longer floats may become infinite, which is an error
        rows = np.ascontiguousarray(rows, dtype=np.float32 if single else np.float64)
    _check_numbers(rows, name)
    return rows


def blocks(rows: np.ndarray, entries: int = BLOCK_ENTRIES) -> Iterator[np.ndarray]:
    """Yields consecutive rows of (n, d) in float64, about `entries` numbers at a time."""
    step = max(1, entries // rows.shape[1])
    for start in range(0, len(rows), step):
        yield rows[start : start + step].astype(np.float64)


def _table(values: Any, name: str) -> np.ndarray:
    """Returns an array of real numbers, shape (n, d), any dtype."""
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
    except Exception as error:  # an object's own __array__ may raise anything
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"{name} is {type(values).__name__}, which NumPy cannot convert ({why}): convert"
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
    """Writes tables to a temporary file, one after another, and maps it into memory."""
    with tempfile.TemporaryFile() as file:  # the mapping keeps it until the array is deleted
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
                    f"block {index} of {name} has dtype {table.dtype}, stored as {own}, and"
                    f" the blocks before it are stored as {dtype}; all must agree: convert them to"
                    " one dtype"
                )
            if table.shape[1] != columns:
                raise InputError(
                    f"block {index} of {name} has {table.shape[1]} columns, the blocks before"
                    f" it {columns}; all must agree: take them from one network and layer"
                )
            with np.errstate(over="ignore"):  # as in `as_rows`
                file.write(np.ascontiguousarray(table, dtype=dtype).data)
        if not columns:
            raise InputError(f"{name} is an iterator without a block: give some rows")
        file.flush()
        rows = np.memmap(file, dtype=dtype, mode="r")
        return rows.reshape(-1, columns)


def _check_numbers(rows: np.ndarray, name: str) -> None:
    """Raises InputError if numbers are not finite, or so large that sums would overflow."""
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
            f" {bad[0]}); all must be finite: drop those rows or repair their source"
        )
    if largest > LARGEST:
        raise InputError(
            f"{name} holds {largest:.3g}; magnitudes must be at most {LARGEST:.0e}, or sums"
            " overflow: rescale the rows"
        )

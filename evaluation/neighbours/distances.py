"""Squared distances between rows: bounds from tiles of a matrix product, exact ones on demand.

One float32 matrix product gives every squared distance with a bounded error. If that error could
change an answer, the distance is computed again from float64 differences of the raw rows. So the
answers depend neither on the rounding of the product nor on the tiling.
"""

import dataclasses
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

TILE_ROWS, TILE_COLUMNS = 1024, 2048  # 8 MB of float32
BLOCK_ENTRIES = 1 << 18  # numbers in a block of differences; it fits in the cache
TINY = {"f": 1e-30, "d": 1e-290}  # larger than any underflow error if all norms are <= 1


@dataclasses.dataclass(frozen=True)
class Points:
    """Raw rows, and the data that the matrix products need.

    Attributes:
      raw: shape (n, d), float32 or float64.
      centred: the rows minus a common centre, times a common power of two; all norms are <= 1.
      low: squared norms of `centred`, minus the largest error of a product; shape (n,).
      tolerance: twice that error, float64, shape (n,). A squared distance is at least the tile's
        number, and at most that number plus the tolerances of both rows.
      hashes: hashes of the rows: equal for copies, and for copies only; int64, shape (n,).
      scale: factor of the squared differences of `raw`; a power of four.
    """

    raw: np.ndarray
    centred: np.ndarray
    low: np.ndarray
    tolerance: np.ndarray
    hashes: np.ndarray
    scale: float

    def __len__(self) -> int:
        return len(self.raw)


def prepare(*tables: np.ndarray, dtype: Any = np.float32) -> tuple[Points, ...]:
    """Makes `Points` from tables of equal width, with a common centre and scale."""
    count = sum(len(table) for table in tables)
    centre = sum(part.sum(axis=0) for table in tables for _, part in _blocks(table)) / count
    largest = max(max(float(table.max()), -float(table.min())) for table in tables)
    length = 2.0 * largest * np.sqrt(tables[0].shape[1])
    exponent = int(np.clip(np.frexp(length)[1], -500, 500)) if length > 0.0 else 0
    factor = float(np.ldexp(1.0, -exponent))
    return tuple(_points(table, centre, factor, np.dtype(dtype)) for table in tables)


def _points(table: np.ndarray, centre: Any, factor: float, dtype: np.dtype[Any]) -> Points:
    """Makes the `Points` of one table.

    With u the unit roundoff, the error of 2 x.y is at most d u (|x|^2 + |y|^2). The roundings of
    the rows, the two additions and a later factor add less than 20 u (|x|^2 + |y|^2).
    """
    centred = np.empty(table.shape, dtype=dtype)
    norms2, hashes = np.empty(len(table)), np.empty(len(table), dtype=np.int64)
    for part, rows in _blocks(table):
        hashes[part] = hash_rows(rows)
        centred[part] = (rows - centre) * factor
        inner = centred[part].astype(np.float64)
        norms2[part] = np.einsum("ij,ij->i", inner, inner)
    error = 1.01 * (table.shape[1] + 20) * float(np.finfo(dtype).eps) / 2.0 * norms2
    error += TINY[dtype.char]
    return Points(table, centred, (norms2 - error).astype(dtype), 2.0 * error, hashes, factor**2)


def hash_rows(rows: np.ndarray) -> list[int]:
    """Hashes float64 rows; copies have the same hash, within this process."""
    return [hash(row.tobytes()) for row in rows + 0.0]  # -0.0 is 0.0


def take(points: Points, chosen: np.ndarray) -> Points:
    """Selects some of the rows."""
    fields = ("raw", "centred", "low", "tolerance", "hashes")
    return dataclasses.replace(points, **{name: getattr(points, name)[chosen] for name in fields})


def _blocks(table: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields slices, and the rows in them as float64."""
    step = max(1, BLOCK_ENTRIES // table.shape[1])
    for start in range(0, len(table), step):
        part = slice(start, min(start + step, len(table)))
        yield part, table[part].astype(np.float64)


def tiles(a: Points, b: Points) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Yields tiles of lower bounds of the squared distances of a's rows to b's, in ascending order.

    If `a` is `b`, the distance of a row to itself is infinity, and tiles below the diagonal are
    skipped: in each tile, the columns after its rows represent both orders.

    Yields:
      A slice of a's rows, a slice of b's rows, and their tile, which the next tile overwrites.
    """
    room = np.empty(min(len(a), TILE_ROWS) * min(len(b), TILE_COLUMNS), dtype=a.centred.dtype)
    for start in range(0, len(a), TILE_ROWS):
        rows = slice(start, min(start + TILE_ROWS, len(a)))
        panel = -2.0 * a.centred[rows]
        for first in range(start if a is b else 0, len(b), TILE_COLUMNS):
            columns = slice(first, min(first + TILE_COLUMNS, len(b)))
            shape = (rows.stop - rows.start, columns.stop - columns.start)
            tile = room[: shape[0] * shape[1]].reshape(shape)
            np.matmul(panel, b.centred[columns].T, out=tile)
            tile += a.low[rows, None]
            tile += b.low[columns]
            if a is b:
                own = np.arange(max(start, first), min(rows.stop, columns.stop))
                tile[own - start, own - first] = np.inf
            yield rows, columns, tile


def below(tile: np.ndarray, limit: np.ndarray, axis: int) -> tuple[np.ndarray, ...]:
    """Finds the entries that are at most a limit per row (axis 0) or per column (axis 1).

    An infinite entry exceeds every limit; a limit of -inf excludes all entries.

    Returns:
      Row and column indices in the tile, and the entries in float64.
    """
    up = np.nextafter(limit.astype(tile.dtype), np.inf, dtype=tile.dtype)  # it may round down
    up = np.where(np.isneginf(limit), limit, np.minimum(up, np.finfo(tile.dtype).max))
    up = up.astype(tile.dtype, copy=False)
    flat = np.flatnonzero(tile <= (up[:, None] if axis == 0 else up))
    i, j = np.divmod(flat, tile.shape[1])
    return i, j, tile.ravel()[flat].astype(np.float64)


def exact(a: Points, i: np.ndarray, b: Points, j: np.ndarray) -> np.ndarray:
    """Scaled squared distances of the pairs (a[i], b[j]), from their differences.

    The distance of copies is exactly 0; equal differences give equal distances.
    """
    answer = np.zeros(len(i))
    todo = np.flatnonzero(a.hashes[i] != b.hashes[j])
    answer[todo] = differences2(a.raw, i[todo], b.raw, j[todo]) * a.scale
    return answer


def differences2(a: np.ndarray, i: np.ndarray, b: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Squared distances of the pairs (a[i], b[j]) in float64; many pairs use several threads."""
    answer = np.empty(len(i))
    step = max(1, BLOCK_ENTRIES // a.shape[1])
    parts = [slice(start, start + step) for start in range(0, len(i), step)]

    def fill(part: slice) -> None:
        gap = a[i[part]].astype(np.float64, copy=False) - b[j[part]]
        answer[part] = np.square(gap, out=gap).sum(axis=1)

    if len(parts) < 8:
        for part in parts:
            fill(part)
    else:
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            list(pool.map(fill, parts))
    return answer

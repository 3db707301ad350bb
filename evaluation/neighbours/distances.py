"""Squared distances between rows, tile by tile: bounds from a product, exact ones on demand.

One float32 matrix product gives every squared distance up to an error that is known beforehand.
Whatever that error could decide is computed again from float64 differences of the rows as given,
so that an answer never depends on how a product rounds, nor on where the tiles begin.
"""

import dataclasses
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

TILE_ROWS, TILE_COLUMNS = 1024, 2048  # 8 MB of float32
BLOCK_ENTRIES = 1 << 18  # numbers of a block of differences, so that it stays in the cache
TINY = {"f": 1e-30, "d": 1e-290}  # above what underflow may lose where no norm is above 1


@dataclasses.dataclass(frozen=True)
class Points:
    """Rows as given, and what products need of them.

    Attributes:
      raw: shape (n, d), float32 or float64.
      centred: the rows less a common centre, times a common power of two; no norm is above 1.
      low: squared norms of `centred`, less the error that a product may add; shape (n,).
      tolerance: twice that error; a squared distance lies between the tile's number and that
        plus the tolerances of both rows. Float64, shape (n,).
      names: equal for copies, and for copies only; int64, shape (n,).
      scale: what squared differences of `raw` are multiplied with; a power of four.
    """

    raw: np.ndarray
    centred: np.ndarray
    low: np.ndarray
    tolerance: np.ndarray
    names: np.ndarray
    scale: float

    def __len__(self) -> int:
        return len(self.raw)


def prepare(*tables: np.ndarray, dtype: Any = np.float32) -> tuple[Points, ...]:
    """`Points` of several tables of the same width, with a common centre and scale."""
    count = sum(len(table) for table in tables)
    centre = sum(part.sum(axis=0) for table in tables for _, part in _blocks(table)) / count
    largest = max(max(float(table.max()), -float(table.min())) for table in tables)
    length = 2.0 * largest * np.sqrt(tables[0].shape[1])
    exponent = int(np.clip(np.frexp(length)[1], -500, 500)) if length > 0.0 else 0
    factor = float(np.ldexp(1.0, -exponent))
    return tuple(_points(table, centre, factor, np.dtype(dtype)) for table in tables)


def _points(table: np.ndarray, centre: Any, factor: float, dtype: np.dtype[Any]) -> Points:
    """One table's `Points`.

    With u the unit roundoff, 2 x.y errs by at most d u (|x|^2 + |y|^2); the roundings of the rows,
    of the two additions and of a later factor add less than 20 u (|x|^2 + |y|^2).
    """
    centred = np.empty(table.shape, dtype=dtype)
    norms2, names = np.empty(len(table)), np.empty(len(table), dtype=np.int64)
    for part, rows in _blocks(table):
        names[part] = names_of(rows)
        centred[part] = (rows - centre) * factor
        inner = centred[part].astype(np.float64)
        norms2[part] = np.einsum("ij,ij->i", inner, inner)
    error = 1.01 * (table.shape[1] + 20) * float(np.finfo(dtype).eps) / 2.0 * norms2
    error += TINY[dtype.char]
    return Points(table, centred, (norms2 - error).astype(dtype), 2.0 * error, names, factor**2)


def names_of(rows: np.ndarray) -> list[int]:
    """A number for each row of float64 that its copies share, within this process."""
    return [hash(row.tobytes()) for row in rows + 0.0]  # -0.0 is 0.0


def take(points: Points, chosen: np.ndarray) -> Points:
    """Some of the rows."""
    fields = ("raw", "centred", "low", "tolerance", "names")
    return dataclasses.replace(points, **{name: getattr(points, name)[chosen] for name in fields})


def _blocks(table: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Slices of the rows and those rows in float64."""
    step = max(1, BLOCK_ENTRIES // table.shape[1])
    for start in range(0, len(table), step):
        part = slice(start, min(start + step, len(table)))
        yield part, table[part].astype(np.float64)


def tiles(a: Points, b: Points) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Lower bounds of the squared distances of a's rows to b's, tile by tile, in ascending order.

    Where `a` is `b`, a row has distance infinity to itself, and tiles below the diagonal are left
    out: of each tile, the columns past its rows stand for both orders.

    Yields:
      Slices of a's rows and of b's, and the tile, to be used before the next one is asked for.
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
    """Where the tile is at most a limit per row (axis 0) or per column (axis 1).

    Infinity is within no limit, the number -inf allows none.

    Returns:
      Row and column numbers within the tile, and the tile's numbers there in float64.
    """
    up = np.nextafter(limit.astype(tile.dtype), np.inf, dtype=tile.dtype)  # as limit may round down
    up = np.where(np.isneginf(limit), limit, np.minimum(up, np.finfo(tile.dtype).max))
    up = up.astype(tile.dtype, copy=False)
    flat = np.flatnonzero(tile <= (up[:, None] if axis == 0 else up))
    i, j = np.divmod(flat, tile.shape[1])
    return i, j, tile.ravel()[flat].astype(np.float64)


def exact(a: Points, i: np.ndarray, b: Points, j: np.ndarray) -> np.ndarray:
    """Squared distances of the pairs (a[i], b[j]), from their differences, times the scale.

    Copies have distance exactly 0; equal differences have equal distances.
    """
    answer = np.zeros(len(i))
    todo = np.flatnonzero(a.names[i] != b.names[j])
    answer[todo] = differences2(a.raw, i[todo], b.raw, j[todo]) * a.scale
    return answer


def differences2(a: np.ndarray, i: np.ndarray, b: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Squared distances of the pairs (a[i], b[j]) in float64, by several threads if many."""
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

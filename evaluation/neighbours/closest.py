"""The k nearest rows, collected tile by tile."""

import numpy as np

from evaluation.neighbours.distances import Points, below, exact, tiles

ROOM = 4_000_000  # candidates kept before all distances are computed exactly
AT_ONCE = 1_000_000  # new candidates kept before the distant ones are dropped
SEED_COLUMNS = 512  # columns of the first tile that give the first limit


class Closest:
    """Finds the k nearest rows of `others` for each row of `own`, from streamed tiles.

    A pair is a candidate while its lower bound is at most the k-th smallest upper bound so far. At
    the end exact distances decide; ties go to the lowest index. Tiles must arrive in ascending
    order of `others`.

    Args:
      own: the rows whose neighbours are searched.
      others: the possible neighbours, at least k rows.
      k: number of neighbours.
      weights: factors of the squared distances to `others`, > 0, shape (others,).
    """

    def __init__(self, own: Points, others: Points, k: int, weights: np.ndarray | None = None):
        """Starts with no candidates."""
        self._own, self._others, self._k, self._weights = own, others, k, weights
        self._limit = np.full(len(own), np.inf)
        self._kept = [np.empty(0, int), np.empty(0, int), np.empty(0), np.empty(0)]
        self._new: list[tuple[np.ndarray, ...]] = []
        self._waiting = 0

    def offer(self, own: slice, others: np.ndarray | slice, tile: np.ndarray, axis: int) -> None:
        """Processes a weighted tile of lower bounds; `own` runs along its axis `axis`."""
        if not tile.size:
            return
        limit = self._limit[own]
        if np.isinf(limit).any() and tile.shape[1 - axis] >= self._k:
            limit = self._limit[own] = np.minimum(limit, self._seed(own, others, tile, axis))
        i, j, low = below(tile, np.where(limit == 0.0, -np.inf, limit), axis)
        if not len(i):
            return
        if axis == 1:
            i, j = j, i
        i, j = i + own.start, j + others.start if isinstance(others, slice) else others[j]
        high = low + self._tolerance(i, j)
        copies = self._own.hashes[i] == self._others.hashes[j]
        low[copies] = high[copies] = 0.0
        self._new.append((i, j, low, high))
        self._waiting += len(i)
        if self._waiting > max(AT_ONCE, len(self._kept[0])):
            self._prune()

    def _tolerance(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        tolerance = self._own.tolerance[i] + self._others.tolerance[j]
        return tolerance if self._weights is None else tolerance * self._weights[j]

    def _seed(
        self, own: slice, others: np.ndarray | slice, tile: np.ndarray, axis: int
    ) -> np.ndarray:
        """Upper bound of each row's k-th smallest distance, from a part of the tile."""
        part = tile[:, :SEED_COLUMNS].T if axis == 0 else tile[:SEED_COLUMNS]
        if len(part) < self._k:
            part = tile.T if axis == 0 else tile
        lows = np.partition(part, self._k - 1, axis=0)[self._k - 1].astype(np.float64)
        most = 1.0 if self._weights is None else self._weights[others].max()
        return lows + (self._own.tolerance[own] + self._others.tolerance[others].max()) * most

    def _prune(self) -> None:
        """Drops pairs that cannot be among the k nearest, and lowers the limits."""
        parts = [self._kept, *self._new]
        self._new, self._waiting = [], 0
        near = [part[2] <= self._limit[part[0]] for part in parts]
        i, j, low, high = (
            np.concatenate([part[n][here] for part, here in zip(parts, near, strict=True)])
            for n in range(4)
        )
        order = np.argsort(_key(i, high))
        i, j, low, high = (column[order] for column in (i, j, low, high))
        starts = np.searchsorted(i, np.arange(len(self._own) + 1))
        full = np.flatnonzero(np.diff(starts) >= self._k)
        first = starts[full, None] + np.arange(self._k)  # in about the order of `high`
        self._limit[full] = np.minimum(self._limit[full], high[first].max(axis=1))
        keep = low <= self._limit[i]
        keep &= self._few_copies(i, j, high)
        self._kept = [column[keep] for column in (i, j, low, high)]
        if len(self._kept[0]) > ROOM:
            self._resolve()

    def _few_copies(self, i: np.ndarray, j: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Mask that drops all but the first k copies of rows with k or more copies."""
        answer = np.ones(len(i), dtype=bool)
        rows = np.flatnonzero(self._limit[i] == 0.0)
        if len(rows):
            order = rows[np.lexsort((j[rows], high[rows], i[rows]))]
            answer[order] = _ranks(i[order]) < self._k
        return answer

    def _resolve(self) -> None:
        """Computes every candidate's exact distance, and keeps the k least of each row."""
        i, j, low, high = self._kept
        open_ = low < high
        squared = exact(self._own, i[open_], self._others, j[open_])
        low[open_] = squared if self._weights is None else squared * self._weights[j[open_]]
        order = np.lexsort((j, low, i))
        order = order[_ranks(i[order]) < self._k]
        self._kept = [i[order], j[order], low[order], low[order]]
        full = np.flatnonzero(np.bincount(i[order], minlength=len(self._own)) == self._k)
        ends = np.searchsorted(i[order], full, side="right") - 1
        self._limit[full] = np.minimum(self._limit[full], low[order][ends])

    def candidates(self) -> int:
        """Returns the number of candidate pairs."""
        self._prune()
        return len(self._kept[0])

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns int64 indices and ascending (weighted) squared distances, shape (own, k) each."""
        self._prune()
        self._resolve()
        i, j, low, _ = self._kept  # k entries per row
        starts = np.searchsorted(i, np.arange(len(self._own)))
        chosen = starts[:, None] + np.arange(self._k)
        return j[chosen], low[chosen]


def closest_within_table(points: Points, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns indices and squared distances of each row's k nearest other rows, shape (n, k)."""
    closest = Closest(points, points, k)
    for rows, columns, tile in tiles(points, points):
        closest.offer(rows, columns, tile, 0)
        past = max(0, rows.stop - columns.start)
        beyond = slice(columns.start + past, columns.stop)
        if beyond.start < beyond.stop:
            closest.offer(beyond, rows, np.ascontiguousarray(tile[:, past:]), 1)
    return closest.finish()


def _key(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Integer keys that sort by row, then by value (>= 0) to about ten digits."""
    bits = 62 - int(rows.max(initial=0)).bit_length()
    room = 2.0 ** min(bits, 50) - 1.0
    fine = np.maximum(values, 0.0) / (float(values.max(initial=0.0)) or 1.0) * room
    return (rows << min(bits, 50)) + fine.astype(np.int64)


def _ranks(rows: np.ndarray) -> np.ndarray:
    """Number of earlier entries of the same row; `rows` are ascending."""
    return np.arange(len(rows)) - np.searchsorted(rows, rows)

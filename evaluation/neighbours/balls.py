"""Counts the points in balls around rows, from streamed tiles of distances."""

import dataclasses

import numpy as np

from evaluation.neighbours.closest import Closest
from evaluation.neighbours.distances import Points, below, exact


@dataclasses.dataclass(frozen=True)
class Balls:
    """Counts and radii of the balls around one side's rows that contain the other side's rows.

    Attributes:
      per_point: number of balls that contain each point; int, shape (points,).
      smallest: radius of the smallest ball that contains each point, inf if no ball does; float64,
        shape (points,).
    """

    per_point: np.ndarray
    smallest: np.ndarray


class Inside:
    """Counts the points in balls of several sizes, from streamed tiles."""

    def __init__(self, centres: Points, points: Points, radii2: list[np.ndarray]):
        """Takes `radii2`: for each ball size, the scaled squared radii, shape (centres,)."""
        self._centres, self._points, self._radii2 = centres, points, radii2
        self._reach = np.max(radii2, axis=0)
        shape = (len(radii2), 2, len(points))
        self._counts = np.zeros(shape, dtype=np.int64)  # by size, then open and closed
        self._smallest2 = np.full(shape, np.inf)

    def offer(self, rows: slice, columns: slice, tile: np.ndarray, axis: int) -> None:
        """Processes a tile of lower bounds; the centres are its rows (axis 0) or columns."""
        i, j, low = below(tile, self._reach[rows if axis == 0 else columns], axis)
        i, j = i + rows.start, j + columns.start
        if axis == 1:
            i, j = j, i
        high = low + self._centres.tolerance[i] + self._points.tolerance[j]
        doubtful = np.zeros(len(i), dtype=bool)
        for radii2 in self._radii2:
            doubtful |= (low <= radii2[i]) & (radii2[i] <= high)
        squared = low + 0.5 * (high - low)
        squared[doubtful] = exact(self._centres, i[doubtful], self._points, j[doubtful])
        for size, radii2 in enumerate(self._radii2):
            radius2 = radii2[i]
            for closed, inside in enumerate((squared < radius2, squared <= radius2)):
                self._counts[size, closed] += np.bincount(j[inside], minlength=len(self._points))
                np.minimum.at(self._smallest2[size, closed], j[inside], radius2[inside])

    def finish(self) -> list[tuple[Balls, Balls]]:
        """Returns the open and the closed balls of each size."""
        smallest = np.sqrt(self._smallest2 / self._centres.scale)
        return [
            (Balls(counts[0], smallest[size, 0]), Balls(counts[1], smallest[size, 1]))
            for size, counts in enumerate(self._counts)
        ]


class Ratio:
    """Finds each point's largest radius / distance, over the half of the balls with small radii."""

    def __init__(self, real: Points, fake: Points, radii2: np.ndarray):
        """Takes `radii2`: squared radii around the real rows, shape (real rows,)."""
        self._rows = np.flatnonzero((radii2 <= np.median(radii2)) & (radii2 > 0.0))
        self._least = float(radii2[self._rows].min(initial=np.inf)) * real.scale
        self._weights = np.zeros(len(real))
        self._weights[self._rows] = self._least / (radii2[self._rows] * real.scale)
        self._closest = Closest(fake, real, 1, self._weights) if len(self._rows) else None
        self._count = len(fake)

    def offer(self, rows: slice, columns: slice, tile: np.ndarray) -> None:
        """Processes a tile of lower bounds, real rows by fake rows."""
        first, last = np.searchsorted(self._rows, (rows.start, rows.stop))
        chosen = self._rows[first:last]
        if self._closest is not None and len(chosen):
            weights = self._weights[chosen].astype(tile.dtype)
            part = tile[chosen - rows.start] * weights[:, None]
            self._closest.offer(columns, chosen, part, 1)

    def finish(self) -> np.ndarray:
        """Returns the ratios, shape (fake rows,)."""
        if self._closest is None:
            return np.zeros(self._count)
        with np.errstate(divide="ignore"):
            return np.sqrt(self._least / self._closest.finish()[1][:, 0])

"""Nearest neighbours by streamed blocks, shared by precision, recall, density and coverage."""

import dataclasses
from collections.abc import Iterator

import numpy as np

BLOCK_ENTRIES = 4_000_000  # distances held at once: 32 MB of float64
KEPT = 8  # neighbours kept at the first request, so that a second k costs nothing
ROUNDING = 1e-11  # relative error granted to |x|^2 + |y|^2 - 2 x.y before exact recomputation


@dataclasses.dataclass(frozen=True)
class Balls:
    """Which points lie in which balls.

    Attributes:
      per_point: for each point, the number of balls that hold it; int, shape (points,).
      per_ball: for each ball, the number of points in it; int, shape (balls,).
      members: for each ball with at most three points, which ones; int, shape (balls, 3), -1
        where there is none.
      radius2: squared radius of each ball; float, shape (balls,).
    """

    per_point: np.ndarray
    per_ball: np.ndarray
    members: np.ndarray
    radius2: np.ndarray


@dataclasses.dataclass(frozen=True)
class _Rows:
    """Rows as given, for exact differences, and centred, where products lose fewer digits."""

    raw: np.ndarray
    centred: np.ndarray

    @property
    def norms2(self) -> np.ndarray:
        """Squared norms of the centred rows."""
        return np.einsum("ij,ij->i", self.centred, self.centred)


class Neighbours:
    """Balls around real or fake rows that reach to the k-th neighbour of the same kind.

    Distances come block by block from one matrix product in float64, so memory does not grow with
    n * m. Wherever the product's rounding could decide, the distance is computed again from the
    differences: copies of a row have distance exactly 0, and a tie is a tie in any row order.
    """

    def __init__(self, real: np.ndarray, fake: np.ndarray):
        """Keeps `real` (n, d) and `fake` (m, d), and centred copies for the products."""
        centre = real.mean(axis=0)
        self._rows = {"real": _Rows(real, real - centre), "fake": _Rows(fake, fake - centre)}
        self._nearest: dict[str, np.ndarray] = {}
        self._balls: dict[tuple[str, int, bool], Balls] = {}

    def radii2(self, side: str, k: int) -> np.ndarray:
        """Squared distance of each row to its k-th nearest other row of the same side.

        Args:
          side: "real" or "fake".
          k: 1 <= k < rows of that side.

        Returns:
          float64, shape (rows,), >= 0; 0 where a row has k exact copies.
        """
        kept = self._nearest.get(side)
        if kept is None or kept.shape[1] < k:
            rows = self._rows[side]
            self._nearest[side] = kept = _nearest2(rows, min(max(k, KEPT), len(rows.raw) - 1))
        return kept[:, k - 1]

    def balls(self, around: str, k: int, closed: bool) -> Balls:
        """Counts the rows of the other side in the balls around one side's rows.

        Args:
          around: the side whose rows are the centres, "real" or "fake"; the other side is counted.
          k: the ball reaches to the k-th nearest row of its own side.
          closed: whether a point on the sphere is inside (<=) or not (<).
        """
        key = (around, k, closed)
        if key not in self._balls:
            points = self._rows["fake" if around == "real" else "real"]
            self._balls[key] = _count(
                self._rows[around], self.radii2(around, k), points, closed=closed
            )
        return self._balls[key]


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of `rows` such that a block of distances stays within BLOCK_ENTRIES."""
    step = max(1, BLOCK_ENTRIES // max(columns, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _exact2(a: np.ndarray, i: np.ndarray, b: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Squared distances of the pairs (a[i], b[j]) from their differences; shape (pairs,)."""
    answer = np.empty(len(i))
    step = max(1, BLOCK_ENTRIES // a.shape[1])
    for start in range(0, len(i), step):
        part = slice(start, start + step)
        answer[part] = np.square(a[i[part]] - b[j[part]]).sum(axis=1)
    return answer


def _product2(a: np.ndarray, norms_a: np.ndarray, b: np.ndarray, norms_b: np.ndarray) -> np.ndarray:
    """Squared distances |x|^2 + |y|^2 - 2 x.y, rounded as they come; shape (len(a), len(b))."""
    distances = a @ b.T
    distances *= -2.0
    distances += norms_a[:, None]
    distances += norms_b
    return distances


def _nearest2(rows: _Rows, k: int) -> np.ndarray:
    """Ascending squared distances of each row to its k nearest other rows; shape (rows, k)."""
    norms, count = rows.norms2, len(rows.raw)
    answer = np.empty((count, k))
    for part in _blocks(count, count):
        distances = _product2(rows.centred[part], norms[part], rows.centred, norms)
        own = np.arange(part.start, part.stop)
        distances[own - part.start, own] = np.inf
        found = np.argpartition(distances, k - 1, axis=1)[:, :k]
        exact = _exact2(rows.raw, np.repeat(own, k), rows.raw, found.ravel())
        answer[part] = np.sort(exact.reshape(-1, k), axis=1)
    return answer


def _count(centres: _Rows, radius2: np.ndarray, points: _Rows, *, closed: bool) -> Balls:
    """Which `points` lie in the balls of `radius2` around `centres`."""
    norms_c, norms_p = centres.norms2, points.norms2
    per_point = np.zeros(len(norms_p), dtype=np.int64)
    per_ball = np.zeros(len(norms_c), dtype=np.int64)
    members = np.full((len(norms_c), 3), -1, dtype=np.int64)
    for part in _blocks(len(norms_c), len(norms_p)):
        margin = _product2(centres.centred[part], norms_c[part], points.centred, norms_p)
        margin -= radius2[part, None]
        inside = margin <= 0.0 if closed else margin < 0.0
        slack = ROUNDING * (norms_c[part].max() + norms_p.max())
        i, j = np.nonzero(np.abs(margin) <= slack)
        exact = _exact2(centres.raw[part], i, points.raw, j)
        limit = radius2[part][i]
        inside[i, j] = exact <= limit if closed else exact < limit
        per_point += inside.sum(axis=0)
        per_ball[part] = counts = inside.sum(axis=1)
        for size in (1, 2, 3):
            chosen = np.flatnonzero(counts == size)
            if chosen.size:
                where = np.nonzero(inside[chosen])[1].reshape(-1, size)
                members[part.start + chosen, :size] = where
    return Balls(per_point, per_ball, members, radius2)

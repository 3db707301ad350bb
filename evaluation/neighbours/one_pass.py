"""Nearest neighbours and balls, from one streamed pass that serves every metric of their kind."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from evaluation.neighbours import distances
from evaluation.neighbours.balls import Balls, Inside, Ratio
from evaluation.neighbours.closest import Closest, closest_of_same
from evaluation.neighbours.distances import Points, tiles
from evaluation.neighbours.soft_balls import soft_product

KEPT = 9  # neighbours of the same side kept at the first request
SAMPLE = 32  # rows on which the precision of the products is tried
WIDE = 4  # candidates per neighbour above which products are made in float64

Request = tuple[Any, ...]
"""A question to the pass over both sides, for one of `Neighbours`' methods of these names:
("balls", around, k, clipped), ("across", side, k), ("ratio", k)."""


class Neighbours:
    """Who is near whom, among the real rows, among the fake rows, and across.

    The first question about both sides answers all of `plan` in the same pass; a question outside
    of it costs another. All answers are those of exact float64 distances (see `distances`).
    """

    def __init__(self, real: np.ndarray, fake: np.ndarray, plan: Iterable[Request] = ()):
        """Keeps `real` (n, d) and `fake` (m, d), float32 or float64, without looking at them."""
        self._raw = (real, fake)
        self._plan = tuple(plan)
        self._nearest: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._answers: dict[Request, Any] = {}

    @functools.cached_property
    def _points(self) -> dict[str, Points]:
        return dict(zip(("real", "fake"), prepared(*self._raw), strict=True))

    @property
    def share_rows(self) -> bool:
        """Whether any real row is a copy of a fake one."""
        return bool(np.isin(self._points["real"].names, self._points["fake"].names).any())

    def same(self, side: str, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Each row's k nearest other rows of its side.

        Args:
          side: "real" or "fake".
          k: 1 <= k < rows of that side.

        Returns:
          Indices and squared distances, ascending, ties by index; shape (rows, k) each.
        """
        found = self._nearest.get(side)
        if found is None or found[0].shape[1] < k:
            points = self._points[side]
            self._nearest[side] = found = closest_of_same(
                points, min(max(k, KEPT), len(points) - 1)
            )
        return found[0][:, :k], found[1][:, :k] / self._points[side].scale

    def radii2(self, side: str, k: int) -> np.ndarray:
        """Squared distance of each row to its k-th nearest other row of the same side."""
        return self.same(side, k)[1][:, k - 1]

    def clipped_radii2(self, side: str, k: int) -> np.ndarray:
        """`radii2`, but none above the square of the median radius."""
        radii2 = self.radii2(side, k)
        return np.minimum(radii2, np.median(np.sqrt(radii2)) ** 2)

    def balls(self, around: str, k: int, closed: bool, clipped: bool = False) -> Balls:
        """Counts, for each row of the other side, the balls around one side's rows that hold it.

        Args:
          around: the side whose rows are the centres, "real" or "fake"; the other side is counted.
          k: the ball reaches to the k-th nearest row of its own side.
          closed: whether a point on the sphere is inside (<=) or not (<).
          clipped: whether no radius may exceed the median radius.
        """
        return self._answer(("balls", around, k, clipped))[closed]

    def across(self, side: str, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Each row's k nearest rows of the other side: indices and squared distances."""
        indices, distances2 = self._answer(("across", side, k))
        return indices[:, :k], distances2[:, :k] / self._points[side].scale

    def held(self, around: str, k: int, closed: bool, width: int) -> tuple[np.ndarray, np.ndarray]:
        """What the balls around one side's rows hold of the other side.

        Args:
          around: as in `balls`, as k and closed.
          k: likewise.
          closed: likewise.
          width: how far to count; at most the rows of the other side are.

        Returns:
          Counts, none above `width`, shape (rows,), and the nearest `width` rows of the other
          side, shape (rows, width): the first count of them are those in the ball.
        """
        rows = len(self._raw[1 if around == "real" else 0])
        indices, distances2 = self.across(around, min(width, rows))
        radius2 = self.radii2(around, k)[:, None]
        inside = distances2 <= radius2 if closed else distances2 < radius2
        return inside.sum(axis=1), indices

    def outside(self, around: str, k: int, factor: float) -> np.ndarray:
        """Product over balls of one size of min(distance / radius, 1), for the other side's rows.

        Args:
          around: the side whose rows are the centres; the other side's rows are the points.
          k: the radius is `factor` times the mean distance to the k-th nearest of the same side.
          factor: > 0.

        Returns:
          float64, in [0, 1], shape (points,); 0 at a copy of a centre.
        """
        radius = factor * float(np.sqrt(self.radii2(around, k)).mean())
        key = ("outside", around, radius)
        if key not in self._answers:
            centres, points = self._raw[:: 1 if around == "real" else -1]
            self._answers[key] = soft_product(centres, points, radius)
        return self._answers[key]

    def largest_ratio(self, k: int) -> np.ndarray:
        """For each fake row, the largest radius / distance over half of the real rows' balls.

        The half is that of the smaller radii, out to the k-th neighbour; radii of 0 do not count.

        Returns:
          float64, shape (fake rows,), >= 0; inf at a copy of a real row.
        """
        return self._answer(("ratio", k))

    def _answer(self, request: Request) -> Any:
        if self._kept(request) is None:
            self._pass({*self._feasible(), request} - self._answers.keys())
        return self._kept(request)

    def _kept(self, request: Request) -> Any:
        """An answer that there is already; more neighbours across than asked for will do."""
        if request[0] != "across":
            return self._answers.get(request)
        able = [r for r in self._answers if r[:2] == request[:2] and r[2] >= request[2]]
        return self._answers[able[0]] if able else None

    def _feasible(self) -> list[Request]:
        """What of the plan there are enough rows for."""
        rows = {"real": len(self._raw[0]), "fake": len(self._raw[1])}
        able: dict[str, Callable[..., bool]] = {
            "balls": lambda around, k, clipped: k < rows[around],
            "across": lambda side, k: k <= rows["fake" if side == "real" else "real"],
            "ratio": lambda k: k < rows["real"],
        }
        return [request for request in self._plan if able[request[0]](*request[1:])]

    def _pass(self, requests: set[Request]) -> None:
        """One pass over all distances across, for all requests at once."""
        real, fake = self._points["real"], self._points["fake"]
        inside, across = {}, {}
        for axis, (side, own, others) in enumerate((("real", real, fake), ("fake", fake, real))):
            asked = [r for r in requests if r[:2] == ("balls", side)]
            radii2 = [
                (self.clipped_radii2 if r[3] else self.radii2)(side, r[2]) * own.scale
                for r in asked
            ]
            if asked:
                inside[axis] = (asked, Inside(own, others, radii2))
            depth = max((r[2] for r in requests if r[:2] == ("across", side)), default=0)
            if depth:
                across[axis] = (("across", side, depth), Closest(own, others, depth))
        ratios = {r: Ratio(real, fake, self.radii2("real", r[1])) for r in requests if len(r) == 2}
        for rows, columns, tile in tiles(real, fake):
            for axis, (_, balls) in inside.items():
                balls.offer(rows, columns, tile, axis)
            for axis, (_, closest) in across.items():
                sides = (rows, columns) if axis == 0 else (columns, rows)
                closest.offer(*sides, tile, axis)
            for ratio in ratios.values():
                ratio.offer(rows, columns, tile)
        for asked, balls in inside.values():
            self._answers.update(zip(asked, balls.finish(), strict=True))
        self._answers.update({request: found.finish() for request, found in across.values()})
        self._answers.update({request: found.finish() for request, found in ratios.items()})


def prepared(*tables: np.ndarray) -> tuple[Points, ...]:
    """`Points` in float32, or in float64 where float32's error would leave too much undecided.

    That is seen on a sample of rows: far outliers or clusters make norms large beside distances.
    """
    points = distances.prepare(*tables)
    for own in points:
        chosen = np.unique(np.linspace(0, len(own) - 1, SAMPLE).astype(int))
        k = min(KEPT, len(own))
        found = Closest(distances.take(own, chosen), own, k)
        for rows, columns, tile in tiles(distances.take(own, chosen), own):
            found.offer(rows, columns, tile, 0)
        if found.candidates() > WIDE * k * len(chosen):
            return distances.prepare(*tables, dtype=np.float64)
    return points

"""Nearest neighbours and balls for all metrics, from one streamed pass."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from evaluation.neighbours import distances
from evaluation.neighbours.balls import Balls, Inside, Ratio
from evaluation.neighbours.closest import Closest, closest_within_table
from evaluation.neighbours.distances import Points, tiles
from evaluation.neighbours.soft_balls import soft_product

KEPT = 9  # neighbours of the same side computed at the first request
SAMPLE = 32  # rows that test whether float32 products suffice
WIDE = 4  # candidates per neighbour above which products use float64

Request = tuple[Any, ...]
"""A request to the pass over both sides, for the method of `Neighbours` with that name:
("balls", around, k, clipped), ("across", side, k), ("ratio", k)."""


class Neighbours:
    """Nearest neighbours and balls among real rows, among fake rows, and between both.

    The first request about both sides computes all of `plan` in one pass; a request that is not
    in `plan` needs another pass. All answers agree with exact float64 distances (see `distances`).
    """

    def __init__(self, real: np.ndarray, fake: np.ndarray, plan: Iterable[Request] = ()):
        """Stores `real` (n, d) and `fake` (m, d), float32 or float64; computes nothing."""
        self._raw = (real, fake)
        self._plan = tuple(plan)
        self._nearest: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._answers: dict[Request, Any] = {}

    @functools.cached_property
    def _points(self) -> dict[str, Points]:
        return dict(zip(("real", "fake"), prepared(*self._raw), strict=True))

    @property
    def share_rows(self) -> bool:
        """Whether any real row is a copy of a fake row."""
        return bool(np.isin(self._points["real"].hashes, self._points["fake"].hashes).any())

    def same(self, side: str, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Finds each row's k nearest other rows of the same side.

        Args:
          side: "real" or "fake".
          k: number of neighbours, 1 <= k < rows of that side.

        Returns:
          Indices and squared distances, ascending, ties by index, shape (rows, k) each.
        """
        nearest = self._nearest.get(side)
        if nearest is None or nearest[0].shape[1] < k:
            points = self._points[side]
            self._nearest[side] = nearest = closest_within_table(
                points, min(max(k, KEPT), len(points) - 1)
            )
        return nearest[0][:, :k], nearest[1][:, :k] / self._points[side].scale

    def radii2(self, side: str, k: int) -> np.ndarray:
        """Squared distance of each row to its k-th nearest other row of the same side."""
        return self.same(side, k)[1][:, k - 1]

    def clipped_radii2(self, side: str, k: int) -> np.ndarray:
        """`radii2`, cut at the square of the median radius."""
        radii2 = self.radii2(side, k)
        return np.minimum(radii2, np.median(np.sqrt(radii2)) ** 2)

    def balls(self, around: str, k: int, closed: bool, clipped: bool = False) -> Balls:
        """Counts the balls around one side's rows that contain each row of the other side.

        Args:
          around: the side of the centres, "real" or "fake".
          k: the radius is the distance to the k-th nearest row of the same side.
          closed: whether a point on the sphere is inside (<=) or not (<).
          clipped: whether radii are cut at the median radius.
        """
        return self._answer(("balls", around, k, clipped))[closed]

    def across(self, side: str, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns indices and squared distances of each row's k nearest rows of the other side."""
        indices, distances2 = self._answer(("across", side, k))
        return indices[:, :k], distances2[:, :k] / self._points[side].scale

    def rows_in_balls(
        self, around: str, k: int, closed: bool, width: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Finds the rows of the other side in each ball around one side's rows.

        Args:
          around: the side of the centres, "real" or "fake".
          k: the radius is the distance to the k-th nearest row of the same side.
          closed: whether a point on the sphere is inside.
          width: largest count; cut at the number of rows of the other side.

        Returns:
          Counts, <= `width`, shape (rows,), and indices of the nearest `width` rows of the other
          side, shape (rows, width); the first `count` of them lie in the ball.
        """
        rows = len(self._raw[1 if around == "real" else 0])
        indices, distances2 = self.across(around, min(width, rows))
        radius2 = self.radii2(around, k)[:, None]
        inside = distances2 <= radius2 if closed else distances2 < radius2
        return inside.sum(axis=1), indices

    def outside(self, around: str, k: int, factor: float) -> np.ndarray:
        """Product of min(distance / radius, 1) over balls of one size, for the other side's rows.

        Args:
          around: the side of the centres; the points are the rows of the other side.
          k: the radius is `factor` times the mean distance to the k-th nearest row of that side.
          factor: factor of the radius, > 0.

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
        """Largest radius / distance of each fake row, over half of the real rows' balls.

        A radius is the distance to the k-th neighbour. The half with the smaller radii counts,
        without radii of 0.

        Returns:
          float64, shape (fake rows,), >= 0; inf at a copy of a real row.
        """
        return self._answer(("ratio", k))

    def _answer(self, request: Request) -> Any:
        if self._kept(request) is None:
            self._pass({*self._feasible(), request} - self._answers.keys())
        return self._kept(request)

    def _kept(self, request: Request) -> Any:
        """Returns a stored answer or None; an answer with more neighbours across also serves."""
        if request[0] != "across":
            return self._answers.get(request)
        stored = [r for r in self._answers if r[:2] == request[:2] and r[2] >= request[2]]
        return self._answers[stored[0]] if stored else None

    def _feasible(self) -> list[Request]:
        """Requests of the plan that have enough rows."""
        rows = {"real": len(self._raw[0]), "fake": len(self._raw[1])}
        has_enough_rows: dict[str, Callable[..., bool]] = {
            "balls": lambda around, k, clipped: k < rows[around],
            "across": lambda side, k: k <= rows["fake" if side == "real" else "real"],
            "ratio": lambda k: k < rows["real"],
        }
        return [request for request in self._plan if has_enough_rows[request[0]](*request[1:])]

    def _pass(self, requests: set[Request]) -> None:
        """Computes all requests in one pass over the distances between both sides."""
        real, fake = self._points["real"], self._points["fake"]
        inside, across = {}, {}
        for axis, (side, own, others) in enumerate((("real", real, fake), ("fake", fake, real))):
            ball_requests = [r for r in requests if r[:2] == ("balls", side)]
            radii2 = [
                (self.clipped_radii2 if r[3] else self.radii2)(side, r[2]) * own.scale
                for r in ball_requests
            ]
            if ball_requests:
                inside[axis] = (ball_requests, Inside(own, others, radii2))
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
        for ball_requests, balls in inside.values():
            self._answers.update(zip(ball_requests, balls.finish(), strict=True))
        self._answers.update({request: closest.finish() for request, closest in across.values()})
        self._answers.update({request: ratio.finish() for request, ratio in ratios.items()})


def prepared(*tables: np.ndarray) -> tuple[Points, ...]:
    """Makes `Points` in float32, or in float64 if float32 leaves too many candidates.

    A sample of rows decides. Distant outliers or clusters make norms large relative to distances.
    """
    points = distances.prepare(*tables)
    for own in points:
        chosen = np.unique(np.linspace(0, len(own) - 1, SAMPLE).astype(int))
        k = min(KEPT, len(own))
        closest = Closest(distances.take(own, chosen), own, k)
        for rows, columns, tile in tiles(distances.take(own, chosen), own):
            closest.offer(rows, columns, tile, 0)
        if closest.candidates() > WIDE * k * len(chosen):
            return distances.prepare(*tables, dtype=np.float64)
    return points

"""The Fréchet distance as a metric: its value without the bias of finite samples, its interval.

`metrics/fid.py` and `metrics/sfid.py` differ only in the rows that they read.
"""

import dataclasses
import math

import numpy as np

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.distances import frechet, frechet_jackknife
from evaluation.distances.frechet_jackknife import Coupling, Jackknife
from evaluation.distances.moments import Moments
from evaluation.errors import InputError
from evaluation.statistics.binomial import normal_quantile
from evaluation.statistics.degenerate import upper_end
from evaluation.statistics.halves import shuffled_indices

LEAST_ROWS = 20  # for an interval
ROWS_PER_DIMENSION = 2.0  # below it a half has fewer rows than dimensions
NOISE = 2.0  # standard deviations that a number must exceed to count
REMAINDER = 1.6  # largest remaining bias, in units of the second order; see `correct`


@dataclasses.dataclass(frozen=True)
class Corrected:
    """A distance without its bias, with what its interval needs.

    Attributes:
      coupling: both samples.
      jackknife: the jackknife of both samples.
      value: the distance without its bias.
      removed: part of the second-order bias removed from the value of the jackknife, >= 0.
      second_order: the whole second-order bias by the halves, noise included; None without halves.
      quadratic: variance of the quadratic part of the distance, which alone remains at equal
        distributions.
      bound: with too few rows to estimate the bias, a lower bound of the distance and its standard
        error; otherwise None.
    """

    coupling: Coupling
    jackknife: Jackknife
    value: float
    removed: float
    second_order: float | None
    quadratic: float
    bound: tuple[float, float] | None

    @property
    def variance(self) -> float:
        """The variance of `value`.

        The variance of the jackknife is V1 + 2 V2, with one V2 too much. It is subtracted as far as
        the value stands out of noise, where the estimate of V1 is good enough.
        """
        whole = self.jackknife.variance
        sure = 1.0 - NOISE**2 * whole / self.value**2 if self.value > 0.0 else 0.0
        return whole - max(sure, 0.0) * min(self.quadratic, 0.5 * whole)

    def ends(self, level: float) -> tuple[float, float]:
        """Returns the interval; the lower end allows for all bias that may remain.

        For the upper end see `upper_end`.
        """
        z, whole = normal_quantile(level), self.jackknife.variance
        if self.bound is not None:
            half = z * math.sqrt(whole)
            low = min(self.bound[0] - z * self.bound[1], self.value - half)
            return low, self.value + half
        error, plain = math.sqrt(self.variance), self.coupling.plain
        left = REMAINDER * max(self.second_order or 0.0, 0.0)
        low = self.value - math.hypot(z * error, left)
        return low, upper_end(self.value, error, whole, self.quadratic, plain, z)


def correct(pair: Pair, metric: str, seed: int) -> Corrected:
    """Removes the bias: two orders of it, or with too few rows one order, with a bound.

    With E P_n = theta + a / n + b / n^2 the jackknife J leaves -b / n^2, and the combination with
    the distance of halves, P_h - 2 (P - J), leaves nothing. Their difference is noise for light
    tails. For heavy tails it is the larger part of the bias of J: there the order is n^-p with
    1 < p < 2, and the rest is at most (2p - 2^p) / (1 + 2^p - 3 p) -> 1.6 times the difference;
    0.5 times at p = 3/2.

    With few rows the bias of J is positive, because the plain distance rises less than 1/n. Then
    |m1 - m2|^2 + (sqrt tr S1 - sqrt tr S2)^2 is a lower bound of the distance (Gelbrich 1990,
    Mathematische Nachrichten 147, 185-203), and its bias has a closed form at any n.
    """
    pair.require(metric, LEAST_ROWS, LEAST_ROWS, "with an interval")
    halved, coupling = _coupled(pair, seed)
    if coupling.sides[0].trace <= 0.0:
        raise InputError(
            f"real_{pair.kind} has identical rows only; {metric} needs rows that differ"
        )
    jack = frechet_jackknife.jackknife(coupling)
    quadratic = frechet_jackknife.second_order_variance(coupling, seed)
    if halved is None:
        bound = frechet.lower_bound(*_rows(pair))
        return Corrected(coupling, jack, jack.value, 0.0, None, quadratic, bound)
    second = jack.value - (halved - 2.0 * (coupling.plain - jack.value))
    weight = max(0.0, 1.0 - NOISE**2 * quadratic / second**2) if second > 0.0 else 0.0
    removed = weight * second
    return Corrected(coupling, jack, jack.value - removed, removed, second, quadratic, None)


def corrected(pair: Pair, metric: str, level: float, seed: int) -> MetricValue:
    """Returns the distance without its bias, with an interval; see `metrics/fid.py`."""
    distance = correct(pair, metric, seed)
    plain, (low, high) = distance.coupling.plain, distance.ends(level)
    details = {
        "plain": plain,
        "bias": plain - distance.value,
        "standard_error": math.sqrt(distance.variance),
        "rank": distance.coupling.rank,
        "second_order": distance.second_order,
        "regime": "two orders" if distance.bound is None else "bounds",
    }
    method = "exact delete-one jackknife"
    if distance.removed:
        method = "jackknife, second order removed, widened by it"
    if distance.bound is not None:
        method = "bounds: too few rows for the dimension"
        details["rows_for_an_interval"] = math.ceil(ROWS_PER_DIMENSION * distance.coupling.rank)
    if pair.dependent:
        high, method = max(high, plain), f"{method}; rows shared, widened"
    return MetricValue(
        value=distance.value,
        low=low,
        high=max(high, 0.0),  # no distance is negative, see `metrics/fid.py`
        method=method,
        target="both populations",
        details=details,
    )


def plain(
    pair: Pair, metric: str, ddof: int, float32_mean: bool, rows: int | None, seed: int
) -> MetricValue:
    """Returns the uncorrected distance, as published programs print it, without an interval."""
    if ddof not in (0, 1):
        raise InputError(f"{metric} setting ddof={ddof}; it must be 0 or 1")
    if rows is not None and rows < 2:
        raise InputError(f"{metric} setting rows={rows}; it must be at least 2")
    least = rows or 2
    pair.require(metric, least, least, "" if rows is None else f"rows={rows}")
    both = _rows(pair)
    if rows is not None:
        chosen = [x[shuffled_indices(x, seed)[:rows]] for x in both]
        both = chosen[0], chosen[1]
    value = frechet.frechet_distance(*both, float32_mean=float32_mean, ddof=ddof)
    return MetricValue(
        value,
        method="plain, biased upwards; no interval",
        target="both populations",
        details={"plain": value},
    )


def _rows(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Returns both sides in their own precision."""
    assert pair.real is not None
    return pair.real, pair.fake


def _coupled(pair: Pair, seed: int) -> tuple[float | None, Coupling]:
    """Returns the mean plain distance of two random halves and the coupling of all rows.

    The distance is None if the halves are too small.
    """
    both = _rows(pair)
    n, d = min(len(x) for x in both), pair.fake.shape[1]
    if n < ROWS_PER_DIMENSION * d:
        coupling = frechet_jackknife.couple(*both)
        if n < ROWS_PER_DIMENSION * coupling.rank:
            return None, coupling
    parts = [_half_moments(x, seed + side) for side, x in enumerate(both)]
    distances = [frechet.distance_of_moments(a, b) for a, b in zip(*parts, strict=True)]
    halved = float(np.mean(distances))
    if n < ROWS_PER_DIMENSION * d:
        return halved, coupling
    whole = [first.merge(second) for first, second in parts]
    return halved, frechet_jackknife.couple(*both, (whole[0], whole[1]))


def _half_moments(rows: np.ndarray, seed: int) -> tuple[Moments, Moments]:
    """Returns the moments of two random halves, independent of the order of the rows."""
    order, middle = shuffled_indices(rows, seed), len(rows) // 2
    return Moments.from_rows(rows, np.sort(order[:middle])), Moments.from_rows(
        rows, np.sort(order[middle:])
    )

"""Intervals for differences of two models' metrics, used by `compare`."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import optimize

from evaluation import metrics as all_metrics
from evaluation.core.pair import Pair
from evaluation.inference import influences
from evaluation.inference.influences import Ends, Influences
from evaluation.results.model_comparison import POWER
from evaluation.statistics.binomial import normal_quantile, wilson
from evaluation.statistics.degenerate import total_standard_error
from evaluation.statistics.mean import mean_interval
from evaluation.statistics.occupancy import ORDERS, occupancy_interval, occupancy_variance


@dataclasses.dataclass(frozen=True)
class Gap:
    """A difference: its interval at each level, and the slope of its variance in the difference."""

    ends: Ends
    slope: float = 0.0


Intervals = tuple[dict[str, float], dict[str, Ends], Callable[[str, str], Gap]]


def distance_differences(
    pairs: dict[str, Pair], metric: str, seed: int, paired_latents: bool
) -> Intervals:
    """Returns the models' values and intervals, and a function for differences, from influences."""
    if metric == "fid":
        studies = {name: influences.fid_influences(pair, seed) for name, pair in pairs.items()}
    else:
        real = next(iter(pairs.values())).real
        assert real is not None
        listed = influences.kid_influences(real, [pair.fake for pair in pairs.values()])
        studies = dict(zip(pairs, listed, strict=True))
    values = {name: study.value for name, study in studies.items()}

    def gap_between(first: str, second: str) -> Gap:
        a, b = studies[first], studies[second]
        if a.bounded or b.bounded:
            return Gap(lambda at: _difference_bounds(a.interval(at), b.interval(at)))
        error = standard_error(a, b, paired_latents)

        def ends(at: float) -> tuple[float, float]:
            half, gap = normal_quantile(at) * error, a.value - b.value
            return gap - float(np.hypot(half, a.left)), gap + float(np.hypot(half, b.left))

        slopes = [influences.slopes(study) for study in (a, b)]
        return Gap(ends, max(f / len(a.fake) + r / len(a.real) for f, r in slopes))

    return values, {name: study.interval for name, study in studies.items()}, gap_between


def standard_error(a: Influences, b: Influences, paired_latents: bool = False) -> float:
    """Standard error of the difference of two distances to the same real rows.

    The real-real part of the kernel is common to both distances and cancels. If fake rows are
    paired, the kernel parts are not independent, and the noise of the estimated influences stays
    in V1.
    """
    real_variance = influences.mean_variance(a.real - b.real)
    if paired_latents:
        return float(np.sqrt(influences.mean_variance(a.fake - b.fake) + real_variance))
    second = 0.0
    for study in (a, b):
        n, m = len(study.fake), len(study.real)
        second += 2.0 * study.squares[0] / n**2 + 4.0 * study.squares[1] / (n * m)
    first = influences.mean_variance(a.fake) + influences.mean_variance(b.fake) + real_variance
    return total_standard_error(first, second)


def _difference_bounds(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    """Bounds of a difference from two intervals, for any dependence."""
    return a[0] - b[1], a[1] - b[0]


def mean_differences(
    pairs: dict[str, Pair],
    metric: str,
    level: float,
    seed: int,
    paired_latents: bool,
    settings: dict[str, Any],
) -> Intervals:
    """Like `distance_differences`, for precision, density and coverage; the real rows are fixed."""
    module = all_metrics.load(metric)
    values: dict[str, float] = {}
    own: dict[str, Ends] = {}
    rows: dict[str, np.ndarray] = {}
    k, closed = settings["k"], settings["closed"]
    ceiling = next(iter(pairs.values())).n_real / k if metric == "density" else 1.0
    for name, pair in pairs.items():
        estimate = module.estimate(pair, level=level, seed=seed, **settings)
        values[name] = estimate.value
        if metric == "coverage":
            own[name] = coverage_ends(pair, estimate.value, k, closed)
            continue
        counts = pair.neighbours.balls("real", k, closed).per_point
        rows[name] = counts / k if metric == "density" else (counts > 0).astype(np.float64)
        if metric == "density":
            own[name] = mean_ends(rows[name], 0.0, ceiling)
        else:
            own[name] = fraction_ends(estimate.value, pair.n_fake)

    def gap_between(first: str, second: str) -> Gap:
        if paired_latents:
            return Gap(mean_ends(rows[first] - rows[second], -ceiling, ceiling))
        return Gap(difference_ends(values[first], own[first], values[second], own[second]))

    return values, own, gap_between


def coverage_ends(pair: Pair, value: float, k: int, closed: bool) -> Ends:
    """Interval of coverage, as in `metrics/coverage.py`."""
    counts, members = pair.neighbours.rows_in_balls("real", k, closed, 1 + ORDERS)
    variance, freedom = occupancy_variance(counts, members, pair.n_fake)
    return lambda at: occupancy_interval(value, variance, freedom, pair.n_real, at)


def fraction_ends(value: float, trials: float) -> Ends:
    """Wilson's interval of a fraction of `trials`."""
    return lambda at: wilson(value * trials, trials, at)


def mean_ends(values: np.ndarray, floor: float, ceiling: float) -> Ends:
    """Student's interval of a mean, widened for skewness."""
    return lambda at: mean_interval(values, at, floor, ceiling)[:2]


def difference_ends(first: float, first_ends: Ends, second: float, second_ends: Ends) -> Ends:
    """Interval of the difference of two independent values (Zou & Donner)."""

    def ends(at: float) -> tuple[float, float]:
        (low, high), (below, above) = first_ends(at), second_ends(at)
        gap = first - second
        return (
            gap - float(np.hypot(first - low, above - second)),
            gap + float(np.hypot(high - first, second - below)),
        )

    return ends


def detectable(gap: Gap, level: float) -> float:
    """Difference e that is detected at `level` with power 0.8: e = z SE, SE^2 = V + slope e."""
    z = normal_quantile(level)
    low, high = gap.ends(level)
    variance = (0.5 * (high - low) / z) ** 2
    need = z + normal_quantile(2.0 * POWER - 1.0)
    half = 0.5 * need**2 * gap.slope
    return half + math.sqrt(half**2 + need**2 * variance)


def p_value(ends: Ends) -> float:
    """1 minus the level at which the interval just reaches 0."""

    def gap(log_p: float) -> float:
        low, high = ends(-float(np.expm1(log_p)))
        return max(low, -high)  # > 0 if 0 is outside

    least, most = -30.0, -1e-4  # log p above this counts as p = 1
    if gap(most) <= 0.0:
        return 1.0
    if gap(least) >= 0.0:
        return float(np.exp(least))
    return float(np.exp(optimize.brentq(gap, least, most, xtol=1e-9)))

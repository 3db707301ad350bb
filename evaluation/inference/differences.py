"""Differences of two models' metrics as intervals of any level: what `compare` is made of."""

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
    """A difference: its interval by level, and what its variance grows by with the difference."""

    ends: Ends
    slope: float = 0.0


Read = tuple[dict[str, float], dict[str, Ends], Callable[[str, str], Gap]]


def of_distances(pairs: dict[str, Pair], metric: str, seed: int, paired_latents: bool) -> Read:
    """Values, models' own intervals and those of differences, from influences."""
    if metric == "fid":
        found = {name: influences.of_fid(pair, seed) for name, pair in pairs.items()}
    else:
        real = next(iter(pairs.values())).real
        assert real is not None
        listed = influences.of_kid(real, [pair.fake for pair in pairs.values()])
        found = dict(zip(pairs, listed, strict=True))
    values = {name: study.value for name, study in found.items()}

    def of_pair(first: str, second: str) -> Gap:
        a, b = found[first], found[second]
        if a.bounded or b.bounded:
            return Gap(lambda at: _between(a.interval(at), b.interval(at)))
        error = standard_error(a, b, paired_latents)

        def ends(at: float) -> tuple[float, float]:
            half, gap = normal_quantile(at) * error, a.value - b.value
            return gap - float(np.hypot(half, a.left)), gap + float(np.hypot(half, b.left))

        slopes = [influences.slopes(study) for study in (a, b)]
        return Gap(ends, max(f / len(a.fake) + r / len(a.real) for f, r in slopes))

    return values, {name: study.interval for name, study in found.items()}, of_pair


def standard_error(a: Influences, b: Influences, paired_latents: bool = False) -> float:
    """Of the difference of two distances to the same real rows.

    The kernel's real-real part is common to both and leaves; where fake rows are pairs, their
    kernel's parts are not independent, and what estimated influences add to V1 stays.
    """
    shared = influences.mean_variance(a.real - b.real)
    if paired_latents:
        return float(np.sqrt(influences.mean_variance(a.fake - b.fake) + shared))
    second = 0.0
    for study in (a, b):
        n, m = len(study.fake), len(study.real)
        second += 2.0 * study.squares[0] / n**2 + 4.0 * study.squares[1] / (n * m)
    first = influences.mean_variance(a.fake) + influences.mean_variance(b.fake) + shared
    return total_standard_error(first, second)


def _between(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    """What two intervals leave of a difference, whatever their dependence."""
    return a[0] - b[1], a[1] - b[0]


def of_shares(
    pairs: dict[str, Pair],
    metric: str,
    level: float,
    seed: int,
    paired_latents: bool,
    settings: dict[str, Any],
) -> Read:
    """Values and intervals of metrics that are means given the real rows."""
    module = all_metrics.load(metric)
    values: dict[str, float] = {}
    own: dict[str, Ends] = {}
    rows: dict[str, np.ndarray] = {}
    k, closed = settings["k"], settings["closed"]
    ceiling = next(iter(pairs.values())).n_real / k if metric == "density" else 1.0
    for name, pair in pairs.items():
        found = module.estimate(pair, level=level, seed=seed, **settings)
        values[name] = found.value
        if metric == "coverage":
            own[name] = covered(pair, found.value, k, closed)
            continue
        counts = pair.neighbours.balls("real", k, closed).per_point
        rows[name] = counts / k if metric == "density" else (counts > 0).astype(np.float64)
        if metric == "density":
            own[name] = mean(rows[name], 0.0, ceiling)
        else:
            own[name] = share(found.value, pair.n_fake)

    def of_pair(first: str, second: str) -> Gap:
        if paired_latents:
            return Gap(mean(rows[first] - rows[second], -ceiling, ceiling))
        return Gap(combined(values[first], own[first], values[second], own[second]))

    return values, own, of_pair


def covered(pair: Pair, value: float, k: int, closed: bool) -> Ends:
    """The interval of `metrics/coverage.py`."""
    counts, members = pair.neighbours.held("real", k, closed, 1 + ORDERS)
    variance, freedom = occupancy_variance(counts, members, pair.n_fake)
    return lambda at: occupancy_interval(value, variance, freedom, pair.n_real, at)


def share(value: float, trials: float) -> Ends:
    """Wilson's interval of a share of that many trials."""
    return lambda at: wilson(value * trials, trials, at)


def mean(values: np.ndarray, floor: float, ceiling: float) -> Ends:
    """Student's interval of a mean, widened for skewness."""
    return lambda at: mean_interval(values, at, floor, ceiling)[:2]


def combined(first: float, of_first: Ends, second: float, of_second: Ends) -> Ends:
    """Interval of a difference of independent values (Zou & Donner)."""

    def ends(at: float) -> tuple[float, float]:
        (low, high), (below, above) = of_first(at), of_second(at)
        gap = first - second
        return (
            gap - float(np.hypot(first - low, above - second)),
            gap + float(np.hypot(high - first, second - below)),
        )

    return ends


def detectable(gap: Gap, level: float) -> float:
    """The difference e that is found at `level` with power 0.8: e = z SE, SE^2 = V + slope e."""
    z = normal_quantile(level)
    low, high = gap.ends(level)
    variance = (0.5 * (high - low) / z) ** 2
    need = z + normal_quantile(2.0 * POWER - 1.0)
    half = 0.5 * need**2 * gap.slope
    return half + math.sqrt(half**2 + need**2 * variance)


def p_value(ends: Ends) -> float:
    """1 less the level at which the interval just reaches 0."""

    def gap(log_p: float) -> float:
        low, high = ends(-float(np.expm1(log_p)))
        return max(low, -high)  # > 0 where 0 is outside

    least, most = -30.0, -1e-4  # closer to 0 it is 1
    if gap(most) <= 0.0:
        return 1.0
    if gap(least) >= 0.0:
        return float(np.exp(least))
    return float(np.exp(optimize.brentq(gap, least, most, xtol=1e-9)))

"""The Fréchet distance as a metric: its value without the bias of finite samples, its interval.

`metrics/fid.py` and `metrics/sfid.py` differ only in the rows they read.
"""

import dataclasses
import math

import numpy as np

from evaluation import frechet, frechet_jackknife
from evaluation.errors import InputError
from evaluation.frechet_jackknife import Coupling, Jackknife
from evaluation.moments import Moments
from evaluation.rows import Pair
from evaluation.statistics.binomial import normal_quantile
from evaluation.statistics.estimate import Finding
from evaluation.statistics.halves import shuffled_indices

LEAST_ROWS = 20  # for an interval
ROWS_PER_DIMENSION = 2.0  # below that a half has fewer rows than dimensions
NOISE = 2.0  # standard deviations that the second order must exceed to count
REMAINDER = 1.3  # what may remain of the bias, in units of the second order; see `_second_order`


def corrected(pair: Pair, metric: str, level: float, seed: int) -> Finding:
    """The distance less its bias, with an interval; see `metrics/fid.py`."""
    pair.require(metric, LEAST_ROWS, LEAST_ROWS, "with an interval")
    halved, coupling = _coupled(pair, seed)
    if coupling.sides[0].trace <= 0.0:
        raise InputError(
            f"real_{pair.kind} has identical rows only; {metric} needs rows that differ"
        )
    found = frechet_jackknife.jackknife(coupling)
    half = normal_quantile(level) * math.sqrt(found.variance)
    details = {
        "plain": coupling.plain,
        "standard_error": math.sqrt(found.variance),
        "rank": coupling.rank,
    }
    if halved is None:
        finding = _few_rows(pair, coupling, found, half, level, details)
    else:
        finding = _many_rows(coupling, found, half, halved, seed, details)
    if pair.dependent and coupling.plain > finding.high:
        method = f"{finding.method}; rows shared, widened"
        finding = dataclasses.replace(finding, high=coupling.plain, method=method)
    # No distance is negative: samples more alike than independent ones would put all below 0.
    return dataclasses.replace(finding, high=max(finding.high, 0.0))


def plain(
    pair: Pair, metric: str, ddof: int, float32_mean: bool, rows: int | None, seed: int
) -> Finding:
    """The uncorrected distance, as published programs print it: no interval."""
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
    method = "plain, biased upwards; no interval"
    return Finding(value, method, "both populations", details={"plain": value})


def _rows(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Both sides in the precision they came in."""
    assert pair.real is not None
    return pair.real, pair.fake


def _coupled(pair: Pair, seed: int) -> tuple[float | None, Coupling]:
    """The mean plain distance over two random halves, None where they are too small; all rows'."""
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
    """The moments of two random halves that do not depend on the order of the rows."""
    order, middle = shuffled_indices(rows, seed), len(rows) // 2
    return Moments.of(rows, np.sort(order[:middle])), Moments.of(rows, np.sort(order[middle:]))


def _many_rows(
    coupling: Coupling, found: Jackknife, half: float, halved: float, seed: int, details: dict
) -> Finding:
    """The jackknife's value, less the second order of the bias where that stands out of noise.

    With E P_n = theta + a / n + b / n^2 the jackknife J leaves -b / n^2 and the distance of halves,
    P_h - 2 (P - J), leaves nothing. Their difference is noise with light tails and the larger part
    of what J leaves with heavy ones, where the order is n^-p with 1 < p < 2: what then remains is
    at most (2p - 2^p) / (1 + 2^p - 3 p) -> 1.6 times the difference; 0.5 times at p = 3/2.
    """
    bias = coupling.plain - found.value
    second = found.value - (halved - 2.0 * bias)
    noise2 = NOISE**2 * frechet_jackknife.second_order_variance(coupling, seed)
    weight = max(0.0, 1.0 - noise2 / second**2) if second > 0.0 else 0.0
    removed = weight * second
    value = found.value - removed
    method = "exact delete-one jackknife"
    if removed:
        method = "jackknife, second order removed, widened by it"
    return Finding(
        value=value,
        low=value - math.hypot(half, REMAINDER * removed),
        high=value + half,
        method=method,
        target="both populations",
        details=details
        | {"bias": coupling.plain - value, "second_order": second, "regime": "two orders"},
    )


def _few_rows(
    pair: Pair, coupling: Coupling, found: Jackknife, half: float, level: float, details: dict
) -> Finding:
    """The jackknife's value between two one-sided bounds.

    Above: with few rows what the jackknife leaves of the bias is positive, for the plain distance
    rises less than 1/n. Below: |m1 - m2|^2 + (sqrt tr S1 - sqrt tr S2)^2 never exceeds the distance
    (Gelbrich 1990, Mathematische Nachrichten 147, 185-203), and its own bias is known at any n.
    """
    bound, bound_error = frechet.lower_bound(*_rows(pair))
    low = bound - normal_quantile(level) * bound_error
    return Finding(
        value=found.value,
        low=min(low, found.value - half),
        high=found.value + half,
        method="bounds: too few rows for the dimension",
        target="both populations",
        details=details
        | {
            "bias": coupling.plain - found.value,
            "second_order": None,
            "regime": "bounds",
            "rows_for_an_interval": math.ceil(ROWS_PER_DIMENSION * coupling.rank),
        },
    )

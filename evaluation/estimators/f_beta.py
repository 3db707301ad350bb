"""The largest F_beta of precision and recall for distributions (PRD), with its interval.

The fractions p and q in cells and alpha(lambda) are those of `estimators/prd.py`. The number is
F = max_lambda (1 + b) alpha(lambda) / (1 + b lambda) with b = beta^2. As min(x, y) is the least
f y + (1 - f) x over f in [0, 1], it is a minimax,

    F = (1 + b) min_f max(sum_i q_i f_i, sum_i p_i (1 - f_i) / b),

over tests f that separate generated from real rows by their cells. The best test of the sample is
better on the sample than in truth, so the sample's F is too small. A test from other rows is worse
than the best one, so its score is too large on average. An interval joins both.
"""

import dataclasses
import math

import numpy as np

from evaluation.core import validation
from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.errors import InputError
from evaluation.estimators.prd import MOST_ANGLES, MOST_RUNS, prd_curve
from evaluation.statistics.binomial import normal_quantile, wilson
from evaluation.statistics.bins import cell_fractions, cells_of, fit_centres, shuffled

LEAST_ROWS = 60
ROWS_PER_CELL = 10  # counted rows of the smaller side, on average


def max_f_beta(real: np.ndarray, fake: np.ndarray, weight: float) -> tuple[float, float]:
    """Returns the largest F_beta over all lambda, exactly: lambda is then some q_i / p_i.

    Args:
      real: fractions p, float64, shape (K,), sum 1.
      fake: fractions q, float64, shape (K,), sum 1.
      weight: beta^2, > 0.

    Returns:
      (F, lambda), F in [0, 1] but for rounding.
    """
    kinks = fake[real > 0.0] / real[real > 0.0]
    alpha = np.minimum(kinks[:, None] * real, fake).sum(axis=1)
    values = (1.0 + weight) * alpha / (1.0 + weight * kinks)
    best = int(values.argmax())
    return float(values[best]), float(kinks[best])


def best_test(real: np.ndarray, fake: np.ndarray, weight: float) -> np.ndarray:
    """Returns the minimax test: 1 where q / p < lambda, 0 where it is larger, between at equality.

    Args:
      real: fractions p, float64, shape (K,), sum 1.
      fake: fractions q, float64, shape (K,), sum 1.
      weight: beta^2, > 0.

    Returns:
      f, shape (K,), in [0, 1], with sum q f = sum p (1 - f) / weight = F / (1 + weight).
    """
    value, kink = max_f_beta(real, fake, weight)
    ratios = np.divide(fake, real, out=np.full(len(real), np.inf), where=real > 0.0)
    surely = ratios < kink
    tied = ratios == kink
    missing = value / (1.0 + weight) - fake[surely].sum()
    tied_value = missing / fake[tied].sum() if kink > 0.0 else 1.0
    return np.where(surely, 1.0, np.where(tied, min(max(tied_value, 0.0), 1.0), 0.0))


@dataclasses.dataclass(frozen=True)
class Counts:
    """Fractions of the counted rows in each cell, and the test from the rows that place the cells.

    Attributes:
      real: fractions p of the counted real rows, float64, shape (K,).
      fake: fractions q of the counted generated rows, float64, shape (K,).
      n: number of counted real rows.
      m: number of counted generated rows.
      test: the minimax test from the rows that place the cells, shape (K,).
    """

    real: np.ndarray
    fake: np.ndarray
    n: int
    m: int
    test: np.ndarray


def count(pair: Pair, metric: str, clusters: int, weight: float, seed: int) -> Counts:
    """Places cells and counts rows in them.

    A third of the smaller side, and as many rows of the other side, place the cells. The other rows
    are counted.
    """
    pair.require(metric, LEAST_ROWS, LEAST_ROWS, "a third of the rows places the cells")
    rows = [shuffled(x, seed + side) for side, x in enumerate(pair.both)]
    least = min(len(x) for x in rows)
    third = least // 3
    most = min(clusters, (least - third) // ROWS_PER_CELL)
    centres = fit_centres(np.concatenate([x[:third] for x in rows]), most, seed)
    if len(centres) < 2:
        raise InputError(
            f"real_{pair.kind} and fake_{pair.kind} have identical rows only; {metric} needs rows"
            " that differ"
        )
    k = len(centres)
    placing = [cell_fractions(cells_of(x[:third], centres), k) for x in rows]
    p, q = (cell_fractions(cells_of(x[third:], centres), k) for x in rows)
    test = best_test(placing[0], placing[1], weight)
    return Counts(p, q, len(rows[0]) - third, len(rows[1]) - third, test)


def interval(counts: Counts, weight: float, level: float) -> tuple[float, float, float]:
    """Returns an interval for F of the two distributions' fractions in these cells.

    The lower end is the sample's F, which is too small on average, less its error. The upper end
    starts from the larger of two numbers: the sample's F, and the score of `counts.test`. It adds
    the larger of their errors, or uses Wilson's interval for as many effective trials, which
    reaches farther near 0. If no cell holds rows of both sides, `counts.test` bounds F by Wilson's
    limits of its two parts.

    Returns:
      (low, high, standard_error), 0 <= low <= F <= high <= 1.

    Source:
      The errors by the delta method on the minimax (Danskin 1967, The Theory of Max-Min).
    """
    p, q, n, m, test = counts.real, counts.fake, counts.n, counts.m, counts.test
    value, kink = max_f_beta(p, q, weight)
    value = min(value, 1.0)
    odds = 1.0 / (1.0 + weight * kink)  # weight of the first part in the minimax
    scored = (1.0 + weight) * (odds * (q @ test) + (1.0 - odds) * (p @ (1.0 - test)) / weight)
    own, held_out = (_error(counts, f, odds, weight) for f in (best_test(p, q, weight), test))
    if value == 0.0:
        parts = [
            wilson(float(fraction) * size, size, level)[1]
            for fraction, size in ((q @ test, m), (p @ (1.0 - test), n))
        ]
        return 0.0, min((1.0 + weight) * max(parts[0], parts[1] / weight), 1.0), own
    z = normal_quantile(level)
    low = value - z * own if own else wilson(value * min(n, m), min(n, m), level)[0]
    upper, error = max(value, float(scored)), max(own, held_out)
    high = upper + z * error
    if error and upper < 1.0:
        trials = upper * (1.0 - upper) / error**2
        high = max(high, wilson(upper * trials, trials, level)[1])
    return max(low, 0.0), min(high, 1.0), own


def _error(counts: Counts, test: np.ndarray, odds: float, weight: float) -> float:
    """Standard error of odds (1 + b) q.f + (1 - odds) (1 + b) / b p.(1 - f) for a fixed test."""
    variances = [max(float(s @ test**2 - (s @ test) ** 2), 0.0) for s in (counts.fake, counts.real)]
    scales = odds * (1.0 + weight), (1.0 - odds) * (1.0 + weight) / weight
    return math.sqrt(
        scales[0] ** 2 * variances[0] / counts.m + scales[1] ** 2 * variances[1] / counts.n
    )


def f_beta_value(
    pair: Pair,
    metric: str,
    beta: float,
    level: float,
    seed: int,
    estimator: str,
    clusters: int,
    runs: int,
    angles: int,
) -> MetricValue:
    """Returns the largest F_beta as the value of a metric; see `metrics/prd_recall.py`."""
    if estimator not in ("held_out", "published"):
        raise InputError(f"{metric} setting estimator={estimator!r}; use 'held_out' or 'published'")
    validation.check_whole(f"{metric} setting clusters", clusters, 2)
    validation.check_whole(f"{metric} setting runs", runs, 1, MOST_RUNS)
    validation.check_whole(f"{metric} setting angles", angles, 3, MOST_ANGLES)
    if estimator == "published":
        pair.require(metric, clusters, clusters, f"clusters={clusters}")
        curve = prd_curve(pair.real, pair.fake, clusters, angles, runs, seed)
        return MetricValue(
            curve.f_beta(beta),
            method="mean curve over k-means runs; no interval",
            target="both populations",
        )
    counts = count(pair, metric, clusters, beta**2, seed)
    low, high, error = interval(counts, beta**2, level)
    value, kink = max_f_beta(counts.real, counts.fake, beta**2)
    return MetricValue(
        value=min(value, 1.0),
        low=low,
        high=high,
        method="delta method, held-out test above",
        target="both populations",
        details={
            "cells": len(counts.real),
            "lambda": kink,
            "standard_error": error,
            "real_shares": counts.real.tolist(),
            "fake_shares": counts.fake.tolist(),
        },
    )

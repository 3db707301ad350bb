"""Precision and recall for distributions (PRD): how much of one the other covers, at a rate.

From the fractions p of the real and q of the generated rows in cells of the feature space,
alpha(lambda) = sum_i min(lambda p_i, q_i) is a precision and alpha(lambda) / lambda its recall. The
curve over all lambda from 0 to infinity runs from full recall to full precision.

One number from it is max_lambda F_beta, and there F_beta = (1 + b) alpha(lambda) / (1 + b lambda)
with b = beta^2. As min(x, y) is the least f y + (1 - f) x over f in [0, 1], that is a minimax,

    F = (1 + b) min_f max(sum_i q_i f_i, sum_i p_i (1 - f_i) / b),

over tests f that separate generated from real rows by their cells. The best test of the sample is
better on the sample than in truth, so the sample's F is too small. A test from other rows is worse
than the best one, so its score is too large on average. An interval joins both.
"""

import dataclasses
import math
import warnings
from typing import Any

import numpy as np

from evaluation.core import validation
from evaluation.core.arrays import as_rows
from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.errors import InputError
from evaluation.statistics.binomial import normal_quantile, wilson
from evaluation.statistics.bins import cells_of, fit_centres, shuffled

LEAST_ROWS = 60
ROWS_PER_CELL = 10  # counted rows of the smaller side, on average
NEAREST_ANGLE = 1e-10  # from the ends of the curve to 0 and pi / 2, as published
STARTS = 10  # of k-means, as published
MOST_RUNS, MOST_ANGLES = 10_000, 1_000_000
LARGEST_BETA = 1e6


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PRDCurve:
    """Precision against recall at angles from 0 to pi / 2; lambda is the tangent of the angle.

    Attributes:
      precision: alpha(lambda), rising, float64, shape (angles,), in [0, 1].
      recall: alpha(lambda) / lambda, falling, float64, shape (angles,), in [0, 1].
    """

    precision: np.ndarray
    recall: np.ndarray

    def f_beta(self, beta: float = 8.0) -> float:
        """Returns the largest (1 + beta^2) p r / (beta^2 p + r); beta > 1 favours recall.

        Raises:
          InputError: beta is not above 0, or outside [1e-6, 1e6].
        """
        number = validation.check_number("beta", beta)
        if not 1.0 / LARGEST_BETA <= number <= LARGEST_BETA:
            raise InputError(
                f"beta={beta}; it must be above 0, such as 8 or 1/8, and in [1e-06, 1e+06]"
            )
        beta = number
        below = beta**2 * self.precision + self.recall
        product = (1.0 + beta**2) * self.precision * self.recall
        return float(np.divide(product, below, out=np.zeros_like(below), where=below > 0.0).max())

    def __repr__(self) -> str:
        """Returns one line with F_8 and F_1/8."""
        return (
            f"PRDCurve({len(self.precision)} angles, F_8={self.f_beta(8.0):.4f},"
            f" F_1/8={self.f_beta(1.0 / 8.0):.4f})"
        )


def prd_curve(
    real: Any,
    fake: Any,
    clusters: int = 20,
    angles: int = 1001,
    runs: int = 10,
    seed: int = 0,
) -> PRDCurve:
    """Computes the curve of the published program: k-means on all rows, mean over several runs.

    The same rows place the cells and are counted, with few rows in each cell. Both move the curve
    towards the origin: compare curves of equal n only. For numbers with intervals see the metrics
    `prd_recall` and `prd_precision`.

    Args:
      real: array-like, shape (n, d), finite.
      fake: array-like, shape (m, d); min(n, m) random rows of the larger side are used.
      clusters: number of cells, >= 2 and <= 2 min(n, m).
      angles: number of points of the curve, 3 to 1000000.
      runs: number of k-means runs, over which precision and recall are averaged, 1 to 10000.
      seed: seed of the starts of k-means, >= 0.

    Returns:
      The curve.

    Raises:
      InputError: rows that are not tables of numbers or differ in their columns, or a number out of
        range.

    Source:
      Sajjadi et al. 2018, arXiv:1806.00035, section 3.

    Example:
      >>> rng = np.random.default_rng(0)
      >>> curve = prd_curve(rng.uniform(0, 2, (500, 1)), rng.uniform(1, 3, (500, 1)))
      >>> 0.45 < curve.f_beta(8.0) < 0.6, 0.45 < curve.f_beta(1 / 8) < 0.6
      (True, True)
    """
    both = as_rows(real, "real", double=True), as_rows(fake, "fake", double=True)
    if both[0].shape[1] != both[1].shape[1]:
        raise InputError(
            f"real has {both[0].shape[1]} columns and fake {both[1].shape[1]}; they must agree:"
            " take both from the same network and layer"
        )
    most = 2 * min(len(x) for x in both)
    validation.check_whole("clusters", clusters, 2)
    validation.check_whole("angles", angles, 3, MOST_ANGLES)
    validation.check_whole("runs", runs, 1, MOST_RUNS)
    seed = validation.check_whole("seed", seed, 0)
    if clusters > most:
        raise InputError(
            f"clusters={clusters}; with {most} rows it must be at most {most}: lower it or give"
            " more rows"
        )
    rows = [shuffled(x, seed + side)[: most // 2] for side, x in enumerate(both)]
    fractions = [_joint_fractions(rows, clusters, seed + run) for run in range(runs)]
    curves = [_curve(p, q, angles) for p, q in fractions]
    return PRDCurve(
        np.mean([curve.precision for curve in curves], axis=0),
        np.mean([curve.recall for curve in curves], axis=0),
    )


def _curve(real: np.ndarray, fake: np.ndarray, angles: int) -> PRDCurve:
    """Returns the curve of two distributions on the same cells, as fractions of shape (K,)."""
    slopes = np.tan(np.linspace(NEAREST_ANGLE, math.pi / 2.0 - NEAREST_ANGLE, angles))
    precision = np.minimum(slopes[:, None] * real, fake).sum(axis=1)
    return PRDCurve(precision, precision / slopes)


def _joint_fractions(
    rows: list[np.ndarray], clusters: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns both samples' fractions in cells that mini-batch k-means places in all rows."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    fit = MiniBatchKMeans(
        n_clusters=clusters, n_init=STARTS, random_state=np.random.RandomState(seed % 2**32)
    )
    pooled = np.concatenate(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than cells
        labels = fit.fit(pooled - pooled.mean(axis=0)).labels_
    p, q = (_cell_fractions(part, clusters) for part in np.split(labels, 2))
    return p, q


def _cell_fractions(cells: np.ndarray, count: int) -> np.ndarray:
    """Returns the fraction of the rows in each cell, shape (count,)."""
    return np.bincount(cells, minlength=count) / len(cells)


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
    placing = [_cell_fractions(cells_of(x[:third], centres), k) for x in rows]
    p, q = (_cell_fractions(cells_of(x[third:], centres), k) for x in rows)
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
            curve.f_beta(beta), "mean curve over k-means runs; no interval", "both populations"
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

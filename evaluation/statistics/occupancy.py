"""Variance of a mean over overlapping balls that contain random points."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from evaluation.statistics.binomial import normal_quantile, wilson

ORDERS = 3


def occupancy_variance(
    counts: np.ndarray, members: np.ndarray, points: int, weight: Sequence[float] = (0.0, 1.0)
) -> tuple[float, float]:
    """Variance of the mean of weight(points in the ball) over fixed balls, from one sample.

    The balls overlap, so their counts are neither independent nor binomial. By Hoeffding's
    decomposition the variance is the alternating series J1 - J2 + J3 - ... J_s sums, over all sets
    of s points, the square of the mean's mixed difference: for each ball that contains them all,
    sum_a (-1)^a binom(s, a) weight(count - a). J1, centred, is the delete-one jackknife, which is
    too large (Efron and Stein). The series may diverge, so Euler's transformation sums its first
    three terms: 7/8 J1 - 1/2 J2 + 1/8 J3. If a few points lie in many balls (hubs, in high
    dimensions), J1 dominates and J1 - 1/2 J2 is closer. The result is the larger of the two, at
    least a third of J1. One ball's weight is added, so that the variance is not 0 for a sample
    without rare hits.

    Args:
      counts: points in each ball, int, shape (balls,); counts above the width of `members` may be
        cut to that width.
      members: the points of each ball, nearest first, int, shape (balls, width); entries beyond a
        ball's count are ignored. The width is at least len(weight) + 2, or all points, or, if no
        count is cut, len(weight) + 1.
      points: number of points.
      weight: weights of balls with 0, 1, 2, ... points; the last weight holds for all larger
        counts. The default gives the fraction of balls that contain a point.

    Returns:
      The variance, > 0, and its degrees of freedom, >= 2: (sum of squares)^2 / sum of fourth
      powers of each point's part of J1; small if few points dominate. This is half of
      Satterthwaite's number, because near points share balls and are not independent.

    Source:
      Efron & Stein 1981, Annals of Statistics 9(3), 586-596, for J1; Satterthwaite 1946, Biometrics
      Bulletin 2(6), 110-114, for the degrees of freedom. The rest is derived from the
      decomposition and checked by simulation in docs/coverage.md.
    """
    balls, top = len(counts), len(weight) - 1
    weight_by_count = np.array([*weight] + [weight[-1]] * ORDERS)  # constant beyond `top`
    terms: list[float] = []
    sums, fourth = 0.0, 0.0
    for order in range(1, ORDERS + 1):
        signs = [(-1) ** a * math.comb(order, a) for a in range(order + 1)]
        sets, weights = [np.empty((0, order), dtype=np.int64)], [np.empty(0)]
        for count in range(order, min(top + order - 1, members.shape[1]) + 1):
            change = float(np.dot(signs, weight_by_count[count - np.arange(order + 1)]))
            full = np.flatnonzero(counts == count)
            if change == 0.0 or not len(full):
                continue
            for chosen in itertools.combinations(range(count), order):
                sets.append(np.sort(members[full][:, chosen], axis=1))
                weights.append(np.full(len(full), change / balls))
        of_sets = np.concatenate(weights)
        _, set_index = np.unique(np.concatenate(sets), axis=0, return_inverse=True)
        total = np.bincount(set_index.ravel(), weights=of_sets)
        terms.append(float(np.square(total).sum()))
        if order == 1:
            sums, fourth = float(of_sets.sum()), float((total**4).sum())
    one = 1.0 / balls**2
    freedom = max(2.0, (terms[0] + one) ** 2 / (fourth + one**2))
    jackknife = terms[0] - sums**2 / points
    euler = 0.875 * jackknife - 0.5 * terms[1] + 0.125 * terms[2]
    return max(euler, jackknife - 0.5 * terms[1], jackknife / 3.0) + one, freedom


def effective_trials(fraction: float, variance: float, balls: int) -> float:
    """Number of independent trials with the same variance: p (1 - p) / variance, >= 1.

    If the fraction is 0 or 1, Agresti and Coull's two successes and two failures are added first.
    """
    inside = fraction if 0.0 < fraction < 1.0 else (fraction * balls + 2.0) / (balls + 4.0)
    return max(1.0, inside * (1.0 - inside) / variance)


def occupancy_interval(
    fraction: float, variance: float, freedom: float, balls: int, level: float
) -> tuple[float, float]:
    """Wilson's interval with `effective_trials`, and Student's quantile instead of the normal.

    Args:
      fraction: the mean weight, in [0, 1].
      variance: variance of the mean weight, from `occupancy_variance`.
      freedom: degrees of freedom of the variance.
      balls: number of balls.
      level: confidence level in (0, 1).

    Returns:
      (low, high) with 0 <= low <= fraction <= high <= 1.
    """
    wider = float(stats.t.ppf(0.5 + level / 2.0, freedom)) / normal_quantile(level)
    trials = effective_trials(fraction, variance, balls) / wider**2
    low, high = wilson(fraction * trials, trials, level)
    return min(low, fraction), max(high, fraction)

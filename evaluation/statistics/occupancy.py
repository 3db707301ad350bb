"""Variance of an average over overlapping balls of how many random points each of them holds."""

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

    The balls overlap, so what they hold is neither independent nor binomial. By Hoeffding's
    decomposition the variance is the alternating series J1 - J2 + J3 - ..., where J_s sums, over
    all sets of s points, the square of the mean's mixed difference: for each ball that holds them
    all, sum_a (-1)^a binom(s, a) weight(count - a). J1, centred, is the delete-one jackknife, which
    is too large (Efron and Stein). The series need not converge term by term, so Euler's
    transformation sums its first three terms, 7/8 J1 - 1/2 J2 + 1/8 J3. Where a few points lie in
    many balls (hubs, in high dimensions) J1 dominates and J1 - 1/2 J2 is nearer; the larger of the
    two is taken, and never less than a third of J1. One ball's weight is added, so that a sample
    without rare hits is not taken for certainty.

    Args:
      counts: points in each ball, int, shape (balls,); those above the width of `members` may be
        counted as that width.
      members: the points of each ball, nearest first, int, shape (balls, width); beyond its count
        a row may hold anything. The width is at least len(weight) + 2, or all points, or with true
        counts len(weight) + 1.
      points: number of points.
      weight: of a ball with 0, 1, 2, ... points; the last one for all larger counts, too. The
        default asks for the share of balls that are hit.

    Returns:
      The variance, > 0, and its degrees of freedom, >= 2, few where few points decide: (sum of
      squares)^2 / sum of fourth powers of what each point adds to J1. That is half of
      Satterthwaite's number, as near points share their balls and so are not independent.

    Source:
      Efron & Stein 1981, Annals of Statistics 9(3), 586-596, for J1; Satterthwaite 1946, Biometrics
      Bulletin 2(6), 110-114, for the degrees of freedom; the rest is derived from the
      decomposition and checked by simulation in docs/coverage.md.
    """
    balls, top = len(counts), len(weight) - 1
    of = np.array([*weight] + [weight[-1]] * ORDERS)  # nothing changes beyond top + order - 1
    terms: list[float] = []
    sums, fourth = 0.0, 0.0
    for order in range(1, ORDERS + 1):
        signs = [(-1) ** a * math.comb(order, a) for a in range(order + 1)]
        sets, weights = [np.empty((0, order), dtype=np.int64)], [np.empty(0)]
        for count in range(order, min(top + order - 1, members.shape[1]) + 1):
            change = float(np.dot(signs, of[count - np.arange(order + 1)]))
            held = np.flatnonzero(counts == count)
            if change == 0.0 or not len(held):
                continue
            for chosen in itertools.combinations(range(count), order):
                sets.append(np.sort(members[held][:, chosen], axis=1))
                weights.append(np.full(len(held), change / balls))
        weight = np.concatenate(weights)
        _, which = np.unique(np.concatenate(sets), axis=0, return_inverse=True)
        total = np.bincount(which.ravel(), weights=weight)
        terms.append(float(np.square(total).sum()))
        if order == 1:
            sums, fourth = float(weight.sum()), float((total**4).sum())
    one = 1.0 / balls**2
    freedom = max(2.0, (terms[0] + one) ** 2 / (fourth + one**2))
    jackknife = terms[0] - sums**2 / points
    euler = 0.875 * jackknife - 0.5 * terms[1] + 0.125 * terms[2]
    return max(euler, jackknife - 0.5 * terms[1], jackknife / 3.0) + one, freedom


def effective_trials(share: float, variance: float, balls: int) -> float:
    """Independent trials whose share would have this variance: p (1 - p) / variance, >= 1.

    At 0 or 1 the share is first moved inside by Agresti and Coull's two successes and failures.
    """
    inside = share if 0.0 < share < 1.0 else (share * balls + 2.0) / (balls + 4.0)
    return max(1.0, inside * (1.0 - inside) / variance)


def occupancy_interval(
    share: float, variance: float, freedom: float, balls: int, level: float
) -> tuple[float, float]:
    """Wilson's interval with the effective trials, and Student's quantile in place of the normal.

    Args:
      share: the mean weight, in [0, 1].
      variance: of it, from `occupancy_variance`.
      freedom: degrees of freedom of that.
      balls: number of balls.
      level: confidence level in (0, 1).

    Returns:
      (low, high) with 0 <= low <= share <= high <= 1.
    """
    wider = float(stats.t.ppf(0.5 + level / 2.0, freedom)) / normal_quantile(level)
    trials = effective_trials(share, variance, balls) / wider**2
    low, high = wilson(share * trials, trials, level)
    return min(low, share), max(high, share)

"""Variance of the share of overlapping balls that at least one random point hits."""

import numpy as np


def occupancy_variance(per_ball: np.ndarray, members: np.ndarray, points: int) -> float:
    """Variance of the share of fixed balls hit by independent points, from one sample of points.

    The balls overlap, so hits are neither independent nor binomial. By Hoeffding's decomposition
    the variance is the alternating series J1 - J2 + J3 - ..., where J_s sums the squared mixed
    differences of the share over all sets of s points: for s points that is the share of balls that
    hold exactly those points. J1, centred, is the delete-one jackknife, which is too large (Efron
    and Stein). The series need not converge term by term, so Euler's transformation sums its first
    three terms, 7/8 J1 - 1/2 J2 + 1/8 J3. Where a few points lie in many balls (hubs, in high
    dimensions) J1 dominates and J1 - 1/2 J2 is nearer; the larger of the two is taken, and never
    less than a third of J1. One ball's worth is added, so that a sample without rare hits is not
    taken for certainty.

    Args:
      per_ball: points in each ball, int, shape (balls,).
      members: which ones, where at most three, int, shape (balls, 3).
      points: number of points.

    Returns:
      The variance, > 0.

    Source:
      Efron & Stein 1981, Annals of Statistics 9(3), 586-596, for J1; the rest is derived from the
      decomposition and checked by simulation in docs/coverage.md.
    """
    balls = len(per_ball)
    terms = []
    for size in (1, 2, 3):
        _, repeats = np.unique(members[per_ball == size][:, :size], axis=0, return_counts=True)
        terms.append(float(np.square(repeats / balls).sum()))
    jackknife = terms[0] - float(np.mean(per_ball == 1)) ** 2 / points
    euler = 0.875 * jackknife - 0.5 * terms[1] + 0.125 * terms[2]
    return max(euler, jackknife - 0.5 * terms[1], jackknife / 3.0) + 1.0 / balls**2


def effective_trials(share: float, variance: float, balls: int) -> float:
    """Independent trials whose share would have this variance: p (1 - p) / variance, >= 1.

    At 0 or 1 the share is first moved inside by Agresti and Coull's two successes and failures.
    """
    inside = share if 0.0 < share < 1.0 else (share * balls + 2.0) / (balls + 4.0)
    return max(1.0, inside * (1.0 - inside) / variance)

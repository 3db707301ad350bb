"""Intervals for a fraction of independent successes and for a count; tests of equal fractions."""

import math

import numpy as np
from scipy import stats


def normal_quantile(level: float) -> float:
    """Returns z with P(|Z| <= z) = level for a standard normal Z."""
    return float(stats.norm.ppf(0.5 + level / 2.0))


def wilson(successes: float, trials: float, level: float) -> tuple[float, float]:
    """Wilson's score interval, (p + z^2/2n -+ z sqrt(p (1 - p) / n + z^2/4n^2)) / (1 + z^2/n).

    Args:
      successes: 0 <= successes <= trials; may be fractional (an effective count).
      trials: > 0.
      level: confidence level in (0, 1).

    Returns:
      (low, high) with 0 <= low <= successes / trials <= high <= 1.

    Source:
      Wilson 1927, JASA 22(158), 209-212.
    """
    z2 = normal_quantile(level) ** 2
    fraction = successes / trials
    centre = (successes + z2 / 2.0) / (trials + z2)
    half = math.sqrt(z2 * (trials * fraction * (1.0 - fraction) + z2 / 4.0)) / (trials + z2)
    low = 0.0 if fraction == 0.0 else min(centre - half, fraction)
    high = 1.0 if fraction == 1.0 else max(centre + half, fraction)
    return low, high


def clopper_pearson(successes: int, trials: int, error: float) -> tuple[float, float]:
    """Exact bounds; each misses the true fraction with probability at most `error`.

    Args:
      successes: 0 <= successes <= trials, whole.
      trials: > 0.
      error: one-sided error of each bound, in (0, 1/2).

    Returns:
      (low, high), 0 <= low <= successes / trials <= high <= 1.

    Source:
      Clopper & Pearson 1934, Biometrika 26(4), 404-413.
    """
    failures = trials - successes
    low = float(stats.beta.ppf(error, successes, failures + 1)) if successes else 0.0
    high = float(stats.beta.ppf(1.0 - error, successes + 1, failures)) if failures else 1.0
    return low, high


def garwood(count: float, level: float) -> tuple[float, float]:
    """Exact interval for the mean of a Poisson count: gamma quantiles at count and count + 1.

    Args:
      count: >= 0; may be fractional (an effective count).
      level: confidence level in (0, 1).

    Returns:
      (low, high) with 0 <= low <= count <= high.

    Source:
      Garwood 1936, Biometrika 28(3/4), 437-442.
    """
    error = (1.0 - level) / 2.0
    low = float(stats.gamma.ppf(error, count)) if count else 0.0
    return low, float(stats.gamma.ppf(1.0 - error, count + 1.0))


def equal_share_p_values(a: np.ndarray, trials_a: int, b: np.ndarray, trials_b: int) -> np.ndarray:
    """Two-sided p-values of "a and b have equal fractions", one for each pair of counts.

    Uses the pooled z test of two proportions, or Fisher's exact test if an expected count is
    below 5.

    Args:
      a: counts, int, shape (K,), each <= trials_a.
      trials_a: > 0.
      b: counts, int, shape (K,), each <= trials_b.
      trials_b: > 0.

    Returns:
      float64, shape (K,), in [0, 1]; 1 where both counts are 0.

    Source:
      Richardson & Weiss 2018, arXiv:1805.12462, for z; Fisher 1935.
    """
    pooled = (a + b) / (trials_a + trials_b)
    spread = np.sqrt(pooled * (1.0 - pooled) * (1.0 / trials_a + 1.0 / trials_b))
    gap = np.abs(a / trials_a - b / trials_b)
    p_values = 2.0 * stats.norm.sf(np.divide(gap, spread, out=np.zeros(len(a)), where=spread > 0.0))
    least = min(trials_a, trials_b) * np.minimum(pooled, 1.0 - pooled)
    for k in np.flatnonzero((least < 5.0) & (spread > 0.0)):
        table = [[a[k], trials_a - a[k]], [b[k], trials_b - b[k]]]
        p_values[k] = min(1.0, float(stats.fisher_exact(table).pvalue))
    return p_values

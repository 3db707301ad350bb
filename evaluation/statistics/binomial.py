"""Intervals for a share of independent successes."""

import math

from scipy import stats


def normal_quantile(level: float) -> float:
    """Z with P(|Z| <= z) = level for a standard normal Z."""
    return float(stats.norm.ppf(0.5 + level / 2.0))


def wilson(successes: float, trials: float, level: float) -> tuple[float, float]:
    """Wilson's score interval, (p + z^2/2n -+ z sqrt(p (1 - p) / n + z^2/4n^2)) / (1 + z^2/n).

    Args:
      successes: 0 <= successes <= trials; need not be whole (an effective count).
      trials: > 0.
      level: confidence level in (0, 1).

    Returns:
      (low, high) with 0 <= low <= successes / trials <= high <= 1.

    Source:
      Wilson 1927, JASA 22(158), 209-212.
    """
    z2 = normal_quantile(level) ** 2
    share = successes / trials
    centre = (successes + z2 / 2.0) / (trials + z2)
    half = math.sqrt(z2 * (trials * share * (1.0 - share) + z2 / 4.0)) / (trials + z2)
    low = 0.0 if share == 0.0 else min(centre - half, share)
    high = 1.0 if share == 1.0 else max(centre + half, share)
    return low, high


def clopper_pearson(successes: int, trials: int, error: float) -> tuple[float, float]:
    """Exact bounds, each of which misses the true share with probability at most `error`.

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

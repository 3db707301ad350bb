"""Interval for a median of independent numbers, of any law."""

import math

import numpy as np
from scipy import stats


def median_rows(level: float) -> int:
    """The least number of rows whose extremes hold the median with probability `level`."""
    return math.ceil(1.0 - math.log2(1.0 - level))


def median_interval(values: np.ndarray, level: float) -> tuple[float, float]:
    """Order statistics that hold the median: how many values lie below it is binomial(n, 1/2).

    Args:
      values: shape (n,), n >= `median_rows(level)`, independent and identically distributed; they
        may be infinite.
      level: confidence level in (0, 1).

    Returns:
      (low, high), which hold the median at least as often as `level` says, whatever the law.

    Source:
      David & Nagaraja 2003, Order Statistics, section 7.1.
    """
    ascending = np.sort(values)
    n = len(ascending)
    out = int(stats.binom.ppf((1.0 - level) / 2.0, n, 0.5))  # P(fewer below) <= (1 - level) / 2
    if stats.binom.cdf(out - 1, n, 0.5) > (1.0 - level) / 2.0:
        out -= 1
    out = max(out, 1)
    return float(ascending[out - 1]), float(ascending[n - out])

"""Distribution-free interval for a median of independent values."""

import math

import numpy as np
from scipy import stats


def median_rows(level: float) -> int:
    """Least number of rows whose range contains the median with probability `level`."""
    return math.ceil(1.0 - math.log2(1.0 - level))


def median_interval(values: np.ndarray, level: float) -> tuple[float, float]:
    """Interval between two order statistics.

    The number of values below the median is binomial(n, 1/2).

    Args:
      values: shape (n,), n >= `median_rows(level)`, independent and identically distributed; they
        may be infinite.
      level: confidence level in (0, 1).

    Returns:
      (low, high); they contain the median with probability at least `level`, for any distribution.

    Source:
      David & Nagaraja 2003, Order Statistics, section 7.1.
    """
    ascending = np.sort(values)
    n = len(ascending)
    rank = int(stats.binom.ppf((1.0 - level) / 2.0, n, 0.5))  # P(fewer below) <= (1 - level) / 2
    if stats.binom.cdf(rank - 1, n, 0.5) > (1.0 - level) / 2.0:
        rank -= 1
    rank = max(rank, 1)
    return float(ascending[rank - 1]), float(ascending[n - rank])

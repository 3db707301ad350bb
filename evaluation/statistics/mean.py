"""Interval for a mean of independent, bounded values."""

import math

import numpy as np
from scipy import stats


def mean_interval(
    values: np.ndarray, level: float, floor: float, ceiling: float
) -> tuple[float, float, float]:
    """Student's t interval, widened for skewed values, and bounds if all values are equal.

    If the values have a long right tail, the upper end of the t interval is too low. Hall's cubic
    transformation corrects for the skewness. Each end is the outer one of the two intervals.

    If all values are equal, the t interval has no width. But a fraction q of the population with
    (1 - q)^n >= (1 - level) / 2 may differ, and can shift the mean towards `floor` or `ceiling`.

    Args:
      values: float, shape (n,), n >= 2, independent and identically distributed.
      level: confidence level in (0, 1).
      floor: least possible value.
      ceiling: greatest possible value.

    Returns:
      (low, high, standard_error), low <= mean <= high.

    Source:
      Hall 1992, Journal of the Royal Statistical Society B 54(1), 221-228.
    """
    n, mean = len(values), float(values.mean())
    if values.min() == values.max():
        unseen = 1.0 - ((1.0 - level) / 2.0) ** (1.0 / n)
        return mean - unseen * (mean - floor), mean + unseen * (ceiling - mean), 0.0
    error = float(values.std(ddof=1)) / math.sqrt(n)
    quantile = float(stats.t.ppf(0.5 + level / 2.0, n - 1))
    skewness = float(stats.skew(values)) / math.sqrt(n)
    low, high = (mean - error * _untransformed(q, skewness) for q in (quantile, -quantile))
    return min(low, mean - quantile * error), max(high, mean + quantile * error), error


def _untransformed(quantile: float, skewness: float) -> float:
    """Solves T + g T^2 / 3 + g^2 T^3 / 27 + g / 6 = quantile for T; g is skewness / sqrt(n)."""
    if abs(skewness) < 1e-6:
        return quantile
    return 3.0 * (math.cbrt(1.0 + skewness * (quantile - skewness / 6.0)) - 1.0) / skewness

"""Interval for a mean of independent, bounded numbers."""

import math

import numpy as np
from scipy import stats


def mean_interval(
    values: np.ndarray, level: float, floor: float, ceiling: float
) -> tuple[float, float, float]:
    """Student's t interval; where all values agree, the exact bound on what was never seen.

    With no spread in the sample the t interval has no width, yet a part q of the population with
    (1 - q)^n >= (1 - level) / 2 may differ; it can move the mean as far as `floor` or `ceiling`.

    Args:
      values: float, shape (n,), n >= 2, independent and identically distributed.
      level: confidence level in (0, 1).
      floor: the least value possible.
      ceiling: the greatest value possible.

    Returns:
      (low, high, standard_error).
    """
    n, mean = len(values), float(values.mean())
    if values.min() == values.max():
        unseen = 1.0 - ((1.0 - level) / 2.0) ** (1.0 / n)
        return mean - unseen * (mean - floor), mean + unseen * (ceiling - mean), 0.0
    error = float(values.std(ddof=1)) / math.sqrt(n)
    half = float(stats.t.ppf(0.5 + level / 2.0, n - 1)) * error
    return mean - half, mean + half, error

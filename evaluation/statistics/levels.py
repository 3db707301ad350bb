"""Compares p-values with a confidence level, robust to the rounding of 1 - level."""

import math

import numpy as np


def error_rate(level: float) -> float:
    """Returns 1 - level, rounded up by a few units in the last place; at least 0.1 for 0.9."""
    return 1.0 - level + 4.0 * math.ulp(level)


def rejects(p_values: float | np.ndarray, level: float) -> np.ndarray:
    """Returns whether each p-value is at most 1 - level.

    Args:
      p_values: any shape, in [0, 1].
      level: confidence level in (0, 1).

    Returns:
      bool, same shape as `p_values`.

    Example:
      >>> 0.1 <= 1.0 - 0.9, bool(rejects(0.1, 0.9))
      (False, True)
    """
    return np.asarray(p_values) <= error_rate(level)


def least_permutations(level: float) -> int:
    """Returns the fewest permutations that can reject: 1 / (1 + permutations) <= 1 - level.

    Example:
      >>> least_permutations(0.95), least_permutations(0.9999)
      (19, 9999)
    """
    return math.ceil(1.0 / error_rate(level)) - 1

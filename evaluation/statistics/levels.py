"""A p-value against a confidence level, whatever floats make of 1 - level."""

import math

import numpy as np


def error_rate(level: float) -> float:
    """1 - level, and a few units in the last place of `level`: of 0.9 it is no less than 0.1."""
    return 1.0 - level + 4.0 * math.ulp(level)


def rejects(p_values: float | np.ndarray, level: float) -> np.ndarray:
    """Whether each p-value is at most 1 - level.

    Args:
      p_values: in [0, 1], of any shape.
      level: confidence level in (0, 1).

    Returns:
      bool, of that shape.

    Example:
      >>> 0.1 <= 1.0 - 0.9, bool(rejects(0.1, 0.9))
      (False, True)
    """
    return np.asarray(p_values) <= error_rate(level)


def least_permutations(level: float) -> int:
    """The fewest permutations whose smallest p-value, 1 / (1 + permutations), rejects at `level`.

    Example:
      >>> least_permutations(0.95), least_permutations(0.9999)
      (19, 9999)
    """
    return math.ceil(1.0 / error_rate(level)) - 1

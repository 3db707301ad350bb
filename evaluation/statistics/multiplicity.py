"""Adjusted p-values of several tests.

Holm's p-values control the chance of any false rejection. Benjamini and Hochberg's control the
expected fraction of false rejections.
"""

from typing import Any

import numpy as np

from evaluation.errors import InputError


def holm(p_values: Any) -> np.ndarray:
    """Holm's step-down p-values, max_{j <= i} min(1, (K - j + 1) p_(j)) in ascending order.

    If all tests with an adjusted p-value <= a are rejected, the chance of any false rejection is at
    most a, also for dependent tests.

    Args:
      p_values: array-like, shape (K,), in [0, 1].

    Returns:
      float64, shape (K,), in the order of `p_values`; never below them.

    Raises:
      InputError: not one-dimensional, nan, or outside [0, 1].

    Source:
      Holm 1979, Scandinavian Journal of Statistics 6(2), 65-70.

    Example:
      >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
      [0.03, 0.06, 0.06]
    """
    values = _checked(p_values)
    order = np.argsort(values, kind="stable")
    steps = np.arange(len(values), 0, -1) * values[order]
    return _unsorted(np.minimum(np.maximum.accumulate(steps), 1.0), order)


def benjamini_hochberg(p_values: Any) -> np.ndarray:
    """Benjamini and Hochberg's step-up p-values, min_{j >= i} min(1, K p_(j) / j), ascending.

    If all tests with an adjusted p-value <= a are rejected, the expected fraction of false
    rejections is at most a, for independent or positively dependent tests.

    Args:
      p_values: array-like, shape (K,), in [0, 1].

    Returns:
      float64, shape (K,), in the order of `p_values`; never below them, never above Holm's.

    Raises:
      InputError: not one-dimensional, nan, or outside [0, 1].

    Source:
      Benjamini & Hochberg 1995, Journal of the Royal Statistical Society B 57(1), 289-300.

    Example:
      >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(3).tolist()
      [0.03, 0.04, 0.04]
    """
    values = _checked(p_values)
    order = np.argsort(values, kind="stable")
    steps = values[order] * (len(values) / np.arange(1, len(values) + 1))
    smallest = np.minimum.accumulate(steps[::-1])[::-1]
    return _unsorted(np.minimum(smallest, 1.0), order)


def _checked(p_values: Any) -> np.ndarray:
    """Returns the p-values in float64, or raises InputError."""
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1:
        raise InputError(f"p_values has shape {values.shape}; it must be (tests,): flatten it")
    bad = np.flatnonzero(~((values >= 0.0) & (values <= 1.0)))
    if bad.size:
        raise InputError(
            f"p_values[{bad[0]}] is {values[bad[0]]}; each must lie in [0, 1]: leave out tests"
            " without a p-value"
        )
    return values


def _unsorted(ascending: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Undoes the sort by `order`."""
    answer = np.empty_like(ascending)
    answer[order] = ascending
    return answer

"""P-values of many tests at once, adjusted so that they can be compared with one error rate.

Holm's say which findings are sure: the chance that a single one is false stays below the rate.
Benjamini and Hochberg's say where to look: of what they name, the rate is false on average.
"""

from typing import Any

import numpy as np

from evaluation.errors import InputError


def holm(p_values: Any) -> np.ndarray:
    """Holm's step-down p-values, max_{j <= i} min(1, (K - j + 1) p_(j)) in ascending order.

    Rejecting what lies at or below a keeps the chance of any false rejection at most a, whatever
    the dependence of the tests.

    Args:
      p_values: array-like, shape (K,), in [0, 1].

    Returns:
      float64, shape (K,), in the order given; never below `p_values`.

    Raises:
      InputError: not one-dimensional, nan, or outside [0, 1].

    Source:
      Holm 1979, Scandinavian Journal of Statistics 6(2), 65-70.

    Example:
      >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
      [0.03, 0.06, 0.06]
    """
    given = _checked(p_values)
    order = np.argsort(given, kind="stable")
    steps = np.arange(len(given), 0, -1) * given[order]
    return _back(np.minimum(np.maximum.accumulate(steps), 1.0), order)


def benjamini_hochberg(p_values: Any) -> np.ndarray:
    """Benjamini and Hochberg's step-up p-values, min_{j >= i} min(1, K p_(j) / j), ascending.

    Rejecting what lies at or below a keeps the expected share of false rejections at most a for
    independent or positively dependent tests.

    Args:
      p_values: array-like, shape (K,), in [0, 1].

    Returns:
      float64, shape (K,), in the order given; never below `p_values`, never above Holm's.

    Raises:
      InputError: not one-dimensional, nan, or outside [0, 1].

    Source:
      Benjamini & Hochberg 1995, Journal of the Royal Statistical Society B 57(1), 289-300.

    Example:
      >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(3).tolist()
      [0.03, 0.04, 0.04]
    """
    given = _checked(p_values)
    order = np.argsort(given, kind="stable")
    steps = given[order] * (len(given) / np.arange(1, len(given) + 1))
    smallest = np.minimum.accumulate(steps[::-1])[::-1]
    return _back(np.minimum(smallest, 1.0), order)


def _checked(p_values: Any) -> np.ndarray:
    """The p-values in float64."""
    given = np.asarray(p_values, dtype=np.float64)
    if given.ndim != 1:
        raise InputError(f"p_values has shape {given.shape}; it must be (tests,): flatten it")
    bad = np.flatnonzero(~((given >= 0.0) & (given <= 1.0)))
    if bad.size:
        raise InputError(
            f"p_values[{bad[0]}] is {given[bad[0]]}; each must lie in [0, 1]: leave out tests"
            " that gave none"
        )
    return given


def _back(ascending: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Values of sorted tests in the order in which the tests were given."""
    answer = np.empty_like(ascending)
    answer[order] = ascending
    return answer

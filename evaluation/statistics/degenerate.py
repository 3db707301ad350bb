"""Standard error of a distance that also holds where the two laws are equal."""

import math


def total_standard_error(first: float, second: float) -> float:
    """Square root of max(V1 - V2, V2) for a statistic with a linear and a quadratic part.

    Near equal laws the linear part vanishes and the quadratic part, with variance V2, is all there
    is. The usual estimate V1 of the linear part's variance uses fitted influence functions, whose
    own noise adds 2 V2 on average, so V1 - V2 estimates the sum of both variances; V2 is its floor.

    Args:
      first: estimated variance of the linear part, V1 >= 0.
      second: estimated variance of the quadratic part, V2 >= 0.

    Returns:
      The standard error, >= 0.
    """
    return math.sqrt(max(first - second, second))

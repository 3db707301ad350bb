"""Standard errors and intervals of distances that also hold where the two laws are equal."""

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


def interval(
    value: float, estimated: float, second: float, plain: float, critical: float
) -> tuple[float, float]:
    """Of a distance: value - z SE, and `upper_end`."""
    error = total_standard_error(estimated, second)
    return value - critical * error, upper_end(value, error, estimated, second, plain, critical)


def upper_end(
    value: float, error: float, estimated: float, second: float, plain: float, critical: float
) -> float:
    """The distance theta below which `value` would be too small.

    The linear part's variance grows with the distance, V1 = c theta, so that a small value comes
    with a small variance, and value + z SE lies too low. The score interval solves

        value = theta - z sqrt(V2 + c theta) + (z^2 - 1) / 6 k3 / k2,

    whose last term is Cornish and Fisher's for a third cumulant k3: as a sum of squares the
    distance has k3 / k2 = 3/2 c in its linear part and c in its quadratic part; the mean of both is
    taken. Where the value is lost in noise, c is taken from all that the rows show, bias and noise
    included.

    Args:
      value: T, the distance without its bias.
      error: its standard error.
      estimated: V1 + 2 V2, the estimated variance of the linear part with its own noise.
      second: V2, that of the quadratic part.
      plain: the distance with its bias.
      critical: z.

    Returns:
      At least `value`.

    Source:
      Wilson 1927, Journal of the American Statistical Association 22, 209-212, for score intervals;
      Cornish & Fisher 1938, Revue de l'Institut International de Statistique 5(4), 307-320.
    """
    if estimated <= 0.0:
        return value
    slope = max(estimated - 2.0 * second, 0.0) / max(value, critical * math.sqrt(estimated))
    if seen := max(plain, math.sqrt(second)):  # of copies, plain alone would be 0
        slope = max(slope, estimated / seen)
    skew = max(critical**2 - 1.0, 0.0) / 6.0 * 1.25 * slope
    shift = 0.5 * critical**2 * slope
    half2 = max(critical**2 * (error**2 - slope * skew), 0.0)
    return max(value, value - skew + shift + math.sqrt(half2 + shift**2))

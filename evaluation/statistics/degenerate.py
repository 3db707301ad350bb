"""Standard errors and intervals of distances, valid also if the two distributions are equal."""

import math


def total_standard_error(first: float, second: float) -> float:
    """Square root of max(V1 - V2, V2) for a statistic with a linear and a quadratic part.

    For nearly equal distributions the linear part vanishes and only the quadratic part, with
    variance V2, remains. The usual estimate V1 of the linear part's variance uses fitted influence
    functions. Their noise adds 2 V2 on average, so V1 - V2 estimates the sum of both variances.
    The estimate is never below V2.

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
    """Interval of a distance, from value - z SE to `upper_end`."""
    error = total_standard_error(estimated, second)
    return value - critical * error, upper_end(value, error, estimated, second, plain, critical)


def upper_end(
    value: float, error: float, estimated: float, second: float, plain: float, critical: float
) -> float:
    """Upper end of a distance's score interval: the largest theta that `value` does not reject.

    The linear part's variance grows with the distance, V1 = c theta. A small value therefore has a
    small estimated variance, and value + z SE is too low. The score interval solves

        value = theta - z sqrt(V2 + c theta) + (z^2 - 1) / 6 k3 / k2,

    The last term is the Cornish-Fisher correction for a third cumulant k3. The distance is a sum of
    squares: k3 / k2 = 3/2 c for its linear part and c for its quadratic part; the mean of both is
    used. If the value is small against its noise, c is estimated with the bias and the noise
    included.

    Args:
      value: T, the bias-corrected distance.
      error: standard error of `value`.
      estimated: V1 + 2 V2, the estimated variance of the linear part, noise included.
      second: V2, the variance of the quadratic part.
      plain: the uncorrected distance.
      critical: z, a normal quantile.

    Returns:
      The upper end, >= `value`.

    Source:
      Wilson 1927, Journal of the American Statistical Association 22, 209-212, for score intervals;
      Cornish & Fisher 1938, Revue de l'Institut International de Statistique 5(4), 307-320.
    """
    if estimated <= 0.0:
        return value
    slope = max(estimated - 2.0 * second, 0.0) / max(value, critical * math.sqrt(estimated))
    if observed := max(plain, math.sqrt(second)):  # for copies, plain alone would be 0
        slope = max(slope, estimated / observed)
    skew = max(critical**2 - 1.0, 0.0) / 6.0 * 1.25 * slope
    shift = 0.5 * critical**2 * slope
    half2 = max(critical**2 * (error**2 - slope * skew), 0.0)
    return max(value, value - skew + shift + math.sqrt(half2 + shift**2))

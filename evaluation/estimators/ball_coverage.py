"""The fraction of balls with enough rows of the other side: for coverage, P-cover and R-cover."""

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.statistics.occupancy import ORDERS, occupancy_interval, occupancy_variance

LEAST_ROWS = 20


def covered_fraction(
    pair: Pair, metric: str, around: str, k: int, least: int, *, closed: bool, level: float
) -> MetricValue:
    """Estimates the fraction of one side's balls with at least `least` rows of the other side.

    The balls overlap, so the count is not binomial: its variance, over samples of the other side,
    is that of an occupancy count. Wilson's interval uses the number of trials with the same
    variance, with Student's quantile if few points decide the variance.

    Args:
      pair: features; `around` has k + 2 rows or more, the other side 20 or more.
      metric: name of the metric, for the errors.
      around: side of the centres, "real" or "fake".
      k: the ball reaches to the k-th nearest row of its own side.
      least: rows of the other side that cover a ball, >= 1.
      closed: if True, a distance equal to the radius counts.
      level: confidence level of the interval.

    Returns:
      The estimate, in [0, 1]. Details: "covered" and "standard_error".

    Raises:
      InputError: too few rows, or open balls of radius 0.
    """
    fewest = max(LEAST_ROWS, least)
    real, fake = (0, fewest) if around == "real" else (fewest, 0)
    pair.require(metric, real, fake, "with an interval")
    pair.require_neighbours(metric, around, k, closed=closed)
    balls, points = (pair.n_real, pair.n_fake)[:: 1 if around == "real" else -1]
    counts, members = pair.neighbours.rows_in_balls(around, k, closed, least + ORDERS)
    covered = int((counts >= least).sum())
    value = covered / balls
    weight = [0.0] * least + [1.0]
    variance, freedom = occupancy_variance(counts, members, points, weight)
    low, high = occupancy_interval(value, variance, freedom, balls, level)
    return MetricValue(
        value=value,
        low=low,
        high=high,
        method="Wilson score, occupancy variance",
        target="fixed reference" if around == "real" else "fixed generated set",
        details={"covered": covered, "standard_error": variance**0.5},
    )

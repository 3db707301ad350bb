"""The share of balls that hold enough rows of the other side: coverage, P-cover and R-cover."""

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.statistics.occupancy import ORDERS, occupancy_interval, occupancy_variance

LEAST_ROWS = 20


def share_covered(
    pair: Pair, metric: str, around: str, k: int, least: int, *, closed: bool, level: float
) -> MetricValue:
    """Share of one side's balls that hold at least `least` rows of the other side.

    The balls overlap, so the share is not binomial: its variance, over samples of the other side,
    is that of an occupancy count, and Wilson's interval takes the trials which that amounts to,
    with Student's quantile where few points decide the variance.

    Args:
      pair: features; `around` has k + 2 rows or more, the other side 20 or more.
      metric: the metric's name, for the errors.
      around: the side of the centres, "real" or "fake".
      k: the ball reaches to the k-th nearest row of its own side.
      least: rows of the other side that cover a ball, >= 1.
      closed: whether a distance equal to the radius counts.
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
    counts, members = pair.neighbours.held(around, k, closed, least + ORDERS)
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

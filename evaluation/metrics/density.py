"""Density: the number of real neighbourhoods that hold a generated row, divided by k.

It is about 1 if generated rows lie as densely among the real rows as real rows do, and below 1 if
many of them lie outside.

It misleads when rows outside are offset by other rows in dense regions of the data (it has no upper
limit, and collapse to one mode raises it), and when real outliers have huge balls;
`clipped_density` corrects both. In many dimensions, few rows near the centre lie in most balls and
decide the value.
"""

import math

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.neighbours.one_pass import Request
from evaluation.statistics.mean import mean_interval

READS = "features"
NEEDS = ("real", "fake")
BETTER = "higher"
COLLAPSE = "higher"

LEAST_ROWS = 20


def neighbour_requests(k: int, **_: object) -> tuple[Request, ...]:
    """Returns the requests of `estimate` to the pass over all neighbours."""
    return (("balls", "real", k, False),)


def estimate(
    pair: Pair, *, level: float, seed: int, k: int = 5, closed: bool = True
) -> MetricValue:
    """Mean over fake rows of (real balls that hold it) / k; 1 on average at equal distributions.

    For fixed real rows, the estimate is a mean of independent numbers and has Student's interval.
    The interval does not account for the choice of real rows. The value may exceed 1, and does when
    the generator stays where the real rows are dense.

    Args:
      pair: features, n >= k + 2 and m >= 20 rows.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      k: number of the real neighbour that sets the radius, >= 1.
      closed: if True, a distance equal to the radius counts (<=); if False, it does not (<).

    Returns:
      The estimate, >= 0. Details: "standard_error".

    Raises:
      InputError: too few rows, or k exact copies of a real row (a ball of radius 0).

    Source:
      Naeem et al. 2020, arXiv:2002.09797, equation 3.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real, fake = np.random.default_rng(0).standard_normal((2, 300, 2))
      >>> score = measure(real, fake + [1.0, 0.0], "density")["density"]
      >>> round(score.value, 3), score.low < score.value < score.high
      (0.922, True)
    """
    pair.require("density", 0, LEAST_ROWS, "with an interval")
    pair.require_neighbours("density", "real", k, closed=False)
    values = pair.neighbours.balls("real", k, closed).per_point / k
    low, high, error = mean_interval(values, level, floor=0.0, ceiling=pair.n_real / k)
    value = math.fsum(values) / len(values)
    return MetricValue(
        value=value,
        low=min(low, value),
        high=max(high, value),
        method="Student's t, skewness-widened",
        target="fixed reference",
        details={"standard_error": error},
    )

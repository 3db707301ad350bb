"""Probabilistic recall: the probability that real rows lie in the support of the generated rows.

Each generated row covers its surroundings with a probability that falls linearly with distance. All
balls have one size, so generated outliers have no huge balls, as they have for recall.

It misleads in many dimensions, where all distances are about R and hundreds of small probabilities
add up to certainty, and when generated rows spread: R grows with their mean distance, so sparse
rows cover more. It grows with the number of generated rows.
"""

import math

from evaluation.core import validation
from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.errors import InputError
from evaluation.statistics.mean import mean_interval

READS = "features"
NEEDS = ("real", "fake")
BETTER = "higher"
COLLAPSE = "lower"

LEAST_ROWS = 20
LARGEST_FACTOR = 1e3  # above it every ball holds all rows; below its inverse, no ball holds any


def estimate(pair: Pair, *, level: float, seed: int, k: int = 4, a: float = 1.2) -> MetricValue:
    """Mean over real rows of 1 - prod_i min(|x_i - y| / R, 1), over all fake rows.

    R is `a` times the mean distance of fake rows to their k-th fake neighbour. For fixed fake rows,
    the estimate is a mean of independent numbers in [0, 1] and has Student's interval.

    Args:
      pair: features; fake rows k + 2 or more, real rows 20 or more.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      k: number of the neighbour that sets the radius, >= 1.
      a: factor of the radius, 0.001 to 1000.

    Returns:
      The estimate in [0, 1]. Details: "standard_error".

    Raises:
      InputError: too few rows, k exact copies of every fake row, or a wrong setting.

    Source:
      Park & Kim 2023, arXiv:2309.01590.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real, fake = np.random.default_rng(0).standard_normal((2, 300, 2))
      >>> score = measure(real, 0.5 * fake, "probabilistic_recall")["probabilistic_recall"]
      >>> round(score.value, 3)
      0.417
    """
    validation.check_whole("probabilistic_recall setting k", k, 1)
    validation.check_range("probabilistic_recall setting a", a, 1 / LARGEST_FACTOR, LARGEST_FACTOR)
    pair.require("probabilistic_recall", LEAST_ROWS, 0, "with an interval")
    pair.require_neighbours("probabilistic_recall", "fake", k, closed=True)
    if not pair.neighbours.radii2("fake", k).any():
        raise InputError(
            f"fake_{pair.kind} has {k} or more exact copies of every row;"
            " probabilistic_recall needs a radius above 0: remove the copies"
        )
    values = 1.0 - pair.neighbours.outside("fake", k, a)
    low, high, error = mean_interval(values, level, floor=0.0, ceiling=1.0)
    value = math.fsum(values) / len(values)
    return MetricValue(
        value=value,
        low=min(low, value),
        high=max(high, value),
        method="Student's t, skewness-widened",
        target="fixed generated set",
        details={"standard_error": error},
    )

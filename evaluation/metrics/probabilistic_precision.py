"""Probabilistic precision: the probability that generated rows lie in the support of the real rows.

Each real row covers its surroundings with a probability that falls linearly with distance. All
balls have one size, so real outliers have no huge balls, as they have for precision.

It misleads in many dimensions, where all distances are about R and hundreds of small probabilities
add up to certainty, and when the real rows are dense in one place and sparse in another: one size
fits neither. It grows with the number of real rows.
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
COLLAPSE = "higher"

LEAST_ROWS = 20
LARGEST_FACTOR = 1e3  # above it every ball holds all rows; below its inverse, no ball holds any


def estimate(pair: Pair, *, level: float, seed: int, k: int = 4, a: float = 1.2) -> MetricValue:
    """Mean over fake rows of 1 - prod_i min(|x_i - y| / R, 1), over all real rows.

    R is `a` times the mean distance of real rows to their k-th real neighbour. For fixed real rows,
    the estimate is a mean of independent numbers in [0, 1] and has Student's interval.

    Args:
      pair: features; real rows k + 2 or more, fake rows 20 or more.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      k: number of the neighbour that sets the radius, >= 1.
      a: factor of the radius, 0.001 to 1000.

    Returns:
      The estimate in [0, 1]. Details: "standard_error".

    Raises:
      InputError: too few rows, k exact copies of every real row, or a wrong setting.

    Source:
      Park & Kim 2023, arXiv:2309.01590.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real, fake = np.random.default_rng(0).standard_normal((2, 300, 2))
      >>> score = measure(real, fake + [2.0, 0.0], "probabilistic_precision")
      >>> round(score["probabilistic_precision"].value, 3)
      0.46
    """
    validation.check_whole("probabilistic_precision setting k", k, 1)
    validation.check_range(
        "probabilistic_precision setting a", a, 1 / LARGEST_FACTOR, LARGEST_FACTOR
    )
    pair.require("probabilistic_precision", 0, LEAST_ROWS, "with an interval")
    pair.require_neighbours("probabilistic_precision", "real", k, closed=True)
    if not pair.neighbours.radii2("real", k).any():
        raise InputError(
            f"real_{pair.kind} has {k} or more exact copies of every row;"
            " probabilistic_precision needs a radius above 0: remove the copies"
        )
    values = 1.0 - pair.neighbours.outside("real", k, a)
    low, high, error = mean_interval(values, level, floor=0.0, ceiling=1.0)
    value = math.fsum(values) / len(values)
    return MetricValue(
        value=value,
        low=min(low, value),
        high=max(high, value),
        method="Student's t, skewness-widened",
        target="fixed reference",
        details={"standard_error": error},
    )

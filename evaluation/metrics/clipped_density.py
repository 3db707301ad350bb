"""Clipped density: density in which no row and no real outlier counts for more than its share.

Read it as the share of generated rows as good as real ones: balls reach no farther than the median
radius, so that real outliers lend nothing; a row counts at most 1; and the mean is divided by what
the real rows score among themselves.

It misleads when real rows are copied or sampled more densely in some places than elsewhere (rows
in sparse regions then seem bad: half of the balls are cut), and it does not see lost modes: see
`clipped_coverage`. Unlike the paper's it may exceed 1, so that its interval is not cut off.
"""

import math

import numpy as np

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.errors import InputError
from evaluation.neighbours.one_pass import Neighbours, Request
from evaluation.statistics.mean import mean_interval

READS = "features"
NEEDS = ("real", "fake")
BETTER = "higher"
COLLAPSE = "higher"

LEAST_ROWS = 20


def neighbour_requests(k: int, **_: object) -> tuple[Request, ...]:
    """What `estimate` asks of the pass over all neighbours."""
    return (("balls", "real", k, True),)


def estimate(
    pair: Pair, *, level: float, seed: int, k: int = 5, closed: bool = True
) -> MetricValue:
    """Mean of min(balls that hold the fake row / k, 1), over the same mean of the real rows.

    Radii are min(distance to the k-th real neighbour, median of those distances). Given the real
    rows it is a mean of independent numbers, for which Student's interval holds.

    Args:
      pair: features, n >= k + 2 and m >= 20 rows.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      k: which real neighbour sets the radius, >= 1.
      closed: whether a distance equal to the radius counts (<=) or not (<).

    Returns:
      The estimate, >= 0; above 1 where generated rows keep to the thick of the data. Details:
      "standard_error", "uncalibrated", and "of_real", by which that is divided.

    Raises:
      InputError: too few rows, or k exact copies of a real row (a ball of radius 0).

    Source:
      Salvy, Talbot & Thirion 2025, arXiv:2507.01761 (there cut off at 1).

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real, fake = np.random.default_rng(0).standard_normal((2, 300, 2))
      >>> fake[:100] += 50.0  # a third is bad
      >>> found = measure(real, fake, "clipped_density")["clipped_density"]
      >>> round(found.value, 3), found.low < 2 / 3 < found.high
      (0.707, True)
    """
    pair.require("clipped_density", 0, LEAST_ROWS, "with an interval")
    pair.require_neighbours("clipped_density", "real", k, closed=False)
    balls = pair.neighbours.balls("real", k, closed, clipped=True)
    values = np.minimum(balls.per_point / k, 1.0)
    of_real = _of_real(pair.neighbours, k)
    if of_real == 0.0:
        raise InputError(
            "real_features has no row within another's clipped ball; clipped_density needs one:"
            " give more rows or raise k"
        )
    low, high, error = mean_interval(values, level, floor=0.0, ceiling=1.0)
    mean = math.fsum(values) / len(values)
    return MetricValue(
        value=mean / of_real,
        low=min(low, mean) / of_real,
        high=max(high, mean) / of_real,
        method="Student's t, skewness-widened",
        target="fixed reference",
        details={
            "standard_error": error / of_real,
            "uncalibrated": mean,
            "of_real": of_real,
        },
    )


def _of_real(neighbours: Neighbours, k: int) -> float:
    """Mean of min(balls of other real rows that hold the real row / k, 1); ties all count."""
    radii2 = neighbours.clipped_radii2("real", k)[:, None]
    most = len(radii2) - 1
    width = min(k + 1, most)
    indices, distances2 = neighbours.same("real", width)
    while width < most and (distances2[:, -1:] <= radii2).any():
        width = min(2 * width, most)
        indices, distances2 = neighbours.same("real", width)
    counts = np.bincount(indices[distances2 <= radii2], minlength=len(indices))
    return float(np.minimum(counts / k, 1.0).mean())

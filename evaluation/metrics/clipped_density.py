"""Clipped density: density that is limited for each generated row and for each real outlier.

It estimates the fraction of generated rows that are as good as real rows. Balls reach no farther
than the median radius, so real outliers contribute nothing. Each row counts at most 1. The mean is
divided by the mean of the real rows among themselves.

It misleads when real rows are copied, or sampled more densely in some places than elsewhere: rows
in sparse regions then seem bad, because half of the balls are cut. It does not see lost modes; see
`clipped_coverage`. Unlike the paper's version it may exceed 1, so that its interval is not cut off.
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
    """Returns the requests of `estimate` to the pass over all neighbours."""
    return (("balls", "real", k, True),)


def estimate(
    pair: Pair, *, level: float, seed: int, k: int = 5, closed: bool = True
) -> MetricValue:
    """Mean of min(balls that hold the fake row / k, 1), over the same mean of the real rows.

    Radii are min(distance to the k-th real neighbour, median of those distances). For fixed real
    rows, the estimate is a mean of independent numbers and has Student's interval.

    Args:
      pair: features, n >= k + 2 and m >= 20 rows.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      k: number of the real neighbour that sets the radius, >= 1.
      closed: if True, a distance equal to the radius counts (<=); if False, it does not (<).

    Returns:
      The estimate, >= 0; above 1 if generated rows stay in dense regions of the data. Details:
      "standard_error", "uncalibrated" (mean of the fake rows) and "of_real" (mean of the real rows,
      the divisor).

    Raises:
      InputError: too few rows, or k exact copies of a real row (a ball of radius 0).

    Source:
      Salvy, Talbot & Thirion 2025, arXiv:2507.01761 (there cut off at 1).

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real, fake = np.random.default_rng(0).standard_normal((2, 300, 2))
      >>> fake[:100] += 50.0  # a third is bad
      >>> score = measure(real, fake, "clipped_density")["clipped_density"]
      >>> round(score.value, 3), score.low < 2 / 3 < score.high
      (0.707, True)
    """
    pair.require("clipped_density", 0, LEAST_ROWS, "with an interval")
    pair.require_neighbours("clipped_density", "real", k, closed=False)
    balls = pair.neighbours.balls("real", k, closed, clipped=True)
    values = np.minimum(balls.per_point / k, 1.0)
    real_mean = _real_mean(pair.neighbours, k)
    if real_mean == 0.0:
        raise InputError(
            "real_features has no row within the clipped ball of another row; clipped_density needs"
            " one: give more rows or raise k"
        )
    low, high, error = mean_interval(values, level, floor=0.0, ceiling=1.0)
    mean = math.fsum(values) / len(values)
    return MetricValue(
        value=mean / real_mean,
        low=min(low, mean) / real_mean,
        high=max(high, mean) / real_mean,
        method="Student's t, skewness-widened",
        target="fixed reference",
        details={
            "standard_error": error / real_mean,
            "uncalibrated": mean,
            "of_real": real_mean,
        },
    )


def _real_mean(neighbours: Neighbours, k: int) -> float:
    """Returns the mean over real rows of min(balls of other real rows that hold it / k, 1).

    Ties at the k-th distance all count.
    """
    radii2 = neighbours.clipped_radii2("real", k)[:, None]
    most = len(radii2) - 1
    width = min(k + 1, most)
    indices, distances2 = neighbours.same("real", width)
    while width < most and (distances2[:, -1:] <= radii2).any():
        width = min(2 * width, most)
        indices, distances2 = neighbours.same("real", width)
    counts = np.bincount(indices[distances2 <= radii2], minlength=len(indices))
    return float(np.minimum(counts / k, 1.0).mean())

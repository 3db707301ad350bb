"""Rarity: the sparsity of the real data around a generated row.

Each row has its own number: the radius of the smallest real ball that holds it, in the units of the
features. Rows in no ball have none (nan). This finds uncommon rows among real-looking ones. The
estimate is the median over the rows that have a number.

It misleads as a score of a generator: higher is rarer, not better, and rows outside the real balls
do not count, so read it with precision. It depends on the scale of the features and on the number
of real rows; compare only against the same real rows.
"""

import numpy as np

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.errors import InputError
from evaluation.neighbours.one_pass import Request
from evaluation.statistics.quantile import median_interval, median_rows

READS = "features"
NEEDS = ("real", "fake")
BETTER = "higher"
COLLAPSE = None


def neighbour_requests(k: int, **_: object) -> tuple[Request, ...]:
    """Returns the requests of `estimate` to the pass over all neighbours."""
    return (("balls", "real", k, False),)


def estimate(
    pair: Pair, *, level: float, seed: int, k: int = 3, closed: bool = True
) -> MetricValue:
    """Median over fake rows y of min r(x), over the real x with |x - y| <= r(x).

    r(x) is the distance from x to its k-th real neighbour. For fixed real rows and a fixed
    number of fake rows in the balls, these rows are independent, and order statistics bound the
    median of their distribution.

    Args:
      pair: features, n >= k + 2 and m >= 20 rows, 20 of them in real balls.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      k: number of the real neighbour that sets the radius, >= 1.
      closed: if True, a distance equal to the radius counts (<=); if False, it does not (<).

    Returns:
      The median, >= 0. Details: "share_inside", the fraction of rows that have a rarity.

    Raises:
      InputError: too few rows, too few in real balls, or open balls of radius 0.

    Source:
      Han et al. 2022, arXiv:2206.08549.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real, fake = np.random.default_rng(0).standard_normal((2, 300, 2))
      >>> score = measure(real, 2 * fake, "rarity")["rarity"]
      >>> round(score.value, 3), round(score.details["share_inside"], 3)
      (0.323, 0.813)
    """
    least = max(20, median_rows(level))
    why = f"with an interval at level {level:g}"
    pair.require("rarity", 0, least, why)
    values = per_sample(pair, k=k, closed=closed)
    inside = values[~np.isnan(values)]
    if len(inside) < least:
        raise InputError(
            f"{len(inside)} rows of fake_{pair.kind} lie in real balls; rarity needs at least"
            f" {least} ({why}): give more rows, or see precision"
        )
    low, high = median_interval(inside, level)
    return MetricValue(
        value=float(np.median(inside)),
        low=low,
        high=high,
        method="order statistics of the median",
        target="fixed reference",
        details={"share_inside": len(inside) / len(values)},
    )


def per_sample(pair: Pair, *, k: int = 3, closed: bool = True) -> np.ndarray:
    """Returns the rarity of each fake row.

    Args:
      pair: features, n >= k + 2 rows.
      k: number of the real neighbour that sets the radius, >= 1.
      closed: if True, a distance equal to the radius counts (<=); if False, it does not (<).

    Returns:
      float64, shape (m,), >= 0; nan if no real ball holds the row.

    Raises:
      InputError: too few rows, or open balls of radius 0.
    """
    pair.require_neighbours("rarity", "real", k, closed=closed)
    smallest = pair.neighbours.balls("real", k, closed).smallest
    return np.where(np.isinf(smallest), np.nan, smallest)

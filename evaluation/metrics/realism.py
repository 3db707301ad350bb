"""Realism: how near a generated row is to real rows, relative to the distances between real rows.

Each row has its own number, 1 or more if some real ball holds it. This sorts rows and finds bad
ones. The estimate is the median over rows.

It misleads as a score of a generator: collapse to the densest real rows raises it. A row that
copies a real one has infinite realism. Rows in sparse parts of the data seem unreal, because the
larger half of the balls is left out.
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
COLLAPSE = "higher"


def neighbour_requests(k: int, **_: object) -> tuple[Request, ...]:
    """Returns the requests of `estimate` to the pass over all neighbours."""
    return (("ratio", k),)


def estimate(pair: Pair, *, level: float, seed: int, k: int = 3) -> MetricValue:
    """Median over fake rows y of max r(x) / |x - y|, over half of the real rows x.

    r(x) is the distance from x to its k-th real neighbour; the half has the smaller r. For fixed
    real rows, the numbers of the fake rows are independent, and order statistics bound the median
    of their distribution, whatever it is.

    Args:
      pair: features, n >= k + 2 and m >= 20 rows.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      k: number of the real neighbour that sets the radius, >= 1.

    Returns:
      The median, >= 0; inf if more than half of the rows are copies of real rows. Details:
      "share_real", the fraction of rows with a realism of 1 or more.

    Raises:
      InputError: too few rows, or k exact copies of half of the real rows (radii of 0).

    Source:
      Kynkäänniemi et al. 2019, arXiv:1904.06991, equation 3.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real, fake = np.random.default_rng(0).standard_normal((2, 300, 2))
      >>> score = measure(real, fake + [2.0, 0.0], "realism")["realism"]
      >>> round(score.value, 3), score.low < score.value < score.high
      (0.243, True)
    """
    least = max(20, median_rows(level))
    pair.require("realism", 0, least, f"with an interval at level {level:g}")
    values = per_sample(pair, k=k)
    low, high = median_interval(values, level)
    middle = np.sort(values)[[(len(values) - 1) // 2, len(values) // 2]]
    return MetricValue(
        value=float(middle[0] if middle[0] == middle[1] else middle.mean()),
        low=low,
        high=high,
        method="order statistics of the median",
        target="fixed reference",
        details={"share_real": float((values >= 1.0).mean())},
    )


def per_sample(pair: Pair, *, k: int = 3) -> np.ndarray:
    """Returns the realism of each fake row.

    Args:
      pair: features, n >= k + 2 rows.
      k: number of the real neighbour that sets the radius, >= 1.

    Returns:
      float64, shape (m,), >= 0; inf at a copy of a real row.

    Raises:
      InputError: too few rows, or k exact copies of half of the real rows (radii of 0).
    """
    pair.require_neighbours("realism", "real", k, closed=True)
    empty = int((pair.neighbours.radii2("real", k) == 0.0).sum())
    if 2 * empty >= pair.n_real:
        raise InputError(
            f"real_{pair.kind} has {empty} rows with {k} or more exact copies; realism needs radii"
            " above 0 for more than half of the rows: remove the copies or raise k"
        )
    return pair.neighbours.largest_ratio(k)

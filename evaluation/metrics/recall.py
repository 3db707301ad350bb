"""Recall: the share of real rows that lie where generated rows are.

Low recall means that parts of the data are never made. Compare with the recall of held-out real
rows at the same sizes.

It misleads when generated outliers have huge balls that hold real rows far from all they resemble,
when a part of the data is made but too seldom, and in many dimensions, where it may say little
else than that the generated rows spread wider. It grows with the number of generated rows.
"""

from evaluation.rows import Pair
from evaluation.statistics.binomial import wilson
from evaluation.statistics.estimate import Finding

READS = "features"
NEEDS = ("real", "fake")
BETTER = "higher"
COLLAPSE = "lower"


def estimate(pair: Pair, *, level: float, seed: int, k: int = 3, closed: bool = True) -> Finding:
    """Share of real rows within a ball around a fake row that reaches its k-th fake neighbour.

    Given the generated rows, each real row is in or out independently of the others: a binomial
    share, for which Wilson's interval holds. It says nothing of other generated rows.

    Args:
      pair: features, n >= 1 and m >= k + 2 rows.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      k: which neighbour sets the radius, >= 1.
      closed: whether a distance equal to the radius counts (<=) or not (<).

    Returns:
      The estimate in [0, 1]. Details: "inside", the number of real rows that count.

    Raises:
      InputError: too few rows, or open balls of radius 0.

    Source:
      Kynkäänniemi et al. 2019, arXiv:1904.06991, equations 1 and 2.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real, fake = np.random.default_rng(0).standard_normal((2, 300, 2))
      >>> found = measure(real, 0.5 * fake, "recall")["recall"]
      >>> round(found.value, 3), found.low < found.value < found.high
      (0.787, True)
    """
    pair.require_neighbours("recall", "fake", k, closed=closed)
    inside = int((pair.neighbours.balls("fake", k, closed).per_point > 0).sum())
    low, high = wilson(inside, pair.n_real, level)
    return Finding(
        value=inside / pair.n_real,
        low=low,
        high=high,
        method="Wilson score",
        target="fixed generated set",
        details={"inside": inside},
    )

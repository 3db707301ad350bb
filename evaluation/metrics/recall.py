"""Recall: the share of real rows that lie where generated rows are.

Low recall means that parts of the data are never made. Compare with the recall of held-out real
rows at the same sizes.

It misleads when generated outliers have huge balls that hold real rows far from all they resemble,
when a part of the data is made but too seldom, and in many dimensions, where it may say little
else than that the generated rows spread wider. It grows with the number of generated rows.
"""

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.errors import InputError
from evaluation.estimators import half_precision_balls
from evaluation.neighbours.one_pass import Request
from evaluation.statistics.binomial import wilson

READS = "features"
NEEDS = ("real", "fake")
BETTER = "higher"
COLLAPSE = "lower"


def neighbour_requests(k: int, distances: str, **_: object) -> tuple[Request, ...]:
    """What `estimate` asks of the pass over all neighbours."""
    return (("balls", "fake", k, False),) if distances == "exact" else ()


def estimate(
    pair: Pair,
    *,
    level: float,
    seed: int,
    k: int = 3,
    closed: bool = True,
    distances: str = "exact",
) -> MetricValue:
    """Share of real rows within a ball around a fake row that reaches its k-th fake neighbour.

    Given the generated rows, each real row is in or out independently of the others: a binomial
    share, for which Wilson's interval holds. It says nothing of other generated rows.

    Args:
      pair: features, n >= 1 and m >= k + 2 rows.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      k: which neighbour sets the radius, >= 1.
      closed: whether a distance equal to the radius counts (<=) or not (<).
      distances: "exact", or as two programs round them, "float16" and "float16-root"; see
        `evaluation/estimators/half_precision_balls.py`. Those go with closed balls.

    Returns:
      The estimate in [0, 1]. Details: "inside", the number of real rows that count.

    Raises:
      InputError: too few rows, radii of 0 (k exact copies of a row) of an open ball or half of
        the closed ones, or settings that do not go together.

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
    if distances == "exact":
        inside = int((pair.neighbours.balls("fake", k, closed).per_point > 0).sum())
    elif distances in half_precision_balls.RULES and closed:
        inside = half_precision_balls.inside(pair, "fake", k, distances)
    else:
        raise InputError(
            f"recall settings distances={distances!r}, closed={closed}; use 'exact', or with"
            f" closed=True one of {', '.join(half_precision_balls.RULES)}"
        )
    low, high = wilson(inside, pair.n_real, level)
    return MetricValue(
        value=inside / pair.n_real,
        low=low,
        high=high,
        method="Wilson score",
        target="fixed generated set",
        details={"inside": inside},
    )

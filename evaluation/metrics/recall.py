"""Recall: the fraction of real rows that lie where generated rows are.

Low recall means that parts of the data are never generated. Compare with the recall of held-out
real rows at the same sizes.

It misleads when generated outliers have huge balls that hold real rows unlike them, when a part of
the data is generated but too rarely, and in many dimensions, where it may only show that the
generated rows spread wider. It grows with the number of generated rows.
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
    """Returns the requests of `estimate` to the pass over all neighbours."""
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
    """Fraction of real rows within a ball around a fake row that reaches its k-th fake neighbour.

    For fixed generated rows, each real row is in or out, independently of the others. The number of
    rows inside is therefore binomial and has Wilson's interval. The interval does not account for
    the choice of generated rows.

    Args:
      pair: features, n >= 1 and m >= k + 2 rows.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      k: number of the neighbour that sets the radius, >= 1.
      closed: if True, a distance equal to the radius counts (<=); if False, it does not (<).
      distances: "exact", or "float16" or "float16-root", which round as two published programs do;
        see `evaluation/estimators/half_precision_balls.py`. Rounding needs closed balls.

    Returns:
      The estimate in [0, 1]. Details: "inside", the number of real rows within generated balls.

    Raises:
      InputError: too few rows, radius 0 (k exact copies of a row) of one open ball or of half of
        the closed balls, or settings that do not go together.

    Source:
      Kynkäänniemi et al. 2019, arXiv:1904.06991, equations 1 and 2.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real, fake = np.random.default_rng(0).standard_normal((2, 300, 2))
      >>> score = measure(real, 0.5 * fake, "recall")["recall"]
      >>> round(score.value, 3), score.low < score.value < score.high
      (0.787, True)
    """
    pair.require_neighbours("recall", "fake", k, closed=closed)
    if distances == "exact":
        inside = int((pair.neighbours.balls("fake", k, closed).per_point > 0).sum())
    elif distances in half_precision_balls.RULES and closed:
        inside = half_precision_balls.count_inside(pair, "fake", k, distances)
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

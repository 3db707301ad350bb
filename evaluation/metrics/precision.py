"""Precision: the fraction of generated rows that lie where real rows are.

Low precision means that the generator makes rows unlike any real row; how often it makes each kind
of row does not matter. Compare with the precision of held-out real rows at the same sizes.

It misleads when real outliers have huge balls that hold unrelated rows, when the generator keeps to
a few places (collapse raises it), and in many dimensions, where even real rows miss each other's
balls. It grows with the number of real rows.
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
COLLAPSE = "higher"


def neighbour_requests(k: int, distances: str, **_: object) -> tuple[Request, ...]:
    """Returns the requests of `estimate` to the pass over all neighbours."""
    return (("balls", "real", k, False),) if distances == "exact" else ()


def estimate(
    pair: Pair,
    *,
    level: float,
    seed: int,
    k: int = 3,
    closed: bool = True,
    distances: str = "exact",
) -> MetricValue:
    """Fraction of fake rows within a ball around a real row that reaches its k-th real neighbour.

    For fixed real rows, each generated row is in or out, independently of the others. The number of
    rows inside is therefore binomial and has Wilson's interval. The interval does not account for
    the choice of real rows.

    Args:
      pair: features, n >= k + 2 and m >= 1 rows.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      k: number of the neighbour that sets the radius, >= 1.
      closed: if True, a distance equal to the radius counts (<=); if False, it does not (<).
      distances: "exact", or "float16" or "float16-root", which round as two published programs do;
        see `evaluation/estimators/half_precision_balls.py`. Rounding needs closed balls.

    Returns:
      The estimate in [0, 1]. Details: "inside", the number of fake rows within real balls.

    Raises:
      InputError: too few rows, settings that do not go together, or balls of radius 0 (around rows
        with k exact copies): one ball if they are open, half of them if they are closed.

    Source:
      Kynkäänniemi et al. 2019, arXiv:1904.06991, equations 1 and 2.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real, fake = np.random.default_rng(0).standard_normal((2, 300, 2))
      >>> score = measure(real, fake + [1.0, 0.0], "precision")["precision"]
      >>> round(score.value, 3), score.low < score.value < score.high
      (0.953, True)
    """
    pair.require_neighbours("precision", "real", k, closed=closed)
    if distances == "exact":
        inside = int((pair.neighbours.balls("real", k, closed).per_point > 0).sum())
    elif distances in half_precision_balls.RULES and closed:
        inside = half_precision_balls.count_inside(pair, "real", k, distances)
    else:
        raise InputError(
            f"precision settings distances={distances!r}, closed={closed}; use 'exact', or with"
            f" closed=True one of {', '.join(half_precision_balls.RULES)}"
        )
    low, high = wilson(inside, pair.n_fake, level)
    return MetricValue(
        value=inside / pair.n_fake,
        low=low,
        high=high,
        method="Wilson score",
        target="fixed reference",
        details={"inside": inside},
    )

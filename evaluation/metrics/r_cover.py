"""R-cover: the fraction of real neighbourhoods that hold enough generated rows.

A real row counts if generated rows are at least about 1/c as dense around it as real rows are. A
mode that is generated far too rarely does not count, unlike for recall and coverage.

It misleads when real outliers have huge balls that catch generated rows, and when the numbers of
rows differ much: the densities are compared per sample, not per row.
"""

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.errors import InputError
from evaluation.estimators.ball_coverage import covered_fraction
from evaluation.neighbours.one_pass import Request
from evaluation.statistics.occupancy import ORDERS

READS = "features"
NEEDS = ("real", "fake")
BETTER = "higher"
COLLAPSE = "lower"


def neighbour_requests(k: int, **_: object) -> tuple[Request, ...]:
    """Returns the requests of `estimate` to the pass over all neighbours."""
    return (("across", "real", k + ORDERS),)


def estimate(
    pair: Pair, *, level: float, seed: int, k: int = 3, c: int = 3, closed: bool = True
) -> MetricValue:
    """Fraction of real rows whose ball, out to the (c k)-th real neighbour, holds k fake rows.

    A row is not one of its own neighbours. The interval is about the mean over samples of fake rows
    of the same size, for these real rows. The balls overlap, so the variance is that of an
    occupancy count, and Wilson's interval uses the number of trials with the same variance. At 95 %
    it covers 90 to 97 % with 100 rows of skewed or heavy-tailed distributions, 93 to 98 % with 400,
    and more if few points decide for whole modes.

    Args:
      pair: features; c k + 2 real rows or more, and 20 fake rows or more.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      k: number of fake rows that cover a ball, >= 1.
      c: number of real rows in a ball, as a multiple of k, >= 1.
      closed: if True, a distance equal to the radius counts (<=); if False, it does not (<).

    Returns:
      The estimate in [0, 1]. Details: "covered" and "standard_error".

    Raises:
      InputError: too few rows, open balls of radius 0, or a wrong setting.

    Source:
      Cheema & Urner 2023, Precision Recall Cover, AISTATS, PMLR 206, 6571-6594, appendix A.3.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real, fake = np.random.default_rng(0).standard_normal((2, 300, 2))
      >>> score = measure(real, 0.5 * fake, "r_cover")["r_cover"]
      >>> round(score.value, 3), score.target
      (0.623, 'fixed reference')
    """
    if k < 1 or c < 1:
        raise InputError(f"r_cover settings k={k}, c={c}; both must be at least 1")
    return covered_fraction(pair, "r_cover", "real", c * k, k, closed=closed, level=level)

"""Coverage: the fraction of real neighbourhoods that hold a generated row.

It shows how much of the data the generator reaches. The balls are around real rows, so generated
outliers do not raise it, as they raise recall.

It misleads when samples of different sizes are compared: it grows with the number of generated
rows, and even a perfect generator stays below 1 (see "expected_at_equal_laws"). One row is enough
to cover a ball, so a mode that is generated far too rarely still counts; `clipped_coverage` detects
more of that.
"""

import dataclasses

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.estimators.ball_coverage import covered_fraction
from evaluation.neighbours.one_pass import Request
from evaluation.statistics.occupancy import ORDERS

READS = "features"
NEEDS = ("real", "fake")
BETTER = "higher"
COLLAPSE = "lower"


def neighbour_requests(**_: object) -> tuple[Request, ...]:
    """Returns the requests of `estimate` to the pass over all neighbours."""
    return (("across", "real", 1 + ORDERS),)


def estimate(
    pair: Pair, *, level: float, seed: int, k: int = 5, closed: bool = True
) -> MetricValue:
    """Fraction of real rows whose ball, out to the k-th real neighbour, holds a fake row.

    The interval is about the mean over generated samples of the same size m, for these real rows.
    The balls overlap, so the count is not binomial: its variance is that of an occupancy count, and
    Wilson's interval uses the number of trials with the same variance. It is too wide if whole
    modes are missing and everything else is covered.

    Args:
      pair: features, n >= k + 2 and m >= 20 rows.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      k: number of the real neighbour that sets the radius, >= 1.
      closed: if True, a distance equal to the radius counts (<=); if False, it does not (<).

    Returns:
      The estimate in [0, 1]; at equal distributions about 1 - 2^-k when n = m. Details: "covered"
      (number of balls), "standard_error", and "expected_at_equal_laws", the mean at equal
      distributions for these n, m and k.

    Raises:
      InputError: too few rows, or open balls of radius 0.

    Source:
      Naeem et al. 2020, arXiv:2002.09797, equation 4 and lemma 2.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real, fake = np.random.default_rng(0).standard_normal((2, 300, 2))
      >>> score = measure(real, 0.5 * fake, "coverage")["coverage"]
      >>> round(score.value, 3), round(score.details["expected_at_equal_laws"], 3)
      (0.723, 0.97)
    """
    covered = covered_fraction(pair, "coverage", "real", k, 1, closed=closed, level=level)
    expected = expected_at_equal_distributions(pair.n_real, pair.n_fake, k)
    details = {**covered.details, "expected_at_equal_laws": expected}
    return dataclasses.replace(covered, details=details)


def expected_at_equal_distributions(n_real: int, n_fake: int, k: int) -> float:
    """1 - prod_{j < k} (n - 1 - j) / (n + m - 1 - j), for any continuous distribution; k < n."""
    missed = 1.0
    for j in range(k):
        missed *= (n_real - 1 - j) / (n_real + n_fake - 1 - j)
    return 1.0 - missed

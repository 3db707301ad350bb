"""Clipped coverage: the fraction of useful generated rows, from how they fill real neighbourhoods.

Each real ball counts at most k generated rows. The mean over the balls is then calibrated: the
result is the fraction of generated rows that would give the same mean if these rows came from the
real distribution and the others were useless. So 0.7 reads "as good as 70 % real rows", for any n,
m and k.

It misleads when the rows are not independent (copies of real rows score higher than real rows do),
and where bad rows happen to fall into sparse real balls, which are large. Unlike the paper's
version it may exceed 1, so that its interval is not cut off.
"""

import numpy as np
from scipy import special

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.neighbours.one_pass import Request
from evaluation.statistics.occupancy import ORDERS, occupancy_interval, occupancy_variance

READS = "features"
NEEDS = ("real", "fake")
BETTER = "higher"
COLLAPSE = "lower"

LEAST_ROWS = 20


def neighbour_requests(k: int, **_: object) -> tuple[Request, ...]:
    """Returns the requests of `estimate` to the pass over all neighbours."""
    return (("across", "real", k + ORDERS),)


def estimate(
    pair: Pair, *, level: float, seed: int, k: int = 5, closed: bool = True
) -> MetricValue:
    """f^-1(y) / m, y = mean over real balls of min(fake rows inside, k) / k, f(j) = E y at j rows.

    Each ball reaches to the k-th real neighbour. f(j) is the mean of y with j generated rows from
    the real distribution; it has a closed form for every continuous distribution. y has the
    variance of an occupancy count and Wilson's interval, whose ends are mapped through f^-1 as
    well. The target is the mean of y over generated samples of this size, mapped in the same way,
    for these real rows.

    Args:
      pair: features, n >= k + 2 and m >= 20 rows.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      k: number of the real neighbour that sets the radius, and of rows that fill a ball, >= 1.
      closed: if True, a distance equal to the radius counts (<=); if False, it does not (<).

    Returns:
      The estimate, >= 0, about 1 at equal distributions. Details: "uncalibrated" (y) and its
      "standard_error".

    Raises:
      InputError: too few rows, or open balls of radius 0.

    Source:
      Salvy, Talbot & Thirion 2025, arXiv:2507.01761 (there cut off at 1).

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real, fake = np.random.default_rng(0).standard_normal((2, 300, 2))
      >>> fake[:100] += 50.0  # a third is bad
      >>> score = measure(real, fake, "clipped_coverage")["clipped_coverage"]
      >>> round(score.value, 3), score.low < 2 / 3 < score.high
      (0.668, True)
    """
    pair.require("clipped_coverage", 0, LEAST_ROWS, "with an interval")
    pair.require_neighbours("clipped_coverage", "real", k, closed=closed)
    counts, members = pair.neighbours.rows_in_balls("real", k, closed, k + ORDERS)
    value = float(np.minimum(counts, k).sum()) / (k * pair.n_real)
    weight = [x / k for x in range(k + 1)]
    variance, freedom = occupancy_variance(counts, members, pair.n_fake, weight)
    low, high = occupancy_interval(value, variance, freedom, pair.n_real, level)
    curve = expected(pair.n_real, pair.n_fake, k)
    ends = [_calibrate(y, curve) for y in (low, value, high)]
    return MetricValue(
        value=ends[1],
        low=ends[0],
        high=ends[2],
        method="Wilson score, occupancy variance, calibrated",
        target="fixed reference",
        details={"uncalibrated": value, "standard_error": variance**0.5},
    )


def expected(n_real: int, n_fake: int, k: int) -> np.ndarray:
    """Returns E min(X, k) / k, X beta-binomial(j, k, n - k), for j = 0 .. m; shape (m + 1,).

    The mass of a ball has the distribution beta(k, n - k) for every continuous distribution of
    rows. One row more than j adds sum over x < k of P(X = x) (k + x) / (n + j): the probability
    that this row falls into a ball that is not full.
    """
    rows = np.arange(n_fake, dtype=np.float64)
    gain = np.zeros(n_fake)
    for x in range(k):
        able = rows >= x
        j = rows[able]
        log_p = (special.gammaln(j + 1) - special.gammaln(x + 1) - special.gammaln(j - x + 1)) + (
            special.betaln(k + x, n_real - k + j - x) - special.betaln(k, n_real - k)
        )
        gain[able] += np.exp(log_p) * (k + x) / (n_real + j)
    return np.concatenate([[0.0], np.cumsum(gain)]) / k


def _calibrate(value: float, curve: np.ndarray) -> float:
    """Returns the position of `value` on the curve, as a fraction of its length.

    Beyond the end of the curve, it is extrapolated linearly.
    """
    last = len(curve) - 1
    if value <= curve[-1]:
        return float(np.interp(value, curve, np.arange(last + 1))) / last
    return 1.0 + (value - float(curve[-1])) / float(curve[-1] - curve[-2]) / last

"""Coverage: the share of real neighbourhoods that hold a generated row."""

from evaluation.rows import Pair
from evaluation.statistics.binomial import wilson
from evaluation.statistics.estimate import Finding
from evaluation.statistics.occupancy import effective_trials, occupancy_variance

READS = "features"
NEEDS = ("real", "fake")
BETTER = "higher"
COLLAPSE = "lower"

LEAST_ROWS = 20


def estimate(pair: Pair, *, level: float, seed: int, k: int = 5, closed: bool = True) -> Finding:
    """Share of real rows whose ball, out to the k-th real neighbour, holds at least one fake row.

    It grows with the number of fake rows; the interval is about its mean over generated samples of
    the same size m, given these real rows. The balls overlap, so it is never binomial: its variance
    is that of an occupancy count, and Wilson's interval takes the trials that variance amounts to.

    Args:
      pair: features, n >= k + 2 and m >= 20 rows.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      k: which real neighbour sets the radius, >= 1.
      closed: whether a distance equal to the radius counts (<=) or not (<).

    Returns:
      The estimate in [0, 1]; at equal laws about 1 - 2^-k when n = m. Details: "covered",
      "standard_error", and "expected_at_equal_laws" for these n, m and k.

    Raises:
      InputError: too few rows, or open balls of radius 0.

    Source:
      Naeem et al. 2020, arXiv:2002.09797, equation 4 and lemma 2.
    """
    pair.require("coverage", 0, LEAST_ROWS, "with an interval")
    pair.require_neighbours("coverage", "real", k, closed=closed)
    balls = pair.neighbours.balls("real", k, closed)
    covered = int((balls.per_ball > 0).sum())
    value = covered / pair.n_real
    variance = occupancy_variance(balls.per_ball, balls.members, pair.n_fake)
    trials = effective_trials(value, variance, pair.n_real)
    low, high = wilson(value * trials, trials, level)
    return Finding(
        value=value,
        low=min(low, value),
        high=max(high, value),
        method="Wilson score, occupancy variance",
        target="fixed reference",
        details={
            "covered": covered,
            "standard_error": variance**0.5,
            "expected_at_equal_laws": expected_at_equal_laws(pair.n_real, pair.n_fake, k),
        },
    )


def expected_at_equal_laws(n_real: int, n_fake: int, k: int) -> float:
    """1 - prod_{j < k} (n - 1 - j) / (n + m - 1 - j), for any continuous law; k < n."""
    missed = 1.0
    for j in range(k):
        missed *= (n_real - 1 - j) / (n_real + n_fake - 1 - j)
    return 1.0 - missed

"""FID: the Fréchet distance of the Gaussians fitted to real and generated features.

On the features of Inception it is the number that most papers report: how far mean and covariance
of the generated images are from those of the real ones, in one number; lower is better, 0 means
equal first and second moments.

The plain distance is too large by about d / n, at d = 2048 often by more than the distance itself.
The default value is its exact delete-one jackknife, each of the n + m distances with one row left
out; where halves of the rows tell that a second order remains, as with heavy tails, that too is
removed and the interval widened by it. With fewer than two rows per dimension there are only two
one-sided bounds, and the interval reaches from one to the other.

The interval is the jackknife's, whose upper end allows for the variance that grows with the
distance, and whose lower end for all that may be left of the bias. At 0.95 it covers 0.93 to 0.99
of laws that differ, and nearly always where laws are equal or tails are heavy, where it is wider
than it need be; docs/coverage.md counts both, up to d = 2048.

It misleads when the features' laws differ beyond mean and covariance, which it cannot see; when
numbers of different n, features, resizing or programs are compared; and when read as a verdict on
variety or memorisation: a copy of the training set has FID 0. Where a rare mode decides, of which a
sample holds a row or two, every interval is too narrow: with one of 2 % it covers 0.85 at n = 100.
"""

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.errors import InputError
from evaluation.estimators import frechet

READS = "features"
NEEDS = ("real", "fake")
BETTER = "lower"
COLLAPSE = "higher"


def estimate(
    pair: Pair,
    *,
    level: float,
    seed: int,
    estimator: str = "corrected",
    float32_mean: bool = False,
    ddof: int = 1,
    rows: int | None = None,
) -> MetricValue:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2), without the bias that finite samples give it.

    Args:
      pair: features, n and m >= 20 rows ("plain": >= 2).
      level: confidence level of the interval.
      seed: of the random halves, and of the choice of `rows`.
      estimator: "corrected", or "plain": the uncorrected distance, which has no interval.
      float32_mean: means in float32, as some programs take them; only with "plain".
      ddof: of the covariances, 1 or 0; 0 only with "plain".
      rows: how many rows of each side are drawn at random, so that plain values of different
        samples compare; None takes all. Only with "plain".

    Returns:
      The estimate; corrected values may be negative when the laws are equal. Details: "plain",
      "bias" (plain - value), "standard_error", "second_order", "rank" (dimensions in use), and
      "regime": "two orders", or "bounds" where rows are too few for a point interval, with
      "rows_for_an_interval". Where the two sides share most of their rows the interval reaches up
      to the plain distance. It always reaches 0: samples more alike than independent ones, as
      halves of a stratified split are, would otherwise put all of it below any possible distance.

    Raises:
      InputError: too few rows, identical rows, or settings that do not go together.

    Source:
      Heusel et al. 2017, arXiv:1706.08500, equation 6.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> rng = np.random.default_rng(0)
      >>> real, fake = rng.normal(size=(500, 4)), rng.normal(size=(500, 4)) + 0.5
      >>> fid = measure(real, fake, "fid")["fid"]
      >>> bool(fid.low < 4 * 0.5**2 < fid.high)
      True
    """
    if estimator not in ("corrected", "plain"):
        raise InputError(f"fid setting estimator={estimator!r}; use 'corrected' or 'plain'")
    if estimator == "plain":
        return frechet.plain(pair, "fid", ddof, float32_mean, rows, seed)
    for name, value, default in (
        ("float32_mean", float32_mean, False),
        ("ddof", ddof, 1),
        ("rows", rows, None),
    ):
        if value != default:
            raise InputError(f"fid setting {name}={value}; it goes with estimator='plain' only")
    return frechet.corrected(pair, "fid", level, seed)

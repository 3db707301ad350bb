"""FID: the Fréchet distance between the Gaussians fitted to real and generated features.

On Inception features, this is the number that most papers report: the distance of mean and
covariance of the generated images from those of the real images. Lower is better; 0 means equal
first and second moments.

The plain distance is too large by about d / n, at d = 2048 often by more than the distance itself.
The default value removes this bias by the exact delete-one jackknife, which uses each of the n + m
distances with one row left out. If the distances of random halves show a second-order bias, as with
heavy tails, that is removed too, and the interval is widened by it. With fewer than two rows per
dimension only two one-sided bounds exist, and the interval reaches from one to the other.

The interval is the jackknife's. Its upper end allows for the variance that grows with the distance,
its lower end for all bias that may remain. At level 0.95 it covers 0.93 to 0.99 of distributions
that differ. It covers nearly always at equal distributions or with heavy tails, where it is wider
than necessary. docs/coverage.md counts both, up to d = 2048.

It misleads when the features differ beyond mean and covariance, which it cannot see; when numbers
from different n, features, resizing or programs are compared; and when it is read as a measure of
variety or memorisation: a copy of the training set has FID 0. If the distance depends on a rare
mode, with only a row or two in a sample, every interval is too narrow: with a mode of 2 % it covers
0.85 at n = 100.
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
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2), without the bias of finite samples.

    Args:
      pair: features, n and m >= 20 rows ("plain": >= 2).
      level: confidence level of the interval.
      seed: seed of the random halves, and of the choice of `rows`.
      estimator: "corrected", or "plain": the uncorrected distance, which has no interval.
      float32_mean: if True, means are computed in float32, as in some programs; only with "plain".
      ddof: covariances divide by n - ddof, 1 or 0; 0 only with "plain".
      rows: number of rows that are drawn at random from each side, so that plain values of
        different samples are comparable; None uses all. Only with "plain".

    Returns:
      The estimate; corrected values may be negative at equal distributions. Details: "plain",
      "bias" (plain - value), "standard_error", "second_order", "rank" (dimensions in use), and
      "regime": "two orders", or "bounds" with too few rows for a point interval, then also
      "rows_for_an_interval". If the two sides share most of their rows, the interval reaches up to
      the plain distance. It always reaches 0: for samples more alike than independent ones, such as
      halves of a stratified split, it would otherwise lie below any possible distance.

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

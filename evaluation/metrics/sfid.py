"""sFID: the Fréchet distance on features that keep their position in the image.

FID pools its features over the image. sFID uses the first seven channels of an earlier layer of
Inception, 17 x 17 x 7 = 2023 numbers, and so sees layout where FID sees content. Lower is better.

Value and interval are computed as for FID, see `metrics/fid.py`.

It misleads when the generated images are shifted or cropped differently from the real ones, which
it counts as an error, and, like FID, when values are compared across programs or n.
"""

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.errors import InputError
from evaluation.estimators import frechet

READS = "spatial"
NEEDS = ("real", "fake")
BETTER = "lower"
COLLAPSE = "higher"


def estimate(
    pair: Pair, *, level: float, seed: int, estimator: str = "corrected", float32_mean: bool = False
) -> MetricValue:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2) of spatial features, without their bias.

    Args:
      pair: spatial features, n and m >= 20 rows ("plain": >= 2).
      level: confidence level of the interval.
      seed: seed of the random halves.
      estimator: "corrected", or "plain": the uncorrected distance, which has no interval.
      float32_mean: if True, means are computed in float32; only with "plain".

    Returns:
      The estimate, with FID's details.

    Raises:
      InputError: too few rows, identical rows, or settings that do not go together.

    Source:
      Nash et al. 2021, arXiv:2103.03841, section 4.2.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real, fake = np.random.default_rng(0).normal(size=(2, 200, 4))
      >>> sfid = measure(metrics="sfid", real_spatial=real, fake_spatial=fake)["sfid"]
      >>> bool(sfid.low < 0.0 < sfid.high)
      True
    """
    if estimator not in ("corrected", "plain"):
        raise InputError(f"sfid setting estimator={estimator!r}; use 'corrected' or 'plain'")
    if estimator == "plain":
        return frechet.plain(pair, "sfid", 1, float32_mean, None, seed)
    if float32_mean:
        raise InputError("sfid setting float32_mean=True; it goes with estimator='plain' only")
    return frechet.corrected(pair, "sfid", level, seed)

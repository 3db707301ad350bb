"""CMMD: squared MMD with a Gaussian kernel, times 1000, for CLIP image embeddings.

It is about 0, positive or negative, at equal distributions; larger values mean larger differences.
On embeddings of length 1 its true value is at most 39.6, reached by opposite points.

It misleads on other features. The bandwidth of 10 is five times the largest distance between rows
of length 1, so on such rows it measures little more than the difference of the means. If rows are
much farther apart than 10, the kernel is near 0 and the distance is too small. Rows are used as
they are: divide CLIP embeddings by their lengths first, as the published program does.
"""

import numpy as np

from evaluation.core.arrays import blocks
from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.distances import mmd
from evaluation.errors import InputError

READS = "features"
NEEDS = ("real", "fake")
BETTER = "lower"
COLLAPSE = "higher"

LEAST_ROWS = 20
SCALE = 1000.0


def estimate(
    pair: Pair,
    *,
    level: float,
    seed: int,
    estimator: str = "unbiased",
    bandwidth: float = 10.0,
) -> MetricValue:
    """1000 [E k(x, x') + E k(y, y') - 2 E k(x, y)], k(x, y) = exp(-|x - y|^2 / (2 bandwidth^2)).

    "unbiased" leaves out the kernel of each row with itself; its interval is that of `kid`.
    "published" includes it, which adds 1000 [(1 - E k(x, x')) / n + (1 - E k(y, y')) / m] on
    average.

    Args:
      pair: features, CLIP embeddings of length 1, n and m >= 20 rows ("published": >= 2).
      level: confidence level of the interval.
      seed: unused: nothing is random.
      estimator: "unbiased" or "published".
      bandwidth: bandwidth of the kernel, > 0, or 0 for the median distance between real rows (at
        most 1000 of them).

    Returns:
      The estimate. "unbiased" is negative for about half of all samples at equal distributions, and
      its interval always reaches 0. Details: "standard_error", "published" (the value of that
      estimator), "bandwidth", "mean_length" (mean length of the rows, which should be 1).

    Raises:
      InputError: too few rows, rows too far apart for the bandwidth, or a wrong setting.

    Source:
      Jayasumana et al. 2023, arXiv:2401.09603, section 4; variance as in Sutherland 2019,
      arXiv:1906.02104.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real, fake = np.random.default_rng(0).normal(size=(2, 300, 8))
      >>> real, fake = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (real, fake))
      >>> cmmd = measure(real, fake, "cmmd")["cmmd"]
      >>> bool(cmmd.low < 0.0 < cmmd.high < cmmd.value + 0.2), cmmd.details["mean_length"]
      (True, 1.0)
    """
    if estimator not in ("unbiased", "published"):
        raise InputError(f"cmmd setting estimator={estimator!r}; use 'unbiased' or 'published'")
    unbiased = estimator == "unbiased"
    least = LEAST_ROWS if unbiased else 2
    pair.require("cmmd", least, least, "with an interval" if unbiased else "")
    width = mmd.choose_bandwidth(pair.real, bandwidth, "cmmd")
    mmd.check_differ("cmmd", pair.both[0])
    mmd.check_seen("cmmd", *pair.both, width)
    distance = mmd.mmd2(*pair.both, mmd.gaussian(width), level, dependent=pair.dependent)
    distance.check_alike("cmmd", width)
    details = {
        "published": SCALE * distance.biased,
        "bandwidth": width,
        "mean_length": _mean_length(pair),
    }
    if not unbiased:
        return MetricValue(
            value=SCALE * distance.biased,
            method="V-statistic, biased upwards; no interval",
            target="both populations",
            details=details,
        )
    return MetricValue(
        value=SCALE * distance.value,
        low=SCALE * distance.low,
        high=SCALE * distance.high,
        method=distance.method,
        target="both populations",
        details={"standard_error": SCALE * distance.error} | details,
    )


def _mean_length(pair: Pair) -> float:
    """Returns the mean length of all rows, real and fake, to nine digits."""
    assert pair.real is not None
    total = sum(
        float(np.sqrt(np.einsum("ij,ij->i", block, block)).sum())
        for rows in (pair.real, pair.fake)
        for block in blocks(rows)
    )
    return float(f"{total / (pair.n_real + pair.n_fake):.9g}")

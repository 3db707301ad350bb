"""RKE: the number of kinds of rows, from how often two random rows are alike.

It is 1 if all rows are alike. It is k for k equally frequent kinds of rows, each much narrower than
the bandwidth and much farther than the bandwidth from the others. The same number for the real rows
shows what to expect.

It misleads as a number of kinds when the bandwidth does not separate them. At the default, the
median distance between real rows, hardly any pair is quite different, and the score of the real
rows stays below 2e: it falls when the generator collapses, but it counts nothing. Rare kinds have
little weight, because each kind counts by the square of its fraction. It ignores quality.
"""

import math

import numpy as np

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.distances import mmd
from evaluation.errors import InputError
from evaluation.statistics.binomial import normal_quantile
from evaluation.statistics.degenerate import total_standard_error

READS = "features"
NEEDS = ("real", "fake")
BETTER = "higher"
COLLAPSE = "lower"

LEAST_ROWS = 20
MOST_ERROR = 0.5  # standard error of the logarithm: about four pairs of rows that are alike


def estimate(
    pair: Pair,
    *,
    level: float,
    seed: int,
    estimator: str = "unbiased",
    bandwidth: float = 0.0,
) -> MetricValue:
    """1 / E k(x, x')^2 with k(x, y) = exp(-|x - y|^2 / (2 bandwidth^2)).

    "unbiased" is a U-statistic, the mean over pairs of different rows. "published" includes each
    row with itself, 1 / |K / n|_F^2, which never exceeds n and is too low. The interval is that of
    the logarithm of the U-statistic. Its standard error has a part that is linear in the rows and a
    quadratic part, which alone remains if all kinds are equally frequent.

    Args:
      pair: features, n and m >= 20 rows; the real rows set the bandwidth and are scored, too.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      estimator: "unbiased" or "published".
      bandwidth: bandwidth of the kernel, > 0, or 0 for the median distance between real rows (at
        most 1000 of them); the interval treats it as fixed.

    Returns:
      The estimate, >= 1. Details: "plain" (the published value), "standard_error" (of the
      logarithm), "bandwidth", and "real", the same estimator for the real rows, unless too few of
      those are alike.

    Raises:
      InputError: too few rows, a wrong setting, or too few fake rows that are alike.

    Source:
      Jalali et al. 2023, arXiv:2302.10787, the mode count exp(RKE) of order 2.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> rng = np.random.default_rng(0)
      >>> real = np.eye(8)[rng.integers(8, size=500)]
      >>> fake = np.eye(8)[rng.integers(4, size=500)]
      >>> rke = measure(real, fake, "rke", settings={"rke": {"bandwidth": 0.2}})["rke"]
      >>> round(rke.value, 2), rke.low < 4 < rke.high, round(rke.details["real"], 1)
      (4.0, True, 8.0)
    """
    if estimator not in ("unbiased", "published"):
        raise InputError(f"rke setting estimator={estimator!r}; use 'unbiased' or 'published'")
    pair.require("rke", LEAST_ROWS, LEAST_ROWS, "with an interval")
    width = mmd.choose_bandwidth(pair.real, bandwidth, "rke")
    squared = mmd.gaussian(width / math.sqrt(2.0))  # the square of the kernel
    real, fake = (mmd.sums(rows, None, squared) for rows in pair.both)
    published = estimator == "published"
    details = {"plain": 1.0 / fake.whole, "bandwidth": width}
    if published:
        return MetricValue(
            value=1.0 / fake.whole,
            method="V-statistic, biased downwards; no interval",
            target="generated population",
            details=details | {"real": 1.0 / real.whole},
        )
    if _error(real) <= MOST_ERROR:
        details["real"] = 1.0 / real.mean
    error = _error(fake)
    if error > MOST_ERROR:
        raise InputError(
            f"fake_features has too few rows that are alike at bandwidth {width:.3g} (the standard"
            f" error of log(rke) is {error:.2g}, which must be {MOST_ERROR} or less): raise the"
            " bandwidth or give more rows"
        )
    low, high = _interval(fake, level)
    return MetricValue(
        value=1.0 / fake.mean,
        low=low,
        high=high,
        method="U-statistic, standard error of its logarithm",
        target="generated population",
        details=details | {"standard_error": error},
    )


def _error(sums: mmd.Sums) -> float:
    """Returns the standard error of the logarithm of the mean; inf if the mean is 0."""
    n = len(sums.rows)
    first = 4.0 * float(np.var(sums.rows, ddof=1)) / n
    second = 2.0 * sums.residual / n**2
    return total_standard_error(first, second) / sums.mean if sums.mean > 0.0 else math.inf


def _interval(sums: mmd.Sums, level: float) -> tuple[float, float]:
    """Returns the ends of the interval of 1 / mean.

    A fraction q of the population with (1 - q)^n >= (1 - level) / 2 may be unlike all observed
    rows. It would lower the mean by a factor (1 - q)^2; the upper end always allows for that.
    """
    half = normal_quantile(level) * _error(sums)
    seen = ((1.0 - level) / 2.0) ** (1.0 / len(sums.rows))
    return math.exp(-half) / sums.mean, max(math.exp(half), seen**-2) / sums.mean

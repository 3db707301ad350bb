"""Vendi score: the effective number of different rows, from the spectrum of their similarities.

It is 1 if all rows are alike, n if they have nothing in common. The same number for the real rows
shows what to expect.

It misleads as a measure of quality, which it ignores: noise scores high. It grows with the number
of rows until that is several times the number of dimensions that matter, so plain scores compare
only at equal n. Features that are all positive, such as Inception's, are alike to the cosine kernel
whatever they show, and the score is low. With a bandwidth from the generated rows themselves, a
collapsed generator would look as diverse as any, so the real rows set it.
"""

import dataclasses
import math

import numpy as np

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.distances import mmd, spectral_entropy
from evaluation.errors import InputError
from evaluation.statistics.binomial import normal_quantile

READS = "features"
NEEDS = ("fake",)
BETTER = "higher"
COLLAPSE = "lower"

LEAST_ROWS = 20
MOST_BIAS = 0.1  # largest bias of the entropy that its first order describes
MOST_DRIFT = 1.0 / 3.0  # largest |2 bias - bias of half the rows| / bias


def estimate(
    pair: Pair,
    *,
    level: float,
    seed: int,
    estimator: str = "corrected",
    kernel: str = "cosine",
    bandwidth: float = 0.0,
    order: float = 1.0,
) -> MetricValue:
    """exp(-sum_a l_a log l_a) of the eigenvalues l of K / n; order q: (sum_a l_a^q)^(1 / (1 - q)).

    The second moment of the rows in the kernel's feature space has the same eigenvalues, but for
    zeros. The score of n rows lies below that of their distribution. "corrected" removes that bias
    to first order, from the first- and second-order contributions of each row to the entropy, which
    also give the standard error. The value is corrected only if the bias b of the entropy is below
    0.1 in magnitude, and if the bias in halves of the rows differs from 2 b by at most a third of
    b. That takes about 5 rows for each dimension that matters. The interval is widened by this
    difference. With fewer rows the value is the plain one, without an interval.

    Args:
      pair: features, m >= 20 fake rows ("published": >= 2); real rows are optional, with the same
        minimum. A Gaussian kernel, and a cosine one of fewer rows than columns, take at most 10000
        rows.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      estimator: "corrected", or "published", the plain score without an interval.
      kernel: "cosine", or "gaussian", exp(-|x - y|^2 / (2 bandwidth^2)).
      bandwidth: bandwidth of the Gaussian kernel, > 0, or 0 for the median distance between real
        rows (at most 1000 of them); the interval treats it as fixed.
      order: q > 0; a large one counts only frequent rows, a small one also rare rows.

    Returns:
      The estimate; without bias correction it lies in [1, n]. Details: "plain"; for "corrected" the
      "bias" of the entropy, "left", the bias that may remain, and "standard_error"; with real rows,
      "real" and "real_plain", the same for them. With a Gaussian kernel also "bandwidth".

    Raises:
      InputError: too few or too many rows, a row of length 0 (cosine), or a wrong setting.

    Source:
      Friedman & Dieng 2022, arXiv:2210.02410, definition 3.1; orders: Pasarkar & Dieng 2023,
      arXiv:2310.12952. The correction is derived from the entropy's second derivative.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> rng = np.random.default_rng(0)
      >>> rows = np.eye(8)[rng.integers(8, size=500)] + 0.1 * rng.normal(size=(500, 8))
      >>> vendi = measure(metrics="vendi", fake_features=rows)["vendi"]
      >>> round(vendi.details["plain"], 2), round(vendi.value, 2), vendi.low < 8 < vendi.high
      (7.93, 7.99, True)
    """
    _check(estimator, kernel, bandwidth, order)
    corrected = estimator == "corrected"
    least = LEAST_ROWS if corrected else 2
    pair.require("vendi", 0 if pair.real is None else least, least, estimator)
    details: dict[str, float] = {}
    chosen = None
    if kernel == "gaussian":
        details["bandwidth"] = mmd.choose_bandwidth(pair.real, bandwidth, "vendi")
        chosen = mmd.gaussian(details["bandwidth"])
    if pair.real is not None:
        real_score = _score(pair.real, "real_features", chosen, order, corrected)
        details |= {"real": math.exp(real_score.value), "real_plain": math.exp(real_score.plain)}
    fake_score = _score(pair.fake, "fake_features", chosen, order, corrected)
    details |= {"plain": math.exp(fake_score.plain)} | fake_score.details
    if fake_score.error is None:
        return MetricValue(
            math.exp(fake_score.value),
            method=fake_score.method,
            target="generated population",
            details=details,
        )
    half = normal_quantile(level) * fake_score.error + fake_score.details["left"]
    return MetricValue(
        value=math.exp(fake_score.value),
        low=math.exp(fake_score.value - half),
        high=math.exp(fake_score.value + half),
        method=fake_score.method,
        target="generated population",
        details=details,
    )


def _check(estimator: str, kernel: str, bandwidth: float, order: float) -> None:
    """Raises InputError for settings that are invalid."""
    if estimator not in ("corrected", "published"):
        raise InputError(f"vendi setting estimator={estimator!r}; use 'corrected' or 'published'")
    if kernel not in ("cosine", "gaussian"):
        raise InputError(f"vendi setting kernel={kernel!r}; use 'cosine' or 'gaussian'")
    if kernel == "cosine" and bandwidth != 0.0:
        raise InputError(
            f"vendi setting bandwidth={bandwidth!r} needs the Gaussian kernel: add"
            " kernel='gaussian'"
        )
    if not 0.0 < order < math.inf:
        raise InputError(f"vendi setting order={order!r}; it must be above 0 and finite")


@dataclasses.dataclass(frozen=True)
class _Score:
    """The entropy of some rows.

    Attributes:
      plain: the entropy with its bias.
      method: the method of the interval, or the reason why there is none.
      bias: bias of `plain`; 0 if it is not removed.
      error: standard error, or None without an interval.
      details: details for the estimate.
    """

    plain: float
    method: str
    bias: float = 0.0
    error: float | None = None
    details: dict[str, float] = dataclasses.field(default_factory=dict)

    @property
    def value(self) -> float:
        """The entropy without its bias."""
        return self.plain - self.bias


def _score(
    rows: np.ndarray, name: str, kernel: mmd.Kernel | None, order: float, corrected: bool
) -> _Score:
    """Returns the entropy of rows (n, d), corrected if `corrected` is set and enough rows exist."""
    values, coordinates = spectral_entropy.spectrum(rows, name, kernel)
    entropy = spectral_entropy.Entropy.from_eigenvalues(values, order)
    if not corrected:
        return _Score(entropy.value, "plain score, biased downwards; no interval")
    if len(values) == 1:
        return _Score(entropy.value, "all rows alike; no interval")
    bias, error = spectral_entropy.bias_and_error(rows, entropy, coordinates)
    left = abs(2.0 * bias - spectral_entropy.bias_of_halves(rows, name, kernel, order))
    details = {"bias": bias, "left": left}
    if abs(bias) > MOST_BIAS or left > MOST_DRIFT * abs(bias):
        return _Score(entropy.value, "plain score, too few rows to correct; no interval")
    method = "influence functions of the entropy, bias removed"
    return _Score(entropy.value, method, bias, error, details | {"standard_error": error})

"""Mode KL: the Kullback-Leibler divergence of the generated class shares from the real ones.

How unequally the generator serves the classes that a classifier tells apart, in nats: 0 when all
come as often as in the data, log K when one of K equal classes takes all.

It misleads when the classifier is wrong about generated rows, and when real rows are few: a class
with a handful of real rows has a share that is hardly known, and the divergence weighs just those.
A mode that is never generated costs little; `modes` counts those.
"""

import math

import numpy as np
import scipy.special

from evaluation.errors import InputError
from evaluation.rows import Pair
from evaluation.statistics.binomial import normal_quantile
from evaluation.statistics.estimate import Finding

READS = "logits"
NEEDS = ("real", "fake")
BETTER = "lower"
COLLAPSE = "higher"

LEAST_ROWS = 20


def estimate(pair: Pair, *, level: float, seed: int) -> Finding:
    """sum_c p_c log(p_c / q_c) of the fake shares p and the real shares q, less its bias of 1/n.

    A row's class is its largest logit. The variance is that of the part that is linear in the
    shares, var_p(log p/q) / m + var_q(p/q) / n, or that of the quadratic part where it is larger,
    as near p = q. There the interval covers more often than it claims; where several classes have
    about one row it covers a few percent less.

    Args:
      pair: logits, n and m >= 20 rows, K >= 2 columns.
      level: confidence level of the interval.
      seed: unused: nothing is random.

    Returns:
      The estimate in nats, negative for about half of all samples when the shares are equal; the
      interval always reaches 0. Details: "plain" (with its bias), "bias", "standard_error".

    Raises:
      InputError: too few rows, one class only, or a generated class that no real row has, where
        the divergence has no estimate.

    Source:
      Mode counting as in Metz et al. 2017, arXiv:1611.02163; the bias as in Miller
      1955, Information Theory in Psychology, 95-100; the variance by the delta method.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real = np.eye(2)[np.repeat([0, 1], [500, 500])]
      >>> fake = np.eye(2)[np.repeat([0, 1], [750, 250])]
      >>> found = measure(metrics="mode_kl", real_logits=real, fake_logits=fake)["mode_kl"]
      >>> round(found.details["plain"], 4), round(found.value, 4), found.low > 0.08
      (0.1308, 0.1298, True)
    """
    pair.require("mode_kl", LEAST_ROWS, LEAST_ROWS, "with an interval")
    real, fake = pair.both
    classes = fake.shape[1]
    if classes < 2:
        raise InputError("fake_logits has one column; mode_kl needs two classes or more")
    reference = np.bincount(real.argmax(axis=1), minlength=classes)
    counts = np.bincount(fake.argmax(axis=1), minlength=classes)
    lacking = np.flatnonzero((counts > 0) & (reference == 0))
    if lacking.size:
        raise InputError(
            f"fake_logits has {counts[lacking[0]]} rows of class {lacking[0]} and real_logits none;"
            " mode_kl has no estimate there: give more real rows, or use modes"
        )
    value, plain = kl_divergence(counts, reference), _plain(counts, reference)
    error = _standard_error(counts, reference)
    half = normal_quantile(level) * error
    return Finding(
        value=value,
        low=value - half,
        high=max(value + half, 0.0),  # no divergence is negative
        method="debiased, delta method to second order",
        target="both populations",
        details={"plain": plain, "bias": plain - value, "standard_error": error},
    )


def kl_divergence(counts: np.ndarray, reference: np.ndarray) -> float:
    """KL(p || q) in nats from counts of p and q, without its bias of order 1/n.

    The plug-in value exceeds the truth by (classes of p - 1) / 2n for p's counts, and by
    sum p (1 - q) / 2nq for q's.

    Args:
      counts: of p, int, shape (K,).
      reference: of q, int, shape (K,).

    Returns:
      The divergence, possibly below 0 when p = q; inf where q lacks a class that p has.
    """
    here = counts > 0
    if (reference[here] == 0).any():
        return math.inf
    p, q = counts[here] / counts.sum(), reference[here] / reference.sum()
    bias = (here.sum() - 1) / (2 * counts.sum()) + (p * (1 - q) / q).sum() / (2 * reference.sum())
    return _plain(counts, reference) - float(bias)


def _plain(counts: np.ndarray, reference: np.ndarray) -> float:
    """KL of the shares as they come."""
    shares = counts / counts.sum(), reference / reference.sum()
    return float(scipy.special.rel_entr(*shares).sum())


def _standard_error(counts: np.ndarray, reference: np.ndarray) -> float:
    """Of `kl_divergence`: Taylor's first order in both shares, or its second, which never dies."""
    m, n = counts.sum(), reference.sum()
    here = reference > 0
    p, q = counts[here] / m, reference[here] / n
    ratio = p / q
    log = np.log(ratio, out=np.zeros_like(p), where=p > 0.0)
    first = (p @ log**2 - (p @ log) ** 2) / m + (p @ ratio - 1.0) / n
    rest = 1.0 - p @ p
    seen = np.sum((1.0 - p[p > 0.0]) ** 2)
    crossed = np.sum(ratio * (1.0 - p) * (1.0 - q))
    own = np.sum((ratio * (1.0 - q)) ** 2)
    second = 0.5 * ((seen + rest) / m**2 + (own + rest) / n**2) + (crossed + rest) / (n * m)
    return math.sqrt(max(float(first), float(second)))

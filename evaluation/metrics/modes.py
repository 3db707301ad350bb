"""Modes: how many of the classes that real data have the generator produces as well."""

import math

import numpy as np
import scipy.special

from evaluation.errors import InputError
from evaluation.rows import Pair
from evaluation.statistics.binomial import clopper_pearson
from evaluation.statistics.estimate import Finding

READS = "logits"
NEEDS = ("real", "fake")
BETTER = "higher"
COLLAPSE = "lower"


def estimate(pair: Pair, *, level: float, seed: int, share: float = 0.1) -> Finding:
    """Classes whose share of the generated rows is at least `share` times their share of the real.

    A row's class is its largest logit. Only classes that occur among the real rows are modes. The
    interval counts with simultaneous bounds: `low` the modes that are surely covered (the lower
    bound of the generated share exceeds `share` times the upper bound of the real share), `high`
    all but those surely missed. Each of the 2 K bounds is Clopper and Pearson's with error
    (1 - level) / (2 K), so that by Bonferroni all hold together.

    Args:
      pair: logits, n >= 1 and m >= 1 rows, K >= 2 columns.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      share: how much of the real share counts as covered, in (0, 1].

    Returns:
      The estimate, a whole number. Details: "total_modes", "real_shares" and "fake_shares" (one
      number per class), "missing" (classes not covered), and "kl", KL(fake || real) of the class
      shares without its bias of order 1/n; inf where a generated class never occurs in real data.

    Raises:
      InputError: one class only, too few generated rows to see every mode, or a wrong share.

    Source:
      Clopper & Pearson 1934; mode counting as in Metz et al. 2017, arXiv:1611.02163.
    """
    real, fake = pair.both
    classes = fake.shape[1]
    if classes < 2:
        raise InputError("fake_logits has one column; modes needs two classes or more")
    if not 0.0 < share <= 1.0:
        raise InputError(f"modes setting share={share}; it must lie in (0, 1]")
    counts_real = np.bincount(real.argmax(axis=1), minlength=classes)
    counts_fake = np.bincount(fake.argmax(axis=1), minlength=classes)
    modes = np.flatnonzero(counts_real)
    pair.require("modes", len(modes), len(modes), f"{len(modes)} modes, one row each")
    shares_real, shares_fake = counts_real / len(real), counts_fake / len(fake)
    covered = shares_fake[modes] >= share * shares_real[modes]
    low, high = _sure(counts_real[modes], counts_fake[modes], pair, share, level)
    return Finding(
        value=float(covered.sum()),
        low=float(min(low, covered.sum())),
        high=float(max(high, covered.sum())),
        method="simultaneous Clopper-Pearson",
        target="both populations",
        details={
            "total_modes": len(modes),
            "real_shares": shares_real.tolist(),
            "fake_shares": shares_fake.tolist(),
            "missing": modes[~covered].tolist(),
            "kl": kl_divergence(counts_fake, counts_real),
        },
    )


def _sure(
    real: np.ndarray, fake: np.ndarray, pair: Pair, share: float, level: float
) -> tuple[int, int]:
    """The number of modes surely covered, and of those not surely missed."""
    error = (1.0 - level) / (2.0 * len(real))
    low = high = 0
    for count_real, count_fake in zip(real.tolist(), fake.tolist(), strict=True):
        real_low, real_high = clopper_pearson(count_real, pair.n_real, error)
        fake_low, fake_high = clopper_pearson(count_fake, pair.n_fake, error)
        low += fake_low > share * real_high
        high += fake_high >= share * real_low
    return low, high


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
    plain = scipy.special.rel_entr(p, q).sum()
    bias = (here.sum() - 1) / (2 * counts.sum()) + (p * (1 - q) / q).sum() / (2 * reference.sum())
    return float(plain - bias)

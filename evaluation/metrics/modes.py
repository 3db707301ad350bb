"""Modes: the number of classes of the real data that the generator also produces.

It counts the classes that a classifier assigns to generated rows, so lost classes have names. The
details also test for each class if it comes too rarely or too often.

It misleads when the classifier is wrong about generated rows (it must assign one class even to
noise), when modes are finer than its classes, and when there are few rows: a class that is rare in
the data is then easily missed, or hit, by chance.
"""

import numpy as np

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.errors import InputError
from evaluation.metrics.mode_kl import kl_divergence
from evaluation.statistics.binomial import clopper_pearson, equal_share_p_values
from evaluation.statistics.labels import class_counts
from evaluation.statistics.levels import rejects
from evaluation.statistics.multiplicity import holm

READS = "logits"
NEEDS = ("real", "fake")
BETTER = "higher"
COLLAPSE = "lower"


def estimate(pair: Pair, *, level: float, seed: int, share: float = 0.1) -> MetricValue:
    """Number of classes whose generated frequency is at least `share` times the real frequency.

    The class of a row is its largest logit. Only classes that occur among the real rows are modes.
    The interval counts with simultaneous bounds. `low` counts the modes that are surely covered:
    the lower bound of the generated frequency exceeds `share` times the upper bound of the real
    frequency. `high` counts all modes but those surely missed. Each of the 2 K bounds is Clopper
    and Pearson's with error (1 - level) / (2 K), so that by Bonferroni all hold together.

    Args:
      pair: logits, n >= 1 and m >= 1 rows, K >= 2 columns.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      share: fraction of the real frequency that counts as covered, in (0, 1].

    Returns:
      The estimate, a whole number. Details: "total_modes", "real_shares" and "fake_shares"
      (frequencies, one per class), "missing" (classes not covered), "kl" as in the metric mode_kl,
      inf if a generated class never occurs in real data, and "p_values" of equal frequencies (one
      per class, two-sided, Holm's for all classes at once) with the classes that reject at
      1 - level, "too_few" and "too_many".

    Raises:
      InputError: only one class, too few generated rows to see every mode, a row without a class
        (two largest logits), or a wrong share.

    Source:
      Clopper & Pearson 1934; mode counting as in Metz et al. 2017, arXiv:1611.02163.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> logits = np.eye(4)[np.repeat([0, 1, 2, 3], 50)]
      >>> score = measure(metrics="modes", real_logits=logits, fake_logits=logits[:110])["modes"]
      >>> score.value, score.details["missing"], score.details["too_many"]
      (3.0, [3], [0, 1])
    """
    real, fake = pair.both
    classes = fake.shape[1]
    if classes < 2:
        raise InputError("fake_logits has one column; modes needs two classes or more")
    if not 0.0 < share <= 1.0:
        raise InputError(f"modes setting share={share}; it must lie in (0, 1]")
    counts_real, counts_fake = class_counts(real, "real_logits"), class_counts(fake, "fake_logits")
    modes = np.flatnonzero(counts_real)
    pair.require("modes", len(modes), len(modes), f"{len(modes)} modes, one row each")
    frequencies_real, frequencies_fake = counts_real / len(real), counts_fake / len(fake)
    covered = frequencies_fake[modes] >= share * frequencies_real[modes]
    p_values = holm(equal_share_p_values(counts_fake, len(fake), counts_real, len(real)))
    apart, fewer = rejects(p_values, level), frequencies_fake < frequencies_real
    low, high = _sure(counts_real[modes], counts_fake[modes], pair, share, level)
    return MetricValue(
        value=float(covered.sum()),
        low=float(min(low, covered.sum())),
        high=float(max(high, covered.sum())),
        method="simultaneous Clopper-Pearson",
        target="both populations",
        details={
            "total_modes": len(modes),
            "real_shares": frequencies_real.tolist(),
            "fake_shares": frequencies_fake.tolist(),
            "missing": modes[~covered].tolist(),
            "kl": kl_divergence(counts_fake, counts_real),
            "p_values": p_values.tolist(),
            "too_few": np.flatnonzero(apart & fewer).tolist(),
            "too_many": np.flatnonzero(apart & ~fewer).tolist(),
        },
    )


def _sure(
    real: np.ndarray, fake: np.ndarray, pair: Pair, share: float, level: float
) -> tuple[int, int]:
    """Returns the number of modes surely covered, and the number not surely missed."""
    error = (1.0 - level) / (2.0 * len(real))
    low = high = 0
    for count_real, count_fake in zip(real.tolist(), fake.tolist(), strict=True):
        real_low, real_high = clopper_pearson(count_real, pair.n_real, error)
        fake_low, fake_high = clopper_pearson(count_fake, pair.n_fake, error)
        low += fake_low > share * real_high
        high += fake_high >= share * real_low
    return low, high

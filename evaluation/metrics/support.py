"""Support: the number of different rows the generator can make, from duplicates among its samples.

By the birthday paradox, s rows from N equally likely ones hold about s^2 / 2N pairs of duplicates.
A few hundred rows thus reveal a support of tens of thousands, without any real data.

It misleads when "the same" is defined wrongly. Exact copies, the default, never occur among
continuous features, so choose a `radius` by looking at pairs at that distance; a radius that is too
large merges different rows. For unequal probabilities it estimates 1 / sum p^2, the support of the
uniform distribution with as many duplicates, which is less than the number of different rows.
"""

import numpy as np

from evaluation.core import validation
from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.statistics.binomial import garwood

READS = "features"
NEEDS = ("fake",)
BETTER = "higher"
COLLAPSE = None  # without duplicates it says nothing about modes

LEAST_ROWS = 50  # with fewer, few pairs say too little about unequal probabilities
BLOCK_ENTRIES = 4_000_000  # distances held at once
UNSEEN_MEETINGS = 2.0  # see `_overdispersion`
LARGEST_RADIUS = 1e100  # its square is finite; no two rows are as far apart
ROUNDING = 1e-11  # relative error of distances by products; within it they are computed again


def estimate(pair: Pair, *, level: float, seed: int, radius: float = 0.0) -> MetricValue:
    """Half of s (s - 1) / pairs, pairs of rows at most `radius` apart; 0 pairs count as 1.

    For equal probabilities the pairs are uncorrelated and their number is nearly Poisson, so the
    interval is Garwood's for its mean, inverted. Unequal probabilities multiply the variance by a
    factor f = var / mean, estimated from the rows that are in several pairs; the interval is then
    Garwood's for pairs / f.

    Args:
      pair: features of generated rows only, s >= 50 rows.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      radius: Euclidean distance up to which two rows are the same, 0 (exact copies) to 1e100.

    Returns:
      The estimate, >= 1. Without a pair the upper end is inf, and the value is only the largest
      support that s rows can detect. Details: "pairs", "in_pairs" (rows that have a duplicate),
      "overdispersion" (f).

    Raises:
      InputError: too few rows or a radius out of range.

    Source:
      Arora & Zhang 2017, arXiv:1706.08224; Garwood 1936, Biometrika 28(3/4), 437-442.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> fake = np.random.default_rng(0).integers(10_000, size=(1000, 1))
      >>> score = measure(fake_features=fake, metrics="support")["support"]
      >>> score.details["pairs"], round(score.value), round(score.low), round(score.high)
      (50, 9990, 7578, 13460)
    """
    validation.check_range("support setting radius", radius, 0.0, LARGEST_RADIUS)
    pair.require("support", 0, LEAST_ROWS, "with an interval")
    degrees = _copies(pair.fake) if radius == 0.0 else _near(pair.fake, radius)
    s, pairs = len(degrees), int(degrees.sum()) // 2
    possible = s * (s - 1) / 2.0
    spread = _overdispersion(degrees, pairs)
    low, high = (spread * end for end in garwood(pairs / spread, level))
    largest = possible / low if low else np.inf
    if pairs == possible:  # a second row may exist, too rare for this sample
        unseen = 1.0 - ((1.0 - level) / 2.0) ** (1.0 / s)
        largest = max(largest, 1.0 / (1.0 - unseen) ** 2)
    return MetricValue(
        value=possible / max(pairs, 1),
        low=possible / high,
        high=float(largest),
        method="Garwood on pairs, for their spread" if pairs else "Garwood; no duplicates",
        target="generated population",
        details={
            "pairs": pairs,
            "in_pairs": int((degrees > 0).sum()),
            "overdispersion": spread,
        },
    )


def _overdispersion(degrees: np.ndarray, pairs: int) -> float:
    """Returns variance / mean of the number of pairs, >= 1, from the duplicates of each row.

    The number of pairs is a U-statistic: with t = E of a pair and w = E of two pairs that share a
    row, its variance is s (s - 1) / 2 [2 (s - 2) (w - t^2) + t - t^2]. The count of such meetings
    of two pairs is raised by two, because few observed pairs say little about meetings.
    """
    if not pairs:
        return 1.0
    s = len(degrees)
    t = 2.0 * pairs / (s * (s - 1.0))
    meetings = float(np.sum(degrees * (degrees - 1.0))) / 2.0 + UNSEEN_MEETINGS
    w = 2.0 * meetings / (s * (s - 1.0) * (s - 2.0))
    return max(1.0, (2.0 * (s - 2) * (w - t * t) + t - t * t) / t)


def _copies(rows: np.ndarray) -> np.ndarray:
    """Counts the other rows that are exact copies of each row; float64, shape (s,)."""
    where: dict[bytes, int] = {}
    label = np.array([where.setdefault((row + 0.0).tobytes(), len(where)) for row in rows])
    return np.bincount(label)[label] - 1.0


def _near(rows: np.ndarray, radius: float) -> np.ndarray:
    """Counts the other rows within `radius` of each row; float64, shape (s,)."""
    centre = rows.mean(axis=0, dtype=np.float64)
    s, d = rows.shape
    degrees = np.zeros(s)
    step = max(1, min(int(np.sqrt(BLOCK_ENTRIES)), BLOCK_ENTRIES // d))
    for start in range(0, s, step):
        a = rows[start : start + step].astype(np.float64) - centre
        norms_a = np.square(a).sum(axis=1)
        for other in range(start, s, step):
            b = rows[other : other + step].astype(np.float64) - centre
            norms_b = np.square(b).sum(axis=1)
            gaps = norms_a[:, None] + norms_b - 2.0 * (a @ b.T)
            inside = gaps <= radius**2
            tolerance = ROUNDING * (norms_a.max() + norms_b.max())
            i, j = np.nonzero(np.abs(gaps - radius**2) <= tolerance)
            for k in range(0, len(i), step):
                at = i[k : k + step], j[k : k + step]
                differences = rows[start + at[0]].astype(np.float64) - rows[other + at[1]]
                inside[at] = np.square(differences).sum(axis=1) <= radius**2
            if other == start:
                np.fill_diagonal(inside, False)
            else:
                degrees[other : other + step] += inside.sum(axis=0)
            degrees[start : start + step] += inside.sum(axis=1)
    return degrees

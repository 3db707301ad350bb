"""PRD recall: the fraction of the real distribution that the generator covers, F_8 of PRD.

The feature space is divided into cells, and the real fraction of each cell is compared with its
generated fraction. F_8 is the largest (1 + 64) p r / (64 p + r) on the curve of precision p against
recall r (PRD): nearly the recall at a precision of at least a few percent. It is 1 if all cells
have equal fractions, and near 1 - s if cells with a fraction s of the real rows get no generated
rows.

It misleads when cells are large: gaps within a cell are not seen, and twenty cells tell little of a
thousand classes. Clusters of other rows are other cells, so values compare only roughly between
data sets. A value near 1 is too small by chance, the more so with few rows.
"""

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.estimators.f_beta import f_beta_value

READS = "features"
NEEDS = ("real", "fake")
BETTER = "higher"
COLLAPSE = "lower"

BETA = 8.0


def estimate(
    pair: Pair,
    *,
    level: float,
    seed: int,
    estimator: str = "held_out",
    clusters: int = 20,
    runs: int = 10,
    angles: int = 1001,
) -> MetricValue:
    """The largest (1 + b) alpha / (1 + b lambda), alpha = sum_i min(lambda p_i, q_i), b = 64.

    "held_out" places the cells by k-means with a third of the smaller side's rows and as many rows
    of the other side, drawn at random. The other rows give the fractions p (real) and q (generated)
    of each cell. The maximum over lambda is exact. The interval is about the fractions of the two
    distributions in these cells, which are held fixed. F of samples is too small, at equal
    distributions always. The upper end allows for that with a test from the placing rows, which are
    not counted, and never passes 1, the largest possible F. At level 0.95 it covered 0.94 to 0.98
    of simulated distributions that differ, and 0.98 to 1.00 near equal ones, with ten or more
    counted rows a cell.

    Args:
      pair: features, n and m >= 60 rows ("published": >= `clusters`).
      level: confidence level of the interval.
      seed: seed of the choice of placing rows, and of k-means.
      estimator: "held_out", or "published": cells placed by all rows, equally many of each side,
        and the curve at `angles` points averaged over `runs` runs of k-means; it has no interval.
      clusters: largest number of cells, >= 2; fewer if the smaller side has not ten counted rows
        for each.
      runs: number of k-means runs, 1 to 10000; only with "published".
      angles: number of points of the curve, 3 to 1000000; only with "published".

    Returns:
      The estimate, in [0, 1]. Details: "cells" (number of cells), "lambda" (position of the
      maximum), "standard_error", "real_shares" and "fake_shares" (fractions, one for each cell).

    Raises:
      InputError: too few rows, rows that are all the same, or a wrong setting.

    Source:
      Sajjadi et al. 2018, arXiv:1806.00035, section 4 (F_8 and F_1/8); the minimax and the interval
      are derived in `evaluation/estimators/f_beta.py` and checked by simulation.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> rng = np.random.default_rng(0)
      >>> real = np.eye(10)[rng.integers(0, 10, 900)]
      >>> fake = np.eye(10)[rng.integers(0, 7, 900)]  # lacks three of ten
      >>> score = measure(real, fake, "prd_recall")["prd_recall"]
      >>> score.low < 0.7 < score.high
      True
    """
    return f_beta_value(pair, "prd_recall", BETA, level, seed, estimator, clusters, runs, angles)

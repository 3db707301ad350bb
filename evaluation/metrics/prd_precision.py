"""PRD precision: the share of the generated law that is like the data, F_1/8 of the PRD curve.

The feature space is cut into cells, and each cell's real share is compared with its generated one.
F_1/8 is the largest (1 + 1/64) p r / (p / 64 + r) on the curve of precision p against recall r:
nearly the precision that can be had at no less than a few percent of recall. 1 where all cells have
equal shares, near 1 - s where a share s of the generated rows lies in cells without real rows.

It misleads when cells are large: generated rows that lie in a cell with real rows, however far from
them, count as like the data. Clusters of other rows are other cells, so values compare only roughly
between data sets; and a value near 1 is too small by chance, the more so with few rows. Lost modes
lower it a little, as one mode alone has all modes' rows.
"""

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.estimators.prd import finding

READS = "features"
NEEDS = ("real", "fake")
BETTER = "higher"
COLLAPSE = "lower"

BETA = 1.0 / 8.0


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
    """The largest (1 + b) alpha / (1 + b lambda), alpha = sum_i min(lambda p_i, q_i), b = 1/64.

    "held_out" places the cells by k-means with a third of the smaller side's rows and as many of
    the other's, drawn at random, and takes the shares p (real) and q (generated) from the rest. The
    maximum over lambda is exact. The interval is about the two laws' shares in these cells, which
    it takes as they are. F of samples is too small, at equal laws always; the interval's upper end
    allows for that with a test of the placing rows, which no counted row has seen, and never passes
    1, the largest F there is. At 0.95 it covered 0.94 to 0.98 of simulated laws that
    differ, and 0.98 to 1.00 near equal ones, with ten or more counted rows a cell.

    Args:
      pair: features, n and m >= 60 rows ("published": >= `clusters`).
      level: confidence level of the interval.
      seed: of the rows that place the cells, and of k-means.
      estimator: "held_out", or "published": cells placed by all rows, of each side as many, the
        curve at `angles` points averaged over `runs` runs of k-means; it has no interval.
      clusters: largest number of cells, >= 2; fewer where the smaller side has not ten counted rows
        for each.
      runs: of k-means, 1 to 10000; only with "published".
      angles: points of the curve, 3 to 1000000; only with "published".

    Returns:
      The estimate, in [0, 1]. Details: "cells", "lambda" (where the maximum is),
      "standard_error", "real_shares" and "fake_shares" (one number for each cell).

    Raises:
      InputError: too few rows, rows that are all the same, or a wrong setting.

    Source:
      Sajjadi et al. 2018, arXiv:1806.00035, section 4 (F_8 and F_1/8); the minimax and the interval
      are derived in `evaluation/estimators/prd.py` and checked by simulation.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> rng = np.random.default_rng(0)
      >>> real = np.eye(10)[rng.integers(0, 7, 900)]
      >>> fake = np.eye(10)[rng.integers(0, 10, 900)]  # three of ten are bad
      >>> found = measure(real, fake, "prd_precision")["prd_precision"]
      >>> found.low < 0.7 < found.high
      True
    """
    return finding(pair, "prd_precision", BETA, level, seed, estimator, clusters, runs, angles)

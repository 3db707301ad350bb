"""NDB: the fraction of feature-space cells in which real and generated frequencies differ.

The feature space is divided into cells by the real rows. A test for each cell compares the
frequency of generated rows there with that of real rows. The metric shows lost or overfed regions,
lists them in the details, and needs no Gaussian shape. At equal distributions about alpha of the
cells differ by chance.

It misleads when samples are small, where few differences are detectable and every generator looks
good, and when they are huge, where every difference is detectable: compare only at equal sizes. It
sees how many rows a cell holds, never how they lie in it.
"""

import numpy as np
from scipy import stats

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.errors import InputError
from evaluation.statistics import bins as cells
from evaluation.statistics.binomial import clopper_pearson, equal_share_p_values
from evaluation.statistics.levels import rejects
from evaluation.statistics.multiplicity import benjamini_hochberg, holm

READS = "features"
NEEDS = ("real", "fake")
BETTER = "lower"
COLLAPSE = "higher"

LEAST_REAL, LEAST_FAKE = 60, 20
ROWS_PER_BIN = 10  # counted real rows, on average


def estimate(
    pair: Pair, *, level: float, seed: int, bins: int = 100, alpha: float = 0.05
) -> MetricValue:
    """(cells whose two-proportion test rejects at alpha) / K, cells from k-means on real rows.

    A third of the real rows, drawn at random, places the K centres and is not counted: rows that
    placed a centre lie nearer to it than new rows do. K is `bins`, or fewer if there are not ten
    counted real rows for each cell. Tests are the pooled z, or Fisher's if fewer than 5 rows are
    expected.

    The interval is about the expected fraction at these sample sizes with these cells. Tests of
    different cells are nearly independent and differ in power, so the number of rejections varies
    less than a binomial count, and Clopper and Pearson's interval over K trials covers at least as
    often as its level. The number of cells that truly differ has only a lower bound, no upper one:
    "surely_different".

    Args:
      pair: features, n >= 60 and m >= 20 rows.
      level: confidence level of the interval.
      seed: seed of the third that places the centres, and of k-means.
      bins: largest number of cells, >= 2.
      alpha: error of each cell's test, in (0, 1).

    Returns:
      The estimate, in [0, 1]; about alpha at equal distributions. Details: "bins" (K), "different"
      (number of rejections), "surely_different" (the same by Holm at 1 - level), "different_bh" (by
      Benjamini-Hochberg at alpha), "p_value" (chi-square of all cells, see `homogeneity`),
      "real_shares", "fake_shares" and "holm_p_values" (one number for each cell, largest real
      frequency first).

    Raises:
      InputError: too few rows, identical real rows, or a wrong setting.

    Source:
      Richardson & Weiss 2018, arXiv:1805.12462.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real = np.random.default_rng(0).standard_normal((300, 2))
      >>> score = measure(real, np.abs(real[:200]), "ndb")["ndb"]
      >>> score.details["bins"], score.value > 0.5, score.details["p_value"] < 1e-6
      (20, True, True)
    """
    if bins < 2:
        raise InputError(f"ndb setting bins={bins}; it must be at least 2")
    if not 0.0 < alpha < 1.0:
        raise InputError(f"ndb setting alpha={alpha}; it must lie strictly between 0 and 1")
    pair.require("ndb", LEAST_REAL, LEAST_FAKE, "a third of the real rows places the cells")
    real, fake = counts(pair, bins, seed)
    n, m = int(real.sum()), int(fake.sum())
    p_values = equal_share_p_values(fake, m, real, n)
    different = int((p_values <= alpha).sum())
    sure = holm(p_values)
    low, high = clopper_pearson(different, len(real), (1.0 - level) / 2.0)
    return MetricValue(
        value=different / len(real),
        low=low,
        high=high,
        method="Clopper-Pearson over the cells",
        target="both populations",
        details={
            "bins": len(real),
            "different": different,
            "surely_different": int(rejects(sure, level).sum()),
            "different_bh": int((benjamini_hochberg(p_values) <= alpha).sum()),
            "p_value": homogeneity(real, fake),
            "real_shares": (real / n).tolist(),
            "fake_shares": (fake / m).tolist(),
            "holm_p_values": sure.tolist(),
        },
    )


def counts(pair: Pair, bins: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts real and fake rows in each cell, int, shape (K,), by falling real count."""
    real, fake = pair.both
    real = cells.shuffled(real, seed)
    placing = len(real) // 3
    most = min(bins, (len(real) - placing) // ROWS_PER_BIN, placing)
    centres = cells.fit_centres(real[:placing], most, seed)
    if len(centres) < 2:
        raise InputError("real_features has identical rows only; ndb needs rows that differ")
    both = [
        np.bincount(cells.cells_of(rows, centres), minlength=len(centres))
        for rows in (real[placing:], fake)
    ]
    order = np.argsort(-both[0], kind="stable")
    return both[0][order], both[1][order]


def homogeneity(real: np.ndarray, fake: np.ndarray) -> float:
    """P-value of Pearson's chi-square test that all K cells have equal frequencies.

    It has K - 1 degrees of freedom. Cells in which fewer than 5 rows of a side are expected count
    as one.
    """
    n, m = real.sum(), fake.sum()
    sparse = (real + fake) * (min(n, m) / (n + m)) < 5.0
    table = np.array([np.append(side[~sparse], side[sparse].sum()) for side in (real, fake)])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 1.0
    return float(stats.chi2_contingency(table, correction=False).pvalue)

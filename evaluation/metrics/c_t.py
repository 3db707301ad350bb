"""C_T: a test for copying, by distances of generated and of held-out rows to the training rows.

A generator that learned the distribution keeps the same distance from its training rows as new data
do, and C_T is about 0. A value far below 0 means copying. A value far above 0 means that generated
rows stray from the data.

It misleads when the held-out rows do not come from the distribution of the training rows (another
source, or copies of training rows among them), when a few cells copy and others stray so that the
mean hides both (see the details), and when rows are copied but changed by more than the features
ignore. It grows with the number of rows, so compare only at equal sizes.
"""

import numpy as np
from scipy import stats

from evaluation.core.estimate import MetricValue
from evaluation.core.nearest import nearest
from evaluation.core.pair import Pair
from evaluation.errors import InputError
from evaluation.statistics import bins
from evaluation.statistics.binomial import normal_quantile

READS = "features"
NEEDS = ("real", "fake", "train")
BETTER = "higher"
COLLAPSE = None

LEAST_ROWS = 20


def estimate(
    pair: Pair, *, level: float, seed: int, cells: int = 3, least_rows: int = LEAST_ROWS
) -> MetricValue:
    """sum_c P(c) Z_c / sum_c P(c), Z_c the Mann-Whitney z of nearest-training-row distances.

    K-means on the training rows divides the space into cells. In each cell, U counts the pairs in
    which the generated row is farther than the held-out row from its nearest training row of that
    cell; ties count half. Z_c = (U - n m / 2) / sqrt(n m (n + m + 1) / 12), and P(c) is the
    fraction of the held-out rows in the cell. Cells with fewer than `least_rows` rows on either
    side are left out.

    The interval holds cells and training rows fixed. For a fixed number of rows in each cell, the
    rows are independent and U has DeLong's variance. The number of rows in each cell is
    multinomial; the delta method adds its part of the variance.

    Args:
      pair: features; `real` are held-out rows; n, m and t >= 20 rows.
      level: confidence level of the interval.
      seed: seed of k-means.
      cells: number of cells, >= 1.
      least_rows: least number of generated and of held-out rows in a cell, >= 2.

    Returns:
      The estimate. At equal distributions its mean is 0 and its standard deviation is "null_sd",
      which is 1 with one cell. Details: "null_sd", "p_value" (one-sided: small if rows are copied),
      "cells" (number of cells used), "cell_z" and "cell_shares" (fraction of the held-out rows; one
      number per used cell), "standard_error".

    Raises:
      InputError: too few rows, no cell with enough rows, or a wrong setting.

    Source:
      Meehan, Chaudhuri & Dasgupta 2020, arXiv:2004.05675; variance: DeLong, DeLong &
      Clarke-Pearson 1988, Biometrics 44(3), 837-845.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> train, held_out = np.random.default_rng(0).standard_normal((2, 300, 2))
      >>> copies = measure(held_out, train[:200] + 1e-3, "c_t", train_features=train)["c_t"]
      >>> copies.value < -10, copies.details["p_value"] < 1e-20
      (True, True)
    """
    if cells < 1 or least_rows < 2:
        raise InputError(
            f"c_t settings cells={cells}, least_rows={least_rows}; use at least 1 and at least 2"
        )
    least = max(LEAST_ROWS, least_rows)
    pair.require("c_t", least, least, "enough for one cell", train=max(LEAST_ROWS, cells))
    assert pair.real is not None and pair.train is not None
    train = pair.train.astype(np.float64, copy=False)
    centres = bins.fit_centres(train, cells, seed)
    train_cells, real_cells, fake_cells = (
        bins.cells_of(rows, centres) for rows in (train, pair.real, pair.fake)
    )
    per_cell = []
    for cell in range(len(centres)):
        real, fake = pair.real[real_cells == cell], pair.fake[fake_cells == cell]
        if min(len(real), len(fake)) >= least_rows:
            here = train[train_cells == cell]
            distances = [nearest(here, x)[1][:, 0] for x in (fake, real)]
            per_cell.append((len(real), len(fake), *_z(distances[0], distances[1])))
    if not per_cell:
        raise InputError(
            f"no cell has {least_rows} real and {least_rows} fake rows; c_t needs one: give more"
            f" rows, or fewer cells than {cells}"
        )
    sizes, fakes, z, variances = np.array(per_cell).T
    fractions = sizes / sizes.sum()
    value = float(fractions @ z)
    within = float(fractions**2 @ variances)
    between = _cell_size_variance(sizes, fakes, z, pair.n_real, pair.n_fake)
    error = np.sqrt(within + between)
    null_sd = float(np.sqrt(fractions @ fractions))
    half = normal_quantile(level) * float(error)
    return MetricValue(
        value=value,
        low=value - half,
        high=value + half,
        method="DeLong's variance, delta method",
        target="both populations",
        details={
            "null_sd": null_sd,
            "p_value": float(stats.norm.cdf(value / null_sd)),
            "cells": len(z),
            "cell_z": z.tolist(),
            "cell_shares": (sizes / pair.n_real).tolist(),
            "standard_error": float(error),
        },
    )


def _z(fake: np.ndarray, real: np.ndarray) -> tuple[float, float]:
    """Returns Z of the Mann-Whitney U of two samples of distances, and the variance of Z.

    The variance comes from placements: for each row, the fraction of the other sample that lies
    below it. One placement of 1/2 is added to each side, so that complete separation does not count
    as certainty. If there are only ties, the variance is that of equal distributions.
    """
    m, n = len(fake), len(real)
    fake_placements, real_placements = _below(real, fake), 1.0 - _below(fake, real)
    u = n * m * float(fake_placements.mean())
    null = n * m * (n + m + 1) / 12.0
    variances = [
        (float(np.var(np.append(x, 0.5), ddof=1)) or 1.0 / 12.0) / len(x)
        for x in (fake_placements, real_placements)
    ]
    return (u - n * m / 2.0) / np.sqrt(null), (n * m) ** 2 * sum(variances) / null


def _cell_size_variance(real: np.ndarray, fake: np.ndarray, z: np.ndarray, n: int, m: int) -> float:
    """Returns the part of C_T's variance that comes from the random sizes of the cells.

    In a cell with r held-out and f generated rows, Z grows with sqrt(r f / (r + f)).
    """
    total = real.sum()
    value = real @ z / total
    by_real = (z - value + 0.5 * z * fake / (real + fake)) / total
    by_fake = 0.5 * z * real**2 / (fake * (real + fake)) / total
    spread = [
        count @ slope**2 - (count @ slope) ** 2 / rows
        for count, slope, rows in ((real, by_real, n), (fake, by_fake, m))
    ]
    return float(sum(spread))


def _below(sample: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Returns the fraction of `sample` below each point, ties counted half; shape (points,)."""
    ascending = np.sort(sample)
    left, right = (np.searchsorted(ascending, points, side) for side in ("left", "right"))
    return (left + right) / (2.0 * len(sample))

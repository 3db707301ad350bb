"""C_T: whether generated rows lie nearer to the training rows than held-out real rows do.

A generator that learned the law keeps the same distance from its training rows as new data do:
C_T is then about 0. Far below 0 it copies; far above 0 its rows stray from the data.

It misleads when the held-out rows are not of the law of the training rows (other sources, copies
of training rows among them), when a few cells copy and others stray so that the mean hides both
(see the details), and when rows are copied but changed by more than the features ignore. It grows
with the number of rows: compare only at equal sizes.
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

    K-means on the training rows cuts the space into cells. In each, U counts the pairs in which the
    generated row is farther than the held-out row from its nearest training row of that cell, ties
    half; Z_c = (U - n m / 2) / sqrt(n m (n + m + 1) / 12); P(c) is the cell's share of held-out
    rows. Cells with fewer than `least_rows` on a side say too little and are left out.

    The interval holds cells and training rows fixed. Given how many rows fell in each cell, those
    are independent and U has DeLong's variance; how many do fall there is multinomial, and adds its
    part by the delta method.

    Args:
      pair: features; `real` are held-out rows, n, m and t >= 20 rows.
      level: confidence level of the interval.
      seed: of k-means.
      cells: number of cells, >= 1.
      least_rows: generated and held-out rows that a cell needs, >= 2.

    Returns:
      The estimate; at equal laws its mean is 0 and its standard deviation "null_sd", 1 with one
      cell. Details: "null_sd", "p_value" (one-sided: copying), "cells" (used), "cell_z" and
      "cell_shares" (of held-out rows, one number per used cell), "standard_error".

    Raises:
      InputError: too few rows, no cell with enough of them, or a wrong setting.

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
    pair.require("c_t", least, least, "one cell's worth", train=max(LEAST_ROWS, cells))
    assert pair.real is not None and pair.train is not None
    train = pair.train.astype(np.float64, copy=False)
    centres = bins.fit_centres(train, cells, seed)
    of_train, of_real, of_fake = (
        bins.cells_of(rows, centres) for rows in (train, pair.real, pair.fake)
    )
    found = []
    for cell in range(len(centres)):
        real, fake = pair.real[of_real == cell], pair.fake[of_fake == cell]
        if min(len(real), len(fake)) >= least_rows:
            here = train[of_train == cell]
            distances = [nearest(here, x)[1][:, 0] for x in (fake, real)]
            found.append((len(real), len(fake), *_z(distances[0], distances[1])))
    if not found:
        raise InputError(
            f"no cell has {least_rows} real and {least_rows} fake rows; c_t needs one: give more"
            f" rows, or fewer cells than {cells}"
        )
    sizes, fakes, z, variances = np.array(found).T
    shares = sizes / sizes.sum()
    value = float(shares @ z)
    within = float(shares**2 @ variances)
    error = np.sqrt(within + _of_sizes(sizes, fakes, z, pair.n_real, pair.n_fake))
    null_sd = float(np.sqrt(shares @ shares))
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
    """Z of Mann and Whitney's U of two samples of distances, and its variance at their laws.

    Placements, each row's share of the other sample that lies below it, make up the variance. One
    of 1/2 is added to each side, so that complete separation is not taken for certainty; where
    nothing but ties is seen, the variance is that of equal laws.
    """
    m, n = len(fake), len(real)
    of_fake, of_real = _below(real, fake), 1.0 - _below(fake, real)
    u = n * m * float(of_fake.mean())
    null = n * m * (n + m + 1) / 12.0
    placed = [
        (float(np.var(np.append(x, 0.5), ddof=1)) or 1.0 / 12.0) / len(x)
        for x in (of_fake, of_real)
    ]
    return (u - n * m / 2.0) / np.sqrt(null), (n * m) ** 2 * sum(placed) / null


def _of_sizes(real: np.ndarray, fake: np.ndarray, z: np.ndarray, n: int, m: int) -> float:
    """Variance that C_T gets from the cells' random sizes, as Z grows with sqrt(r f / (r + f))."""
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
    """Share of `sample` below each point, ties half; shape (points,)."""
    ascending = np.sort(sample)
    left, right = (np.searchsorted(ascending, points, side) for side in ("left", "right"))
    return (left + right) / (2.0 * len(sample))

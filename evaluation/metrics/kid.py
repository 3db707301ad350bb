"""Kernel distance between real and generated features: squared MMD with a cubic kernel."""

import dataclasses

import numpy as np

from evaluation.errors import InputError
from evaluation.rows import Pair
from evaluation.statistics.binomial import normal_quantile
from evaluation.statistics.degenerate import total_standard_error
from evaluation.statistics.estimate import Finding

READS = "features"
NEEDS = ("real", "fake")
BETTER = "lower"
COLLAPSE = "higher"

LEAST_ROWS = 20
BLOCK_ENTRIES = 4_000_000  # kernel values held at once


def estimate(
    pair: Pair,
    *,
    level: float,
    seed: int,
    estimator: str = "complete",
    subsets: int = 100,
    subset_size: int = 1000,
    rng_seed: int = 2020,
) -> Finding:
    """E k(x, x') + E k(y, y') - 2 E k(x, y) with k(x, y) = (x.y / d + 1)^3, unbiased.

    "complete" uses every pair of rows once. Its standard error adds the part that is linear in the
    rows, 4 var(h_x) / n + 4 var(h_y) / m with h_x(i) = mean_j k(x_i, x_j) - mean_j k(x_i, y_j), and
    the quadratic part that alone remains at equal laws.

    Args:
      pair: features, n and m >= 20 rows ("subsets": >= subset_size).
      level: confidence level of the interval.
      seed: unused: nothing is random.
      estimator: "complete", or "subsets": the mean over random subsets, as published programs
        have it.
      subsets: number of subsets, >= 1.
      subset_size: rows drawn without replacement from each side, >= 2.
      rng_seed: of `numpy.random.RandomState`, which draws the subsets.

    Returns:
      The estimate, negative for about half of all samples when the laws are equal. Where the two
      sides share most of their rows the interval reaches up to the biased statistic; it always
      reaches 0, also for samples that are more alike than independent ones. Details:
      "standard_error"; for "subsets" instead "spread_over_subsets", which is not a standard error.

    Raises:
      InputError: too few rows, or an unknown estimator.

    Source:
      Binkowski et al. 2018, arXiv:1801.01401, section 4; variance as in Sutherland 2019,
      arXiv:1906.02104.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real, fake = np.random.default_rng(0).normal(size=(2, 300, 8))
      >>> kid = measure(real, fake, "kid")["kid"]
      >>> bool(kid.low < 0.0 < kid.high)
      True
    """
    if estimator not in ("complete", "subsets"):
        raise InputError(f"kid setting estimator={estimator!r}; use 'complete' or 'subsets'")
    if estimator == "subsets":
        return _subsets(pair, subsets, subset_size, rng_seed)
    pair.require("kid", LEAST_ROWS, LEAST_ROWS, "with an interval")
    real, fake = pair.both
    n, m = len(real), len(fake)
    xx, yy, xy = _sums(real, real), _sums(fake, fake), _sums(real, fake)
    value = xx.mean + yy.mean - 2.0 * xy.mean
    real_part = np.var(xx.rows - xy.rows, ddof=1)
    fake_part = np.var(yy.rows - xy.columns, ddof=1)
    first = 4.0 * float(real_part / n + fake_part / m)
    second = 2.0 * (xx.residual / n**2 + 2.0 * xy.residual / (n * m) + yy.residual / m**2)
    error = total_standard_error(first, second)
    half = normal_quantile(level) * error
    high, method = value + half, "U-statistic, its standard error"
    if pair.dependent:  # the statistic that counts each row against itself too is >= 0
        inner = [np.mean((np.square(x).sum(axis=1) / x.shape[1] + 1.0) ** 3) for x in pair.both]
        own = (inner[0] - xx.mean) / n + (inner[1] - yy.mean) / m
        high, method = max(high, value + float(own)), "U-statistic; rows shared, widened"
    return Finding(
        value=value,
        low=value - half,
        high=max(high, 0.0),  # no distance is negative, see Returns
        method=method,
        target="both populations",
        details={"standard_error": error},
    )


@dataclasses.dataclass(frozen=True)
class _Sums:
    """Means of a kernel matrix whose diagonal is left out when both sides are the same.

    `rows` and `columns` hold the means of each row and column, `mean` that of all, and `residual`
    the mean square of k_ij - row_i - column_j + mean.
    """

    mean: float
    rows: np.ndarray
    columns: np.ndarray
    residual: float


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(x.y / d + 1)^3 for all pairs of rows; shape (len(a), len(b)), dtype of the rows."""
    base = a @ b.T
    base /= a.shape[1]
    base += 1.0
    kernel = base * base  # a product is many times faster than a power
    kernel *= base
    return kernel


def _sums(a: np.ndarray, b: np.ndarray) -> _Sums:
    """Streams the kernel matrix of `a` against `b`; `a is b` leaves out the diagonal."""
    same = a is b
    n, m = len(a), len(b)
    shift = float(_kernel(a[:1], b[-1:])[0, 0])  # keeps the squares small against rounding
    rows, columns, squares = np.empty(n), np.zeros(m), 0.0
    step = max(1, BLOCK_ENTRIES // m)
    for start in range(0, n, step):
        block = _kernel(a[start : start + step], b) - shift
        if same:
            own = np.arange(len(block))
            block[own, start + own] = 0.0
        rows[start : start + step] = block.sum(axis=1)
        columns += block.sum(axis=0)
        squares += float(np.einsum("ij,ij->", block, block))
    rows /= m - same
    columns /= n - same
    mean = float(rows.mean())
    if same:
        total = squares - 2.0 * n * float(rows @ rows) + n * (n + 1) * mean**2
        residual = total / (n * (n - 1))
    else:
        total = squares - m * float(rows @ rows) - n * float(columns @ columns) + n * m * mean**2
        residual = total / (n * m)
    return _Sums(mean + shift, rows + shift, columns + shift, max(residual, 0.0))


def _subsets(pair: Pair, subsets: int, size: int, rng_seed: int) -> Finding:
    """Mean of the unbiased statistic over random subsets; no valid interval comes with it."""
    if subsets < 1 or size < 2:
        raise InputError(
            f"kid settings subsets={subsets}, subset_size={size}; use at least 1 and at least 2"
        )
    pair.require("kid", size, size, 'this protocol\'s settings={"kid": {"subset_size": ...}}')
    real, fake = pair.both
    rng = np.random.RandomState(rng_seed)  # the published programs' generator
    values = np.empty(subsets)
    for index in range(subsets):
        y = fake[rng.choice(len(fake), size, replace=False)]
        x = real[rng.choice(len(real), size, replace=False)]
        inner = [
            (k.sum() - np.trace(k)) / (size * (size - 1)) for k in (_kernel(x, x), _kernel(y, y))
        ]
        values[index] = inner[0] + inner[1] - 2.0 * _kernel(x, y).mean()
    return Finding(
        value=float(values.mean()),
        method="mean over random subsets; no interval",
        target="both populations",
        details={"spread_over_subsets": float(values.std())},
    )

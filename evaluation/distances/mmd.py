"""Kernels between rows, their matrices in blocks, and the squared MMD.

A kernel is a function of rows (a, d) and (b, d) in float64 that returns the matrix (a, b).
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from evaluation.core.arrays import blocks
from evaluation.core.estimate import Value
from evaluation.errors import InputError
from evaluation.neighbours.distances import differences2
from evaluation.statistics.binomial import normal_quantile
from evaluation.statistics.degenerate import interval, total_standard_error
from evaluation.statistics.halves import shuffled_indices

BLOCK_ENTRIES = 4_000_000  # kernel values held at once
MEDIAN_ROWS = 1000  # rows for the median distance
FAR = 1e4  # squared norms over squared bandwidth, above which a product is too coarse
UNSEEN = 100.0  # squared distance over squared bandwidth, above which the kernel is about 0
LEAST_ALIKE = 1e-9  # mean kernel
LEAST_SEEN = 1e-10  # fraction of the kernel's value that must vary, or rounding decides
NEAR = 1e-4  # squared distance / squared norms below which differences are used
Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]


def polynomial(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Computes (x.y / d + 1)^3 for all pairs of rows; shape (len(a), len(b))."""
    base = a @ b.T
    base /= a.shape[1]
    base += 1.0
    kernel = base * base  # a product is many times faster than a power
    kernel *= base
    return kernel


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Computes x.y / (|x| |y|) for all pairs of rows, none of which is 0."""
    return unit(a) @ unit(b).T


def gaussian(bandwidth: float) -> Kernel:
    """Returns the kernel exp(-|x - y|^2 / (2 bandwidth^2)), 1 for copies; bandwidth > 0."""

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Computes the matrix of rows (a, d) and (b, d)."""
        origin = b.mean(axis=0)
        x, y = a - origin, b - origin
        size2 = np.einsum("ij,ij->i", x, x)[:, None] + np.einsum("ij,ij->i", y, y)
        distance2 = size2 - 2.0 * (x @ y.T)
        if float(size2.max()) / bandwidth > FAR * bandwidth:
            square = bandwidth * bandwidth
            close = distance2 < UNSEEN * square + 1e-10 * size2
            i, j = np.nonzero(close & (size2 > FAR * square))
            distance2[i, j] = differences2(a, i, b, j)
        np.maximum(distance2, 0.0, out=distance2)
        with np.errstate(over="ignore"):  # exp(-inf) is 0
            distance2 /= -2.0 * bandwidth
            distance2 /= bandwidth
        return np.exp(distance2, out=distance2)

    return kernel


def distance_kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances of rows (a, d) and (b, d), exact for copies and near rows."""
    origin = a.mean(axis=0)
    x, y = a - origin, b - origin
    size2 = np.einsum("ij,ij->i", x, x)[:, None] + np.einsum("ij,ij->i", y, y)
    distance2 = size2 - 2.0 * (x @ y.T)
    i, j = np.nonzero(distance2 <= NEAR * size2)
    distance2[i, j] = differences2(a, i, b, j)
    return np.sqrt(distance2)


def unit(rows: np.ndarray) -> np.ndarray:
    """Divides rows, shape (n, d), none of which is 0, by their lengths."""
    scaled = rows / np.abs(rows).max(axis=1, keepdims=True)  # squares neither over- nor underflow
    return scaled / np.sqrt(np.einsum("ij,ij->i", scaled, scaled))[:, None]


def choose_bandwidth(rows: np.ndarray | None, bandwidth: float, metric: str) -> float:
    """Returns `bandwidth`, or if it is 0 the median distance between rows.

    The median is that of at most `MEDIAN_ROWS` rows; the choice depends on the rows, not on their
    order.

    Args:
      rows: the real rows, shape (n, d), n >= 2.
      bandwidth: >= 0.
      metric: name of the metric with this setting.

    Raises:
      InputError: a bandwidth below 0 or not finite; no rows for the median, or most of them are
        copies.
    """
    if not math.isfinite(bandwidth) or bandwidth < 0.0:
        raise InputError(
            f"{metric} setting bandwidth={bandwidth!r}; it must be above 0, or 0 for the median"
            " distance between real rows"
        )
    if bandwidth > 0.0:
        return float(bandwidth)
    if rows is None or len(rows) < 2:
        raise InputError(
            f"{metric} setting bandwidth=0 uses the median distance between real rows, and there"
            " are none: give real_features= or a bandwidth above 0"
        )
    some = rows[shuffled_indices(rows, 0)[:MEDIAN_ROWS]].astype(np.float64)
    i, j = np.triu_indices(len(some), 1)
    median = float(np.median(np.sqrt(differences2(some, i, some, j))))
    if median == 0.0:
        raise InputError(
            f"{metric} setting bandwidth=0 uses the median distance between real rows, and that is"
            " 0: drop the copies among them or give a bandwidth above 0"
        )
    return median


def check_differ(name: str, real: np.ndarray) -> None:
    """Raises InputError if all real rows, shape (n, d), are identical."""
    if all((block == real[0]).all() for block in blocks(real)):
        raise InputError(f"real_features has identical rows only; {name} needs rows that differ")


def check_seen(name: str, first: np.ndarray, second: np.ndarray, bandwidth: float | None) -> None:
    """Raises InputError if the kernel rounds away the differences between rows.

    Args:
      name: name of the metric or test.
      first: shape (n, d).
      second: shape (m, d).
      bandwidth: bandwidth of the Gaussian kernel; None for the polynomial kernel.
    """
    both = first, second
    centre = sum(x.mean(axis=0, dtype=np.float64) for x in both) / 2.0
    spread = max(float(np.abs(b - centre).max()) for x in both for b in blocks(x))
    unit = bandwidth or math.sqrt(1.0 + float(np.square(centre).mean()))
    if 0.0 < spread < math.sqrt(LEAST_SEEN) * unit:  # copies lose nothing
        raise InputError(
            f"{name}: rows vary by {spread:.1e} at most, which its kernel, for features of size"
            f" {unit:.1e}, rounds away: subtract their mean, or scale them up"
        )


@dataclasses.dataclass(frozen=True)
class Sums:
    """Means of a kernel matrix, without its diagonal if both sides are the same rows.

    Attributes:
      mean: mean of all entries.
      rows: mean of each row, shape (n,).
      columns: mean of each column, shape (m,).
      residual: mean square of k_ij - row_i - column_j + mean.
      diagonal: mean of k(x_i, x_i) if both sides are the same rows, otherwise nan.
    """

    mean: float
    rows: np.ndarray
    columns: np.ndarray
    residual: float
    diagonal: float

    @property
    def whole(self) -> float:
        """The mean of all entries, with the diagonal."""
        if math.isnan(self.diagonal):
            return self.mean
        return self.mean + (self.diagonal - self.mean) / len(self.rows)


def sums(a: np.ndarray, b: np.ndarray | None = None, kernel: Kernel = polynomial) -> Sums:
    """Streams the kernel matrix of `a` against `b`, or against itself without the diagonal.

    Args:
      a: float64, shape (n, d), n >= 1, or >= 2 without `b`.
      b: float64, shape (m, d); None for `a` itself.
      kernel: the kernel.
    """
    same = b is None
    b = a if b is None else b
    n, m = len(a), len(b)
    shift = float(kernel(a[:1], b[-1:])[0, 0])  # keeps the squares small against rounding
    rows, columns, squares, diagonal = np.empty(n), np.zeros(m), 0.0, 0.0
    step = max(1, BLOCK_ENTRIES // m)
    for start in range(0, n, step):
        block = kernel(a[start : start + step], b) - shift
        if same:
            own = np.arange(len(block))
            diagonal += float(block[own, start + own].sum())
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
    diagonal = diagonal / n + shift if same else math.nan
    return Sums(mean + shift, rows + shift, columns + shift, max(residual, 0.0), diagonal)


def inner_mean(rows: np.ndarray, kernel: Kernel) -> float:
    """Computes the mean of k(x_i, x_j) over i != j in one matrix; rows (n, d), n >= 2."""
    matrix = kernel(rows, rows)
    return float((matrix.sum() - np.trace(matrix)) / (len(rows) * (len(rows) - 1)))


def small_mmd2(x: np.ndarray, y: np.ndarray, kernel: Kernel) -> float:
    """Computes the unbiased squared MMD of rows (n, d) and (m, d) in whole matrices."""
    return inner_mean(x, kernel) + inner_mean(y, kernel) - 2.0 * float(kernel(x, y).mean())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mmd(Value):
    """A squared MMD, E k(x, x') + E k(y, y') - 2 E k(x, y), unbiased, with its interval.

    Attributes:
      biased: the same, including the kernel of each row with itself; >= 0.
      error: standard error.
      method: the method of the interval.
      alike: the largest of the three mean kernels.
    """

    biased: float
    error: float
    method: str
    alike: float

    def check_alike(self, metric: str, bandwidth: float) -> None:
        """Raises InputError if the rows are so far apart that the Gaussian kernel is 0."""
        if self.alike < LEAST_ALIKE:
            raise InputError(
                f"{metric}: rows are so far apart that their kernel at bandwidth {bandwidth:.3g} is"
                " 0, and so is any distance: raise the bandwidth, or divide the rows by their"
                " lengths if those should be 1"
            )


def mmd2_from_sums(xx: Sums, yy: Sums, xy: Sums) -> tuple[float, float, float, float]:
    """Returns the squared MMD, unbiased and biased, and the variances for `degenerate.interval`."""
    n, m = len(xx.rows), len(yy.rows)
    value = xx.mean + yy.mean - 2.0 * xy.mean
    biased = xx.whole + yy.whole - 2.0 * xy.mean
    real_part = np.var(xx.rows - xy.rows, ddof=1)
    fake_part = np.var(yy.rows - xy.columns, ddof=1)
    first = 4.0 * float(real_part / n + fake_part / m)
    second = 2.0 * (xx.residual / n**2 + 2.0 * xy.residual / (n * m) + yy.residual / m**2)
    return value, biased, first, second


def mmd2(
    real: np.ndarray, fake: np.ndarray, kernel: Kernel, level: float, *, dependent: bool
) -> Mmd:
    """Computes the complete U-statistic; its standard error also holds at equal distributions.

    The variance has a part that is linear in the rows, 4 var(h_x) / n + 4 var(h_y) / m with h_x(i)
    = mean_j k(x_i, x_j) - mean_j k(x_i, y_j), and a quadratic part, which alone remains there.

    Args:
      real: float64, shape (n, d), n >= 2.
      fake: float64, shape (m, d), m >= 2.
      kernel: the kernel.
      level: confidence level of the interval.
      dependent: if True, the two share most of their rows, and the interval reaches up to the
        biased statistic.

    Source:
      Gretton et al. 2012, Journal of Machine Learning Research 13, 723-773, lemma 6; variance as in
      Sutherland 2019, arXiv:1906.02104.
    """
    xx, yy, xy = sums(real, None, kernel), sums(fake, None, kernel), sums(real, fake, kernel)
    value, biased, first, second = mmd2_from_sums(xx, yy, xy)
    low, high = interval(value, first, second, biased, normal_quantile(level))
    method = "U-statistic, score interval upwards"
    if dependent:
        high, method = max(high, biased), f"{method}; rows shared, widened"
    return Mmd(
        value,
        low,
        max(high, 0.0),  # no distance is negative: the interval always reaches 0
        biased=biased,
        error=total_standard_error(first, second),
        method=method,
        alike=max(xx.mean, yy.mean, xy.mean),
    )

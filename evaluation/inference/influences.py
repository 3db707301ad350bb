"""Influences of the rows on a distance between two samples; used for differences and plans.

To second order, a distance T of n generated and m real rows (FID or KID) is

    T = theta + mean_i f_i + mean_j r_j + [mean f-f pairs - 2 mean f-r pairs + mean r-r pairs] of k

with influences f and r of mean 0, and a kernel k whose mean over either argument is 0. If the
distributions are equal, f and r vanish. Estimated influences contain noise of the kernel's terms:
on average their variances sum to V1 + 2 V2, where V1 is the variance of the linear part and V2 that
of the quadratic part.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

import numpy as np

from evaluation.core.pair import Pair
from evaluation.distances import mmd
from evaluation.estimators import frechet
from evaluation.statistics.binomial import normal_quantile
from evaluation.statistics.degenerate import interval, total_standard_error
from evaluation.statistics.halves import shuffled_indices

SAMPLE = 400  # rows for the kernel's largest eigenvalue
Ends = Callable[[float], tuple[float, float]]  # level -> interval
SIGNIFICANT = 2.0  # standard errors from 0; then a pilot's distance shows how variances grow


@dataclasses.dataclass(frozen=True)
class Influences:
    """A distance and the influence of each row.

    Attributes:
      value: the distance, corrected for the bias of finite samples.
      fake: influences f of the fake rows, float64, shape (n,), mean 0.
      real: influences r of the real rows, float64, shape (m,), mean 0.
      squares: mean squares of k over fake-fake, fake-real and real-real pairs.
      top: largest eigenvalue of k.
      ends: the metric's own interval by level.
      left: upper bound of the remaining bias; 0 if there is none.
      bounded: whether there are too few rows to estimate the bias, so that `ends` are bounds.
      least: number of rows of each side that the bias correction needs.
    """

    value: float
    fake: np.ndarray
    real: np.ndarray
    squares: tuple[float, float, float]
    top: float
    ends: Ends
    left: float = 0.0
    bounded: bool = False
    least: int = 2

    @property
    def variance(self) -> float:
        """Variance of `value`, linear and quadratic part."""
        n, m = len(self.fake), len(self.real)
        ff, fr, rr = self.squares
        second = 2.0 * (ff / n**2 + 2.0 * fr / (n * m) + rr / m**2)
        first = mean_variance(self.fake) + mean_variance(self.real)
        return total_standard_error(first, second) ** 2

    def interval(self, level: float) -> tuple[float, float]:
        """Interval of the distance; the upper end is at least 0, as distances are."""
        low, high = self.ends(level)
        return low, max(high, 0.0)


def mean_variance(values: np.ndarray) -> float:
    """Variance of the mean of independent values, shape (n,)."""
    return float(values.var(ddof=1)) / len(values)


def is_significant(study: Influences) -> bool:
    """Whether the distance is significant, so that it shows how variances grow with it."""
    return study.value > SIGNIFICANT * math.sqrt(study.variance)


def linear(study: Influences) -> tuple[float, float]:
    """Variances of the true influences of one fake and one real row, without the pilot's noise."""
    n, m = len(study.fake), len(study.real)
    ff, fr, rr = study.squares
    fake = n * mean_variance(study.fake) - 4.0 * (ff / n + fr / m)
    real = m * mean_variance(study.real) - 4.0 * (rr / m + fr / n)
    return max(fake, 0.0), max(real, 0.0)


def slopes(study: Influences) -> tuple[float, float]:
    """The variances of `linear`, divided by the distance.

    If the distance is not significant: the upper bound, 4 times the kernel's largest eigenvalue.
    """
    fake, real = linear(study)
    if is_significant(study):
        return fake / study.value, real / study.value
    return 4.0 * study.top, 4.0 * study.top


def kid_influences(real: np.ndarray, fakes: Sequence[np.ndarray]) -> list[Influences]:
    """Influences of KID, for several samples against the same real rows.

    f_i = 2 [mean_j k(y_i, y_j) - mean_j k(y_i, x_j)], minus its mean; r by symmetry.

    Source:
      Sutherland 2019, arXiv:1906.02104.
    """
    real = real.astype(np.float64, copy=False)
    xx, top = mmd.sums(real), _largest_eigenvalue(real)
    answers = []
    for fake in fakes:
        fake = fake.astype(np.float64, copy=False)
        mmd.check_seen("kid", real, fake, None)
        yy, xy = mmd.sums(fake), mmd.sums(real, fake)
        value, biased, first, second = mmd.mmd2_from_sums(xx, yy, xy)
        f, r = 2.0 * (yy.rows - xy.columns), 2.0 * (xx.rows - xy.rows)
        answers.append(
            Influences(
                value=value,
                fake=f - f.mean(),
                real=r - r.mean(),
                squares=(yy.residual, xy.residual, xx.residual),
                top=top,
                ends=functools.partial(_ends, value, first, second, biased),
            )
        )
    return answers


def _ends(
    value: float, first: float, second: float, biased: float, level: float
) -> tuple[float, float]:
    """Interval of KID, as in `metrics/kid.py`."""
    return interval(value, first, second, biased, normal_quantile(level))


def _largest_eigenvalue(rows: np.ndarray) -> float:
    """Largest eigenvalue of the centred cubic kernel, from a sample of the rows."""
    sample = rows[shuffled_indices(rows, 0)[:SAMPLE]]
    kernel = mmd.polynomial(sample, sample)
    kernel -= kernel.mean(axis=0)
    kernel -= kernel.mean(axis=1)[:, None]
    return max(float(np.linalg.eigvalsh(kernel)[-1]) / len(sample), 0.0)


def fid_influences(pair: Pair, seed: int) -> Influences:
    """Influences of FID, from the exact delete-one jackknife; value as in `metrics/fid.py`.

    The three mean squares are set equal. They are equal for equal distributions, and matter only
    there.
    """
    corrected = frechet.correct(pair, "fid", seed)
    real, fake = corrected.jackknife.influences
    square = corrected.quadratic / (2.0 * (1.0 / len(fake) + 1.0 / len(real)) ** 2)
    return Influences(
        value=corrected.value,
        fake=fake,
        real=real,
        squares=(square, square, square),
        top=float(corrected.coupling.s.max(initial=0.0)),  # of the part of the means, the largest
        ends=corrected.ends,
        left=frechet.REMAINDER * corrected.removed,
        bounded=corrected.bound is not None,
        least=math.ceil(frechet.ROWS_PER_DIMENSION * corrected.coupling.rank),
    )

"""What each row adds to a distance between two samples: what differences and plans are made of.

To second order a distance T of n generated and m real rows, as FID and KID are, behaves like

    T = theta + mean_i f_i + mean_j r_j + [mean f-f pairs - 2 mean f-r pairs + mean r-r pairs] of k

with influences f and r of mean 0 and a kernel k whose mean over either argument is 0. At equal laws
f and r vanish. Estimated influences hold the noise of the kernel's terms, too, so that on average
their variances sum to V1 + 2 V2 with V1 the linear part's variance and V2 the quadratic part's.
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

SAMPLE = 400  # rows that the kernel's largest eigenvalue is taken from
Ends = Callable[[float], tuple[float, float]]  # level -> interval
KNOWN = 2.0  # standard errors from 0 at which a pilot's distance tells how variances grow


@dataclasses.dataclass(frozen=True)
class Influences:
    """A distance and what each row adds to it.

    Attributes:
      value: without the bias of finite samples.
      fake: f, float64, shape (n,), mean 0.
      real: r, float64, shape (m,), mean 0.
      squares: mean squares of k over pairs fake-fake, fake-real, real-real.
      top: the largest eigenvalue of k.
      ends: the metric's own interval by level.
      left: the most that the bias may still be, upwards; 0 where none is known of.
      bounded: whether the rows are too few for the bias to be known, and `ends` are bounds.
      least: rows of each side that the bias needs to be known.
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
        """Of `value`, linear and quadratic part."""
        n, m = len(self.fake), len(self.real)
        ff, fr, rr = self.squares
        second = 2.0 * (ff / n**2 + 2.0 * fr / (n * m) + rr / m**2)
        first = mean_variance(self.fake) + mean_variance(self.real)
        return total_standard_error(first, second) ** 2

    def interval(self, level: float) -> tuple[float, float]:
        """Of the distance alone; it reaches 0, below which no distance is."""
        low, high = self.ends(level)
        return low, max(high, 0.0)


def mean_variance(values: np.ndarray) -> float:
    """Of the mean of independent values, shape (n,)."""
    return float(values.var(ddof=1)) / len(values)


def known(study: Influences) -> bool:
    """Whether the distance stands out of noise, so that it tells how variances grow with it."""
    return study.value > KNOWN * math.sqrt(study.variance)


def linear(study: Influences) -> tuple[float, float]:
    """Variances of the true influences of one fake and one real row, noise of the pilot removed."""
    n, m = len(study.fake), len(study.real)
    ff, fr, rr = study.squares
    fake = n * mean_variance(study.fake) - 4.0 * (ff / n + fr / m)
    real = m * mean_variance(study.real) - 4.0 * (rr / m + fr / n)
    return max(fake, 0.0), max(real, 0.0)


def slopes(study: Influences) -> tuple[float, float]:
    """What those variances are for each unit of the distance.

    Where the distance is no more than noise: at most 4 times the kernel's largest eigenvalue.
    """
    fake, real = linear(study)
    if known(study):
        return fake / study.value, real / study.value
    return 4.0 * study.top, 4.0 * study.top


def of_kid(real: np.ndarray, fakes: Sequence[np.ndarray]) -> list[Influences]:
    """KID's, for several samples against the same real rows.

    f_i = 2 [mean_j k(y_i, y_j) - mean_j k(y_i, x_j)], less its mean; r by symmetry.

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
        value, biased, first, second = mmd.of_sums(xx, yy, xy)
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
    """KID's own interval."""
    return interval(value, first, second, biased, normal_quantile(level))


def _largest_eigenvalue(rows: np.ndarray) -> float:
    """Of the centred cubic kernel, from a sample of the rows."""
    some = rows[shuffled_indices(rows, 0)[:SAMPLE]]
    kernel = mmd.polynomial(some, some)
    kernel -= kernel.mean(axis=0)
    kernel -= kernel.mean(axis=1)[:, None]
    return max(float(np.linalg.eigvalsh(kernel)[-1]) / len(some), 0.0)


def of_fid(pair: Pair, seed: int) -> Influences:
    """FID's, from the exact delete-one jackknife; the value is that of `metrics/fid.py`.

    The three mean squares are taken to be equal, as they are at equal laws, where they count.
    """
    found = frechet.correct(pair, "fid", seed)
    real, fake = found.jackknife.influences
    square = found.quadratic / (2.0 * (1.0 / len(fake) + 1.0 / len(real)) ** 2)
    return Influences(
        value=found.value,
        fake=fake,
        real=real,
        squares=(square, square, square),
        top=float(found.coupling.s.max(initial=0.0)),  # of the means' part, which is the largest
        ends=found.ends,
        left=frechet.REMAINDER * found.removed,
        bounded=found.bound is not None,
        least=math.ceil(frechet.ROWS_PER_DIMENSION * found.coupling.rank),
    )

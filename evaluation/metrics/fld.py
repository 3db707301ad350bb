"""FLD: the loss in held-out log-likelihood when generated rows replace training rows.

The metric fits a density to the generated rows: one Gaussian around each row, as wide as fits the
training rows best. Held-out rows are unlikely under it when the rows are bad, when modes are
missing, and when training rows were copied, because a Gaussian on a training row becomes a spike. 0
is as good as the training rows themselves. The unit is a hundredth of a nat per dimension.

It misleads when rows are few: every density is then bad, the baseline's too. Nearly exact copies of
few training rows drive it to thousands, where only the order of magnitude means something. A
held-out row that copies a training row counts as a success. Rows drawn towards the middle of one
round cloud score better than true ones, because wide Gaussians around them fit such a distribution.
"""

import dataclasses
import math

import numpy as np
import scipy.special

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.errors import InputError
from evaluation.statistics.bins import shuffled
from evaluation.statistics.mean import mean_interval

READS = "features"
NEEDS = ("real", "fake", "train")
BETTER = "lower"
COLLAPSE = "higher"

LEAST_ROWS = 20
BLOCK_ENTRIES = 4_000_000  # distances handled at once
NARROWEST, WIDEST = -40.0, 20.0  # log variances; a copy would have -inf
SHRUNK = 0.81  # factor on the squared distances to the mean, for the background
CANCELLED = 1e-9  # fraction of the norms, below which a squared distance is computed again
SETTLED = 1e-7  # least gain of an EM step, in nats per dimension


def estimate(
    pair: Pair, *, level: float, seed: int, most_rows: int = 5000, steps: int = 100
) -> MetricValue:
    """100 / d mean_i [log q(x_i) - log p(x_i)] over held-out rows x_i.

    p(x) = 1/m sum_j N(x; y_j, s_j^2 I) around the generated rows y_j. EM fits the s_j^2 to the
    training rows, with a broad background added. q is the same around one half of the training
    rows, fitted to the other half. Features are first divided by the standard deviations of the
    training rows. For fixed densities, the estimate is a mean over independent rows and has
    Student's interval. If copies of heavy-tailed rows make the mean huge, the upper end is too low
    too often.

    Args:
      pair: features; `real` are held-out rows; n and m >= 20, t >= 40 rows.
      level: confidence level of the interval.
      seed: seed of the halves, and of the choice of rows.
      most_rows: largest number of Gaussians in a density, and of training rows that it is fitted
        to; >= 20. Memory and time grow with its square.
      steps: largest number of EM steps, >= 1.

    Returns:
      The estimate; about 0 for new rows of the same distribution, negative for rows better than the
      training rows. Details: "nll" and "baseline_nll" (nats per dimension), "train_nll" (of the
      training rows, same density as "nll") and "gap" = 100 (train_nll - nll), far below 0 if
      training rows were copied; "standard_error".

    Raises:
      InputError: too few rows, identical training rows, or a wrong setting.

    Source:
      Jiralerspong et al. 2023, arXiv:2302.04440; EM: Dempster, Laird & Rubin 1977.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> train, held_out, fake = np.random.default_rng(0).standard_normal((3, 200, 4))
      >>> for rows in (fake, fake + 1.0, train + 1e-2):
      ...     score = measure(held_out, rows, "fld", train_features=train)["fld"]
      ...     print(score.value > 10.0, score.value > 100.0)
      False False
      True False
      True True
    """
    if most_rows < LEAST_ROWS or steps < 1:
        raise InputError(
            f"fld settings most_rows={most_rows}, steps={steps}; use at least {LEAST_ROWS} and 1"
        )
    pair.require("fld", LEAST_ROWS, LEAST_ROWS, "with an interval", train=2 * LEAST_ROWS)
    assert pair.train is not None
    train = shuffled(pair.train.astype(np.float64, copy=False), seed)
    mean, scale = train.mean(axis=0), train.std(axis=0, ddof=1)
    if not scale.any():
        raise InputError("train_features has identical rows only; fld needs rows that differ")
    scale[scale == 0.0] = 1.0
    real, fake = pair.both
    real, train = (real - mean) / scale, (train - mean) / scale
    fake = (shuffled(fake, seed)[:most_rows] - mean) / scale
    half = min(len(fake), len(train) // 2)
    reference = train[: min(len(train), most_rows)]
    ours = fit(fake, reference, steps)
    baseline = fit(train[:half], train[half : half + most_rows], steps)
    d = real.shape[1]
    nll, baseline_nll = (-density.log(real) / d for density in (ours, baseline))
    train_nll = float(-ours.log(reference).mean() / d)
    values = np.sort(100.0 * (nll - baseline_nll))
    low, high, error = mean_interval(values, level, floor=-math.inf, ceiling=math.inf)
    value = float(values.mean())
    return MetricValue(
        value=value,
        low=min(low, value),
        high=max(high, value),
        method="Student's t, skewness-widened",
        target="fixed generated set",
        details={
            "nll": float(nll.mean()),
            "baseline_nll": float(baseline_nll.mean()),
            "train_nll": train_nll,
            "gap": 100.0 * (train_nll - float(nll.mean())),
            "standard_error": error,
        },
    )


@dataclasses.dataclass(frozen=True)
class Density:
    """A mixture of round Gaussians with equal weights.

    Attributes:
      centres: float64, shape (m, d).
      log_variances: log variance of each Gaussian along any direction; float64, shape (m,).
    """

    centres: np.ndarray
    log_variances: np.ndarray

    def log(self, rows: np.ndarray) -> np.ndarray:
        """Returns the log density of rows, shape (n, d), in nats; shape (n,)."""
        m, d = self.centres.shape
        step = max(1, BLOCK_ENTRIES // max(m, d))
        parts = [
            scipy.special.logsumexp(
                _log_normal(_squares(rows[start : start + step], self.centres), self, d), axis=1
            )
            for start in range(0, len(rows), step)
        ]
        return np.concatenate(parts) - math.log(m)


def fit(centres: np.ndarray, rows: np.ndarray, steps: int) -> Density:
    """Fits the density around `centres` (m, d) to `rows` (n, d) by EM, for the largest likelihood.

    During the fit, a Gaussian around the mean of the rows is added with the weight of all the
    others together, so that rows far from every centre do not widen the nearest Gaussian.

    Source:
      Jiralerspong et al. 2023, arXiv:2302.04440; the authors use gradient steps.
    """
    (m, d), n = centres.shape, len(rows)
    squares = _squares(rows, centres)
    background = SHRUNK * np.square(rows - rows.mean(axis=0)).sum(axis=1)
    density = Density(centres, _log((squares.min(axis=0) + 1e-3) / d))
    log_background, before = 0.0, -math.inf
    step = max(1, BLOCK_ENTRIES // m)
    for _ in range(steps):
        weight, spread = np.zeros(m), np.zeros(m)
        gained, far_weight, far_spread = 0.0, 0.0, 0.0
        for start in range(0, n, step):
            here = slice(start, start + step)
            log_p = _log_normal(squares[here], density, d) - math.log(m)
            far = -0.5 * (background[here] / math.exp(log_background) + d * log_background)
            far -= 0.5 * d * math.log(2.0 * math.pi)
            total = np.logaddexp(scipy.special.logsumexp(log_p, axis=1), far)
            part = np.exp(log_p - total[:, None])
            weight += part.sum(axis=0)
            spread += np.einsum("ij,ij->j", part, squares[here])
            far_part = np.exp(far - total)
            far_weight += float(far_part.sum())
            far_spread += float(far_part @ background[here])
            gained += float(total.sum())
        used = weight > 1e-200  # the other Gaussians keep their widths
        log_variances = density.log_variances.copy()
        log_variances[used] = _log(spread[used] / (d * weight[used]))
        density = Density(centres, log_variances)
        if far_weight > 1e-200:
            log_background = float(_log(np.array(far_spread / (d * far_weight))))
        if gained - before < SETTLED * n * d:
            break
        before = gained
    return density


def _log(variances: np.ndarray) -> np.ndarray:
    """Returns the logarithms of variances >= 0, clipped so that no spike is below NARROWEST."""
    return np.log(np.clip(variances, math.exp(NARROWEST), math.exp(WIDEST)))


def _log_normal(squares: np.ndarray, density: Density, d: int) -> np.ndarray:
    """Returns the log density of each Gaussian from squared distances; shape of `squares`."""
    logs = squares * (-0.5 * np.exp(-density.log_variances))
    logs -= 0.5 * d * (density.log_variances + math.log(2.0 * math.pi))
    return logs


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns squared distances between rows, shape (len(a), len(b)); exactly 0 for copies."""
    norms_a, norms_b = (np.square(rows).sum(axis=1) for rows in (a, b))
    squares = a @ b.T
    squares *= -2.0
    squares += norms_a[:, None]
    squares += norms_b
    limit = CANCELLED * (norms_a.max() + norms_b.max())
    step = max(1, BLOCK_ENTRIES // a.shape[1])
    i, j = np.nonzero(squares <= limit)
    for start in range(0, len(i), step):
        at = i[start : start + step], j[start : start + step]
        squares[at] = np.square(a[at[0]] - b[at[1]]).sum(axis=1)
    return squares

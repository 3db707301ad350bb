"""Precision and recall for distributions (PRD): how much of one the other covers, at a rate.

From the fractions p of the real and q of the generated rows in cells of the feature space,
alpha(lambda) = sum_i min(lambda p_i, q_i) is a precision and alpha(lambda) / lambda its recall. The
curve over all lambda from 0 to infinity runs from full recall to full precision.
"""

import dataclasses
import math
import warnings
from typing import Any

import numpy as np

from evaluation.core import validation
from evaluation.core.arrays import as_rows
from evaluation.errors import InputError
from evaluation.statistics.bins import cell_fractions, shuffled

NEAREST_ANGLE = 1e-10  # from the ends of the curve to 0 and pi / 2, as published
STARTS = 10  # of k-means, as published
MOST_RUNS, MOST_ANGLES = 10_000, 1_000_000
LARGEST_BETA = 1e6


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PRDCurve:
    """Precision against recall at angles from 0 to pi / 2; lambda is the tangent of the angle.

    Attributes:
      precision: alpha(lambda), rising, float64, shape (angles,), in [0, 1].
      recall: alpha(lambda) / lambda, falling, float64, shape (angles,), in [0, 1].
    """

    precision: np.ndarray
    recall: np.ndarray

    def f_beta(self, beta: float = 8.0) -> float:
        """Returns the largest (1 + beta^2) p r / (beta^2 p + r); beta > 1 favours recall.

        Raises:
          InputError: beta is not above 0, or outside [1e-6, 1e6].
        """
        number = validation.check_number("beta", beta)
        if not 1.0 / LARGEST_BETA <= number <= LARGEST_BETA:
            raise InputError(
                f"beta={beta}; it must be above 0, such as 8 or 1/8, and in [1e-06, 1e+06]"
            )
        beta = number
        below = beta**2 * self.precision + self.recall
        product = (1.0 + beta**2) * self.precision * self.recall
        return float(np.divide(product, below, out=np.zeros_like(below), where=below > 0.0).max())

    def __repr__(self) -> str:
        """Returns one line with F_8 and F_1/8."""
        return (
            f"PRDCurve({len(self.precision)} angles, F_8={self.f_beta(8.0):.4f},"
            f" F_1/8={self.f_beta(1.0 / 8.0):.4f})"
        )


def prd_curve(
    real: Any,
    fake: Any,
    clusters: int = 20,
    angles: int = 1001,
    runs: int = 10,
    seed: int = 0,
) -> PRDCurve:
    """Computes the curve of the published program: k-means on all rows, mean over several runs.

    The same rows place the cells and are counted, with few rows in each cell. Both move the curve
    towards the origin: compare curves of equal n only. For numbers with intervals see the metrics
    `prd_recall` and `prd_precision`.

    Args:
      real: array-like, shape (n, d), finite.
      fake: array-like, shape (m, d); min(n, m) random rows of the larger side are used.
      clusters: number of cells, >= 2 and <= 2 min(n, m).
      angles: number of points of the curve, 3 to 1000000.
      runs: number of k-means runs, over which precision and recall are averaged, 1 to 10000.
      seed: seed of the starts of k-means, >= 0.

    Returns:
      The curve.

    Raises:
      InputError: rows that are not tables of numbers or differ in their columns, or a number out of
        range.

    Source:
      Sajjadi et al. 2018, arXiv:1806.00035, section 3.

    Example:
      >>> rng = np.random.default_rng(0)
      >>> curve = prd_curve(rng.uniform(0, 2, (500, 1)), rng.uniform(1, 3, (500, 1)))
      >>> 0.45 < curve.f_beta(8.0) < 0.6, 0.45 < curve.f_beta(1 / 8) < 0.6
      (True, True)
    """
    both = as_rows(real, "real", double=True), as_rows(fake, "fake", double=True)
    if both[0].shape[1] != both[1].shape[1]:
        raise InputError(
            f"real has {both[0].shape[1]} columns and fake {both[1].shape[1]}; they must agree:"
            " take both from the same network and layer"
        )
    most = 2 * min(len(x) for x in both)
    validation.check_whole("clusters", clusters, 2)
    validation.check_whole("angles", angles, 3, MOST_ANGLES)
    validation.check_whole("runs", runs, 1, MOST_RUNS)
    seed = validation.check_whole("seed", seed, 0)
    if clusters > most:
        raise InputError(
            f"clusters={clusters}; with {most} rows it must be at most {most}: lower it or give"
            " more rows"
        )
    rows = [shuffled(x, seed + side)[: most // 2] for side, x in enumerate(both)]
    fractions = [_joint_fractions(rows, clusters, seed + run) for run in range(runs)]
    curves = [_curve(p, q, angles) for p, q in fractions]
    return PRDCurve(
        np.mean([curve.precision for curve in curves], axis=0),
        np.mean([curve.recall for curve in curves], axis=0),
    )


def _curve(real: np.ndarray, fake: np.ndarray, angles: int) -> PRDCurve:
    """Returns the curve of two distributions on the same cells, as fractions of shape (K,)."""
    slopes = np.tan(np.linspace(NEAREST_ANGLE, math.pi / 2.0 - NEAREST_ANGLE, angles))
    precision = np.minimum(slopes[:, None] * real, fake).sum(axis=1)
    return PRDCurve(precision, precision / slopes)


def _joint_fractions(
    rows: list[np.ndarray], clusters: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns both samples' fractions in cells that mini-batch k-means places in all rows."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    fit = MiniBatchKMeans(
        n_clusters=clusters, n_init=STARTS, random_state=np.random.RandomState(seed % 2**32)
    )
    pooled = np.concatenate(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than cells
        labels = fit.fit(pooled - pooled.mean(axis=0)).labels_
    p, q = (cell_fractions(part, clusters) for part in np.split(labels, 2))
    return p, q

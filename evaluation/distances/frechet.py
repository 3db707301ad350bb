"""The exact Fréchet distance between the Gaussians fitted to two sets of rows."""

import numpy as np
import scipy.linalg
from scipy.linalg import lapack

from evaluation.distances.moments import Moments

TINY = np.finfo(np.float64).eps


def frechet_distance(
    first: np.ndarray, second: np.ndarray, *, float32_mean: bool = False, ddof: int = 1
) -> float:
    """|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1^1/2 S2 S1^1/2)^1/2.

    With fewer rows than dimensions the trace of the root is the nuclear norm of X1c X2c^T /
    sqrt((n1 - 1)(n2 - 1)), exact at any rank. Otherwise it comes from the eigenvalues of the
    symmetric L^T S2 L with S1 = L L^T. No epsilon is added and no imaginary part can arise.

    Args:
      first: float32 or float64, shape (n1, d), n1 >= 2; summed in float64 block by block.
      second: float32 or float64, shape (n2, d), n2 >= 2; summed in float64 block by block.
      float32_mean: if True, means are computed in float32, as in some programs.
      ddof: covariances divide by n - ddof, 1 or 0.

    Returns:
      The distance between the fitted Gaussians, >= 0 up to rounding.

    Source:
      Heusel et al. 2017, arXiv:1706.08500, equation 6; Dowson & Landau 1982.
    """
    gap = None
    if float32_mean:
        means = [x.astype(np.float32).mean(axis=0).astype(np.float64) for x in (first, second)]
        gap = means[0] - means[1]
    if min(len(first), len(second)) > first.shape[1]:
        return distance_of_moments(Moments.from_rows(first), Moments.from_rows(second), gap, ddof)
    a, b = (x.astype(np.float64) for x in (first, second))
    if gap is None:
        gap = a.mean(axis=0) - b.mean(axis=0)
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    n, m = len(a) - ddof, len(b) - ddof
    traces = np.square(a).sum() / n + np.square(b).sum() / m
    return float(gap @ gap + traces - 2.0 * _nuclear_norm(a, b) / np.sqrt(n * m))


def distance_of_moments(
    first: Moments, second: Moments, gap: np.ndarray | None = None, ddof: int = 1
) -> float:
    """Computes the distance from moments alone; `gap` replaces the difference of their means."""
    gap = first.mean - second.mean if gap is None else gap
    s1, s2 = first.covariance(ddof), second.covariance(ddof)
    return float(gap @ gap + np.trace(s1) + np.trace(s2) - 2.0 * trace_of_root(s1, s2))


def trace_of_root(s1: np.ndarray, s2: np.ndarray) -> float:
    """Computes tr (S1^1/2 S2 S1^1/2)^1/2 of covariances, shape (d, d), which may be singular."""
    lower, failed = lapack.dpotrf(s1.T, lower=1)
    if failed:
        return float(scipy.linalg.svdvals(_square_root(s1) @ _square_root(s2).T).sum())
    product, _ = lapack.dsygst(s2.T, lower, itype=2, lower=1)  # L^T S2 L, its lower triangle
    eigenvalues = scipy.linalg.eigvalsh(product, lower=True, overwrite_a=True, check_finite=False)
    return float(np.sqrt(eigenvalues[eigenvalues > 0.0]).sum())  # below 0 is rounding of 0


def _nuclear_norm(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the sum of singular values of A B^T, for centred rows (n1, d), (n2, d)."""
    factors = [
        scipy.linalg.qr(x, mode="r")[0][: x.shape[1]] if len(x) > x.shape[1] else x for x in (a, b)
    ]
    return float(scipy.linalg.svdvals(factors[0] @ factors[1].T).sum())


def _square_root(covariance: np.ndarray) -> np.ndarray:
    """Returns A, shape (rank, d), with A^T A = S; directions without variance are left out."""
    values, vectors = scipy.linalg.eigh(covariance)
    kept = values > 10.0 * TINY * len(values) * max(values[-1], 0.0)
    return (vectors[:, kept] * np.sqrt(values[kept])).T


def lower_bound(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """|m1 - m2|^2 + (sqrt tr S1 - sqrt tr S2)^2, without bias to order 1/n in any dimension.

    It never exceeds the distance, because tr (S1^1/2 S2 S1^1/2)^1/2 <= sqrt(tr S1 tr S2).

    Returns:
      (value, standard_error); the value may be negative at equal distributions.
    """
    a, b = (x.astype(np.float64) for x in (first, second))
    gap = a.mean(axis=0) - b.mean(axis=0)
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    n, m = len(a), len(b)
    t1, t2 = np.square(a).sum() / (n - 1), np.square(b).sum() / (m - 1)
    value = gap @ gap - t1 / n - t2 / m
    linear = 0.0
    if t1 > 0.0 and t2 > 0.0:
        value += (np.sqrt(t1) - np.sqrt(t2)) ** 2
    sides = ((a, t1, t2, 1.0), (b, t2, t1, -1.0))
    for rows, own, other, sign in sides:
        squares = np.square(rows).sum(axis=1)
        slope = 1.0 - np.sqrt(other / own) if own > 0.0 and other > 0.0 else 0.0
        influence = 2.0 * sign * (rows @ gap) + slope * squares
        linear += influence.var(ddof=1) / len(rows)
        if own > 0.0 and other > 0.0:
            value -= 0.25 * np.sqrt(other / own**3) * squares.var(ddof=1) / len(rows)
    crossed = [_mean_square_product(x, y) for x, y in ((a, a), (a, b), (b, b))]
    quadratic = 2.0 * (crossed[0] / n**2 + 2.0 * crossed[1] / (n * m) + crossed[2] / m**2)
    return float(value), float(np.sqrt(max(linear, quadratic)))


def _mean_square_product(a: np.ndarray, b: np.ndarray) -> float:
    """Computes tr S_a S_b of centred rows, by the smaller of the two Gram matrices."""
    if max(len(a), len(b)) < a.shape[1]:
        return float(np.square(a @ b.T).sum() / (len(a) * len(b)))
    return float(np.sum((a.T @ a) * (b.T @ b)) / (len(a) * len(b)))

"""The Fréchet distance with every single row left out, exactly, for the cost of one product.

Write R = tr (S1^1/2 S2 S1^1/2)^1/2 = sum_j s_j, with s_j^2 the eigenvalues of S1 S2. In the
*coupled* coordinates y1, y2 of the centred rows, S1 and S2 are the identity and (x1 - m1).(x2 - m2)
= sum_j s_j y1_j y2_j. Leaving row i out of side 1 multiplies S1 by (n - 1) / (n - 2) and subtracts
a = n / (n - 1)^2 times the square of the row: an update of rank one, after which

    R_-i = sqrt((n - 1) / (n - 2)) [R - D_i],
    D_i = -1/pi int_0^inf log(1 - a sum_j s_j^2 y_ij^2 / (s_j^2 + v^2)) dv,

because sum_j sqrt(l_j) = 1/pi int_0^inf sum_j l_j / (l_j + v^2) dv for any l >= 0, and the
determinant of a rank-one update has a closed form. The integral is a sum over some sixty v that are
the same for all rows. The n + m distances give the delete-one jackknife's correction of the bias,
its variance, and the contribution of each row. None of it depends on the grouping or order of the
rows.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
import scipy.linalg
from scipy.linalg import lapack

from evaluation.core.arrays import blocks
from evaluation.distances.moments import Moments
from evaluation.statistics.halves import shuffled_indices

TINY = np.finfo(np.float64).eps
STEP = 0.4  # of log v; the sum misses the integral by about exp(-pi^2 / STEP), 2e-11
LOWEST, HIGHEST = 1e-8, 1e3  # of v, in units of the largest s
WORST_PIVOTS = 1e-6  # smallest / largest pivot of a Cholesky factor; below it use eigenvalues
ROWS_PER_DIMENSION = 2  # above it no row's leverage is near 1
BLOCK_ENTRIES = 4_000_000
LARGE = 4_000_000  # entries of a sample, above which float32 is worth its rounding


@dataclasses.dataclass(frozen=True)
class Side:
    """One sample in coupled coordinates.

    Attributes:
      rows: the original rows, shape (n, d).
      mean: float64, shape (d,).
      trace: trace of the covariance.
      to_white: y = (x - mean) @ to_white, float64, shape (d, r).
    """

    rows: np.ndarray
    mean: np.ndarray
    trace: float
    to_white: np.ndarray

    def white(self, rows: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields blocks of centred rows, in float64, and blocks of their coordinates y.

        The y of large float32 samples are in float32 if no single row can have much weight. They
        only serve to measure how far one row moves the distance, about a millionth of it.
        """
        many = len(self.rows) > ROWS_PER_DIMENSION * self.to_white.shape[1]
        single = many and self.rows.size > LARGE
        dtype = self.rows.dtype if single else np.dtype(np.float64)
        to_white = self.to_white.astype(dtype, copy=False)
        for block in blocks(self.rows if rows is None else rows, BLOCK_ENTRIES):
            centred = block - self.mean
            yield centred, (centred.astype(dtype, copy=False) @ to_white)


@dataclasses.dataclass(frozen=True)
class Coupling:
    """Two samples in the coordinates that this module's docstring defines.

    Attributes:
      plain: the distance between the fitted Gaussians.
      s: float64, shape (r,), > 0.
      gap: m1 - m2, shape (d,).
      sides: both samples.
      rank: the larger of the two covariances' ranks, <= d.
    """

    plain: float
    s: np.ndarray
    gap: np.ndarray
    sides: tuple[Side, Side]
    rank: int


def couple(
    first: np.ndarray, second: np.ndarray, moments: tuple[Moments, Moments] | None = None
) -> Coupling:
    """Transforms rows (n, d) and (m, d), n and m >= 2, to coupled coordinates.

    Args:
      first: float32 or float64, shape (n, d).
      second: float32 or float64, shape (m, d).
      moments: moments of both, if already computed.
    """
    n, m, d = len(first), len(second), first.shape[1]
    if min(n, m) > d:
        one, two = moments or (Moments.from_rows(first), Moments.from_rows(second))
        coupled = _couple_by_cholesky(one.covariance(), two.covariance())
        if coupled is None:
            roots = _root(one.covariance()), _root(two.covariance())
            coupled = _couple_by_roots(*roots)
        means = one.mean, two.mean
    else:
        means = _mean(first), _mean(second)
        coupled = _couple_by_roots(
            *(_root_from_rows(x, c) for x, c in zip((first, second), means, strict=True))
        )
    s, to_white, traces, rank = coupled
    gap = means[0] - means[1]
    one_side = Side(first, means[0], traces[0], to_white[0])
    other_side = Side(second, means[1], traces[1], to_white[1])
    plain = float(gap @ gap + traces[0] + traces[1] - 2.0 * s.sum())
    return Coupling(plain, s, gap, (one_side, other_side), rank)


_Coupled = tuple[np.ndarray, tuple[np.ndarray, np.ndarray], tuple[float, float], int]
_Root = tuple[np.ndarray, np.ndarray]


def _couple_by_cholesky(s1: np.ndarray, s2: np.ndarray) -> _Coupled | None:
    """Couples by S1 = L L^T and the eigenvectors of L^T S2 L; None if S1 or S2 is near-singular."""
    factors = [lapack.dpotrf(s.T, lower=1) for s in (s1, s2)]
    for factor, failed in factors:
        pivots = np.diag(factor)
        if failed or pivots.min() < WORST_PIVOTS * pivots.max():
            return None
    lower = factors[0][0]
    product, _ = lapack.dsygst(s2.T, lower, itype=2, lower=1)
    values, vectors = scipy.linalg.eigh(
        product, lower=True, driver="evd", overwrite_a=True, check_finite=False
    )
    if values[0] <= 0.0:
        return None
    s = np.sqrt(values)
    first = scipy.linalg.blas.dtrsm(1.0, lower, vectors, lower=1, trans_a=1)
    second = scipy.linalg.blas.dtrmm(1.0, lower, vectors, lower=1) / s
    return s, (first, second), (float(np.trace(s1)), float(np.trace(s2))), len(s)


def _couple_by_roots(one: _Root, two: _Root) -> _Coupled:
    """Couples by A1 A2^T = P diag(s) Q^T, S = A^T A, at any rank."""
    (root1, inverse1), (root2, inverse2) = one, two
    p, s, qt = scipy.linalg.svd(root1 @ root2.T, full_matrices=False)
    kept = s > 10.0 * TINY * max(len(s), 1) * s.max(initial=0.0)
    to_white = inverse1 @ p[:, kept], inverse2 @ qt[kept].T
    traces = float(np.square(root1).sum()), float(np.square(root2).sum())
    return s[kept], to_white, traces, max(len(root1), len(root2))


def _root(covariance: np.ndarray) -> _Root:
    """Returns A (r, d) with A^T A = S and its pseudo-inverse (d, r), without null directions."""
    values, vectors = scipy.linalg.eigh(covariance)
    kept = values > 10.0 * TINY * len(values) * max(values[-1], 0.0)
    root = np.sqrt(values[kept])
    return (vectors[:, kept] * root).T, vectors[:, kept] / root


def _root_from_rows(rows: np.ndarray, mean: np.ndarray) -> _Root:
    """Returns `_root` of the covariance of rows (n, d), without a (d, d) matrix if n <= d."""
    n, d = rows.shape
    if n > d:
        return _root(Moments.from_rows(rows).covariance())
    centred = rows.astype(np.float64) - mean
    _, singular, vectors = scipy.linalg.svd(centred, full_matrices=False)
    kept = singular > 10.0 * TINY * d * singular.max(initial=0.0)
    root = singular[kept] / np.sqrt(n - 1)
    return vectors[kept] * root[:, None], (vectors[kept] / root[:, None]).T


def _mean(rows: np.ndarray) -> np.ndarray:
    """Returns the mean in float64, shape (d,)."""
    return sum(block.sum(axis=0) for block in blocks(rows)) / len(rows)


def leave_one_out(coupling: Coupling) -> tuple[np.ndarray, np.ndarray]:
    """Plain distances without each row of the first side, shape (n,), and of the second, (m,).

    n and m must be at least 3.
    """
    return _without_each(coupling, 0), _without_each(coupling, 1)


def _without_each(coupling: Coupling, place: int) -> np.ndarray:
    """Returns the plain distance with each row of one side left out."""
    side, other, s = coupling.sides[place], coupling.sides[1 - place], coupling.s
    n, gap = len(side.rows), coupling.gap if place == 0 else -coupling.gap
    taken, scale = n / (n - 1) ** 2, (n - 1) / (n - 2)
    v = _nodes(s)
    fractions = np.square(s)[:, None] / (np.square(s)[:, None] + np.square(v))  # (r, nodes)
    weights = v * (STEP / np.pi)
    if len(v):
        weights[0] += v[0] / np.pi * (1.0 / np.expm1(STEP))  # the integral below the lowest v
    norms2, along, linear, rest = (np.empty(n) for _ in range(4))
    start = 0
    for centred, white in side.white():
        part = slice(start, start + len(centred))
        squares = np.square(white)
        removed = taken * (squares @ fractions.astype(squares.dtype)).astype(np.float64)
        np.minimum(removed, 1.0 - TINY, out=removed)  # 1 where the row alone spans a direction
        rest[part] = -(np.log1p(-removed) + removed) @ weights
        linear[part] = 0.5 * taken * (squares @ s.astype(squares.dtype))
        norms2[part] = np.einsum("ij,ij->i", centred, centred)
        along[part] = centred @ gap
        start += len(centred)
    linear += 0.5 * taken * (n - 1) / n * s.sum() - linear.mean()  # the exact mean
    root = np.sqrt(scale) * (s.sum() - linear - rest)
    gap2 = gap @ gap - 2.0 * along / (n - 1) + norms2 / (n - 1) ** 2
    trace = scale * (side.trace - taken * norms2)
    return gap2 + trace + other.trace - 2.0 * root


def _nodes(s: np.ndarray) -> np.ndarray:
    """Returns the values of v at which the integral is summed, shape (nodes,)."""
    if not len(s):
        return np.empty(0)
    return s.max() * np.exp(np.arange(np.log(LOWEST), np.log(HIGHEST), STEP))


@dataclasses.dataclass(frozen=True)
class Jackknife:
    """The results of the distances with one row left out.

    Attributes:
      value: the distance without its bias.
      variance: variance of the value; on average not too small, twice too large at equal
        distributions.
      influences: for each side, the contribution of each row to the value, float64, shapes (n,) and
        (m,), mean 0: (n - 1) (mean_i P_-i - P_-i).
    """

    value: float
    variance: float
    influences: tuple[np.ndarray, np.ndarray]


def jackknife(coupling: Coupling) -> Jackknife:
    """Computes the delete-one jackknife of both sides.

    Value P - sum_sides (n - 1) (mean_i P_-i - P), variance sum_sides var(influences) / n.

    Source:
      Quenouille 1956, Biometrika 43, 353-360; Efron & Stein 1981, Annals of Statistics 9(3).
    """
    value, variance, influences = coupling.plain, 0.0, []
    for without in leave_one_out(coupling):
        n = len(without)
        value -= (n - 1) * float(without.mean() - coupling.plain)
        influence = (n - 1) * (without.mean() - without)
        variance += float(np.square(influence).sum()) / (n * (n - 1))
        influences.append(influence)
    return Jackknife(value, variance, (influences[0], influences[1]))


def second_order_variance(coupling: Coupling, seed: int, pairs: int = 1000) -> float:
    """Variance of the quadratic part of the distance, which alone remains at equal distributions.

    To second order the distance behaves like a maximum mean discrepancy with the kernel

        k(y, y') = sum_i s_i y_i y'_i + 1/2 sum_ij g_ij (y_i y_j - d_ij)(y'_i y'_j - d_ij),
        g_ij = s_i s_j / (s_i + s_j) = int_0^inf exp(-t / s_i) exp(-t / s_j) dt,

    and its quadratic part has the variance 2 [E k^2(y1, y1') / n^2 + 2 E k^2(y1, y2) / (n m) + E
    k^2(y2, y2') / m^2]. Each mean is over `pairs` random pairs of rows; that is enough to separate
    noise from bias.
    """
    s = coupling.s
    if not len(s):
        return 0.0
    t = s.max() * np.exp(np.arange(np.log(1e-9), np.log(40.0), STEP))
    factors = np.sqrt(t * STEP) * np.exp(-t / s[:, None])  # factors @ factors.T = g
    rng = np.random.default_rng(seed)
    drawn = []
    for side in coupling.sides:
        order = shuffled_indices(side.rows, seed)
        chosen = order[rng.integers(len(side.rows), size=pairs)]
        white = np.concatenate([y for _, y in side.white(side.rows[chosen])])
        drawn.append((chosen, white.astype(np.float64)))

    def mean_square(u: int, v: int) -> float:
        (i, a), (j, b), order = drawn[u], drawn[v], rng.permutation(pairs)
        j, b = j[order], b[order]
        product, squares = a * b, np.square(a) + np.square(b)
        kernel = product @ s + 0.5 * (
            np.square(product @ factors).sum(axis=1) - squares @ (s / 2.0) + s.sum() / 2.0
        )
        distinct = (i != j) if u == v else np.ones(pairs, dtype=bool)
        return float(np.square(kernel[distinct]).mean()) if distinct.any() else 0.0

    n, m = (len(side.rows) for side in coupling.sides)
    first, across, second = mean_square(0, 0), mean_square(0, 1), mean_square(1, 1)
    return 2.0 * (first / n**2 + 2.0 * across / (n * m) + second / m**2)

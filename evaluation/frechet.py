"""The Fréchet distance of two Gaussians fitted to rows: exact values, bias and variance.

Everything past the plain distance happens in *coupled* coordinates. Write the covariances as
S1 = A1^T A1 and S2 = A2^T A2 and take the singular values A1 A2^T = P diag(s) Q^T. Then
tr (S1^1/2 S2 S1^1/2)^1/2 = sum s, and the whitened rows y1 = (x1 - m1) A1^+ P and
y2 = (x2 - m2) A2^+ Q have covariance I and (x1 - m1).(x2 - m2) = sum_i s_i y1_i y2_i. The distance
behaves to second order like a maximum mean discrepancy with the kernel

    k(y, y') = sum_i s_i y_i y'_i + 1/2 sum_ij g_ij (y_i y_j - d_ij)(y'_i y'_j - d_ij),
    g_ij = s_i s_j / (s_i + s_j),

which gives its bias (the mean of k(y, y) / n) and its variance at equal laws (the mean of k^2).
"""

import dataclasses

import numpy as np
import scipy.linalg

from evaluation.moments import Moments

TINY = np.finfo(np.float64).eps


def frechet_distance(first: np.ndarray, second: np.ndarray, *, float32_mean: bool = False) -> float:
    """|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1^1/2 S2 S1^1/2)^1/2, covariances with ddof 1.

    With fewer rows than dimensions the root's trace is the nuclear norm of X1c X2c^T /
    sqrt((n1 - 1)(n2 - 1)), exact at any rank; otherwise the eigenvalues of the symmetric L^T S2 L
    with S1 = L L^T. No epsilon is added and no imaginary part can arise.

    Args:
      first: float64, shape (n1, d), n1 >= 2.
      second: float64, shape (n2, d), n2 >= 2.
      float32_mean: whether to take the means in float32, as torch-fidelity does.

    Returns:
      The distance between the fitted Gaussians, >= 0 up to rounding.

    Source:
      Heusel et al. 2017, arXiv:1706.08500, equation 6; Dowson & Landau 1982.
    """
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    if float32_mean:
        means = [x.astype(np.float32).mean(axis=0).astype(np.float64) for x in (first, second)]
    else:
        means = [first.mean(axis=0), second.mean(axis=0)]
    gap = means[0] - means[1]
    if min(len(a), len(b)) <= a.shape[1]:
        traces = np.square(a).sum() / (len(a) - 1) + np.square(b).sum() / (len(b) - 1)
        return float(gap @ gap + traces - 2.0 * _nuclear_norm(a, b))
    s1, s2 = Moments.of(first).covariance(), Moments.of(second).covariance()
    return float(gap @ gap + np.trace(s1) + np.trace(s2) - 2.0 * trace_of_root(s1, s2))


def trace_of_root(s1: np.ndarray, s2: np.ndarray) -> float:
    """Tr (S1^1/2 S2 S1^1/2)^1/2 of two covariances, shape (d, d); singular ones are allowed."""
    try:
        lower = np.linalg.cholesky(s1)
    except np.linalg.LinAlgError:
        return float(scipy.linalg.svdvals(_root_of(s1)[0] @ _root_of(s2)[0].T).sum())
    eigenvalues = scipy.linalg.eigvalsh(lower.T @ s2 @ lower)
    return float(np.sqrt(eigenvalues[eigenvalues > 0.0]).sum())  # below 0 is rounding of 0


def _nuclear_norm(a: np.ndarray, b: np.ndarray) -> float:
    """Sum of singular values of A B^T / sqrt((n1 - 1)(n2 - 1)), centred rows (n1, d), (n2, d)."""
    factors = [
        scipy.linalg.qr(x, mode="r")[0][: x.shape[1]] if len(x) > x.shape[1] else x for x in (a, b)
    ]
    singular = scipy.linalg.svdvals(factors[0] @ factors[1].T)
    return float(singular.sum() / np.sqrt((len(a) - 1) * (len(b) - 1)))


def _root_of(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A (r, d) with A^T A = S and its pseudo-inverse (d, r), null directions left out."""
    values, vectors = scipy.linalg.eigh(covariance)
    kept = values > 10.0 * TINY * len(values) * max(values[-1], 0.0)
    root = np.sqrt(values[kept])
    return (vectors[:, kept] * root).T, vectors[:, kept] / root


def _root_of_rows(centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same of centred rows (n, d), without a (d, d) matrix where n <= d."""
    n, d = centred.shape
    if n > d:
        return _root_of(centred.T @ centred / (n - 1))
    _, singular, vectors = scipy.linalg.svd(centred, full_matrices=False)
    kept = singular > 10.0 * TINY * d * singular.max(initial=0.0)
    root = singular[kept] / np.sqrt(n - 1)
    return vectors[kept] * root[:, None], (vectors[kept] / root[:, None]).T


@dataclasses.dataclass(frozen=True)
class Coupling:
    """Two samples in the coordinates that this module's docstring defines.

    Attributes:
      plain: the plain distance.
      s: singular values, float64, shape (r,), > 0.
      gap: m1 - m2, shape (d,).
      centred: the centred rows, shapes (n, d) and (m, d).
      white: the coupled whitened rows, shapes (n, r) and (m, r).
      traces: tr S1 and tr S2.
      rank: the larger of the two covariances' ranks; <= d.
    """

    plain: float
    s: np.ndarray
    gap: np.ndarray
    centred: tuple[np.ndarray, np.ndarray]
    white: tuple[np.ndarray, np.ndarray]
    traces: tuple[float, float]
    rank: int

    @property
    def weights(self) -> np.ndarray:
        """g_ij = s_i s_j / (s_i + s_j), shape (r, r)."""
        return self.s[:, None] * self.s / (self.s[:, None] + self.s)


def couple(first: np.ndarray, second: np.ndarray) -> Coupling:
    """Brings rows (n, d) and (m, d), n and m >= 2, into coupled coordinates."""
    m1, m2 = first.mean(axis=0), second.mean(axis=0)
    a, b = first - m1, second - m2
    root1, inverse1 = _root_of_rows(a)
    root2, inverse2 = _root_of_rows(b)
    p, s, qt = scipy.linalg.svd(root1 @ root2.T, full_matrices=False)
    kept = s > 10.0 * TINY * len(s) * s.max(initial=0.0)
    gap = m1 - m2
    t1, t2 = float(np.square(root1).sum()), float(np.square(root2).sum())
    return Coupling(
        plain=float(gap @ gap + t1 + t2 - 2.0 * s.sum()),
        s=s[kept],
        gap=gap,
        centred=(a, b),
        white=(a @ (inverse1 @ p[:, kept]), b @ (inverse2 @ qt[kept].T)),
        traces=(t1, t2),
        rank=max(len(root1), len(root2)),
    )


def second_order_bias(coupling: Coupling) -> float:
    """What the plain distance is too large by, to the order 1/n, for any law with fourth moments.

    tr S1 / n + tr S2 / m from the means, and per sample 1/2 sum_ij g_ij (E y_i^2 y_j^2 - d_ij) / n
    from the covariances. It depends on no grouping and no row order.

    Returns:
      The bias, >= 0. For equal Gaussian laws with variances l it is (1/n + 1/m) [sum l +
      1/2 sum_ij l_i l_j (1 + d_ij) / (l_i + l_j)].
    """
    weights = coupling.weights
    total = 0.0
    for trace, white in zip(coupling.traces, coupling.white, strict=True):
        squares = np.square(white)
        fourth = squares.T @ squares / len(white)
        total += (trace + 0.5 * (np.sum(weights * fourth) - np.trace(weights))) / len(white)
    return float(total)


def first_order_variance(coupling: Coupling) -> float:
    """var(phi1) / n + var(phi2) / m with the influence functions of the distance.

    phi1(x) = 2 (m1 - m2).(x - m1) + |x - m1|^2 - sum_i s_i y_i^2, up to a constant; phi2 by
    symmetry.

    Source:
      Rippl, Munk & Sturm 2016, arXiv:1507.04090, theorem 2.2.
    """
    total = 0.0
    for sign, rows, white in zip((1.0, -1.0), coupling.centred, coupling.white, strict=True):
        influence = 2.0 * sign * (rows @ coupling.gap) + np.square(rows).sum(axis=1)
        influence -= np.square(white) @ coupling.s
        total += influence.var(ddof=1) / len(rows)
    return float(total)


def second_order_variance(coupling: Coupling, seed: int, pairs: int = 4000) -> float:
    """Variance of the distance's quadratic part, all that is left of it at equal laws.

    2 [E k^2(y1, y1') / n^2 + 2 E k^2(y1, y2) / (n m) + E k^2(y2, y2') / m^2], each mean over
    `pairs` random pairs of rows: it enters only the standard error.
    """
    rng = np.random.default_rng(seed)
    weights, (y1, y2) = coupling.weights, coupling.white
    diagonal = np.diag(weights)

    def mean_square(u: np.ndarray, v: np.ndarray, *, same: bool) -> float:
        i = rng.integers(len(u), size=pairs)
        j = (i + rng.integers(1, len(u), size=pairs)) % len(u) if same else None
        j = rng.integers(len(v), size=pairs) if j is None else j
        product = u[i] * v[j]
        squares = np.square(u[i]) + np.square(v[j])
        kernel = product @ coupling.s + 0.5 * (
            np.sum(product @ weights * product, axis=1) - squares @ diagonal + diagonal.sum()
        )
        return float(np.square(kernel).mean())

    n, m = len(y1), len(y2)
    return 2.0 * (
        mean_square(y1, y1, same=True) / n**2
        + 2.0 * mean_square(y1, y2, same=False) / (n * m)
        + mean_square(y2, y2, same=True) / m**2
    )


def lower_bound(coupling: Coupling) -> tuple[float, float]:
    """|m1 - m2|^2 + (sqrt tr S1 - sqrt tr S2)^2, free of bias to order 1/n in any dimension.

    It never exceeds the distance, because tr (S1^1/2 S2 S1^1/2)^1/2 <= sqrt(tr S1 tr S2).

    Returns:
      (value, standard_error); the value may be negative when the laws are equal.
    """
    (t1, t2), (a, b) = coupling.traces, coupling.centred
    n, m = len(a), len(b)
    value = coupling.gap @ coupling.gap - t1 / n - t2 / m
    linear = 0.0
    if t1 > 0.0 and t2 > 0.0:
        value += (np.sqrt(t1) - np.sqrt(t2)) ** 2
    sides = ((a, t1, t2, 1.0), (b, t2, t1, -1.0))
    for rows, own, other, sign in sides:
        squares = np.square(rows).sum(axis=1)
        slope = 1.0 - np.sqrt(other / own) if own > 0.0 and other > 0.0 else 0.0
        influence = 2.0 * sign * (rows @ coupling.gap) + slope * squares
        linear += influence.var(ddof=1) / len(rows)
        if own > 0.0 and other > 0.0:
            value -= 0.25 * np.sqrt(other / own**3) * squares.var(ddof=1) / len(rows)
    crossed = [_mean_square_product(x, y) for x, y in ((a, a), (a, b), (b, b))]
    quadratic = 2.0 * (crossed[0] / n**2 + 2.0 * crossed[1] / (n * m) + crossed[2] / m**2)
    return float(value), float(np.sqrt(max(linear, quadratic)))


def _mean_square_product(a: np.ndarray, b: np.ndarray) -> float:
    """Tr S_a S_b of centred rows, by whichever of the two Gram matrices is smaller."""
    if max(len(a), len(b)) < a.shape[1]:
        return float(np.square(a @ b.T).sum() / (len(a) * len(b)))
    return float(np.sum((a.T @ a) * (b.T @ b)) / (len(a) * len(b)))

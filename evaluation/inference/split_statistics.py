"""Statistics of `same_distribution` for all splits at once, each with its rounding error."""

import warnings
from collections.abc import Callable

import numpy as np

from evaluation.distances import frechet
from evaluation.distances.mmd import distance_kernel, polynomial
from evaluation.errors import InputError
from evaluation.inference.permutation import Pool, pair_sums
from evaluation.statistics.halves import shuffled_indices


def kid(pool: Pool, chosen: np.ndarray) -> tuple[np.ndarray, float]:
    """Unbiased KID of every split, and its rounding error."""
    ends = pool.rows[:1].astype(np.float64), pool.rows[-1:].astype(np.float64)
    shift = float(polynomial(*ends)[0, 0])
    sums = pair_sums(pool.rows, polynomial, chosen, shift)
    n, m = int(chosen[:, 0].sum()), int((~chosen[:, 0]).sum())
    values = sums.inner / (n * (n - 1)) + sums.outer / (m * (m - 1)) - 2.0 * sums.across / (n * m)
    return values, 1e-13 * sums.largest


def energy(pool: Pool, chosen: np.ndarray) -> tuple[np.ndarray, float]:
    """Energy distance of every split, and its rounding error."""
    sums = pair_sums(pool.rows, distance_kernel, chosen)
    n, m = int(chosen[:, 0].sum()), int((~chosen[:, 0]).sum())
    values = 2.0 * sums.across / (n * m) - sums.inner / n**2 - sums.outer / m**2
    return values, 1e-13 * sums.largest


def reduced(pool: Pool, permutations: int, max_operations: float) -> Pool:
    """Projects the pool onto its span, if smaller; raises InputError if splits cost too much."""
    total, d = pool.rows.shape
    n = int(min(pool.first.sum(), (~pool.first).sum()))
    m, r = total - n, min(total, d)
    each = 2 * total * r**2 + 4 * r**3 if n > r else 2 * n * m * r + 4 * n**2 * m
    if each * (permutations + 1) > max_operations:
        fit = int(max_operations / each) - 1
        lower = f"give permutations={fit}, " if fit >= 19 else ""
        raise InputError(
            f"permutations={permutations} of the Fréchet distance take"
            f" {each * (permutations + 1):.1g} operations, more than"
            f" max_operations={max_operations:.1g}: {lower}raise that or use test='kid'"
        )
    rows = pool.rows.astype(np.float64)
    rows -= rows.mean(axis=0)
    if total <= d:
        left, singular, _ = np.linalg.svd(rows, full_matrices=False)
        kept = singular > singular[0] * np.finfo(np.float64).eps * d
        rows = left[:, kept] * singular[kept] if kept.any() else np.zeros((total, 1))
    return Pool(rows, pool.first)


def fid(pool: Pool, chosen: np.ndarray) -> tuple[np.ndarray, float]:
    """Plain Fréchet distance of every split, and its rounding error."""
    values = np.array(
        [frechet.frechet_distance(pool.rows[s], pool.rows[~s]) for s in chosen.T], dtype=np.float64
    )
    scale = float(np.square(pool.rows).sum()) / len(pool.rows)
    return values, 1e-10 * scale


STATISTICS: dict[str, Callable[[Pool, np.ndarray], tuple[np.ndarray, float]]] = {
    "kid": kid,
    "energy": energy,
    "fid": fid,
}


def classifier(
    both: tuple[np.ndarray, np.ndarray], permutations: int, seed: int
) -> tuple[np.ndarray, float]:
    """Accuracy on held-out rows, for the true labels and then for permuted labels.

    Scores break ties; they are scaled so that their sum counts less than one answer.
    """
    rows = [part[shuffled_indices(part, seed + side)] for side, part in enumerate(both)]
    tested = min(len(part) for part in rows) // 2
    scores = _scores([part[tested:] for part in rows], [part[:tested] for part in rows])
    chosen = Pool(scores[:, None], np.arange(2 * tested) < tested).splits(permutations, seed)
    weight = (scores > 0.0) * 2.0 - 1.0
    spread = float(np.abs(scores).max())
    if spread > 0.0:
        weight = weight + scores / spread / (4.0 * len(scores))
    sums = weight.sum() - 2.0 * (weight @ chosen)  # sum over y minus sum over x
    return 0.5 + sums / (2.0 * len(scores)), 1e-12


def _scores(learn: list[np.ndarray], test: list[np.ndarray]) -> np.ndarray:
    """Log odds that each test row belongs to y, from a logistic regression."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    rows = np.concatenate(learn).astype(np.float64)
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale[scale == 0.0] = 1.0
    sides = np.repeat([0, 1], [len(part) for part in learn])
    model = LogisticRegression(class_weight="balanced", max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # any classifier gives a valid test
        model.fit((rows - mean) / scale, sides)
    return model.decision_function((np.concatenate(test) - mean) / scale)

"""Random halves of a sample that do not depend on the order of its rows."""

import numpy as np


def canonical_order(rows: np.ndarray) -> np.ndarray:
    """Sorts rows by a fixed random projection, so that every row order gives the same array.

    The projection sees the rows rounded to float32: float32 and float64 copies sort alike. The
    order depends on the rows' content, so use it only before a shuffle.

    Args:
      rows: float64, shape (n, d).

    Returns:
      The same rows in the canonical order; ties are copies or differ by rounding.
    """
    with np.errstate(over="ignore"):
        rounded = rows.astype(np.float32).astype(np.float64)
    rounded = np.where(np.isfinite(rounded), rounded, rows)
    direction = np.random.default_rng(0).standard_normal(rows.shape[1])
    return rows[np.argsort(np.einsum("ij,j->i", rounded, direction), kind="stable")]


def halves(rows: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Splits rows, shape (n, d), at random into parts of n // 2 and n - n // 2 rows."""
    order = rng.permutation(len(rows))
    middle = len(rows) // 2
    return rows[order[:middle]], rows[order[middle:]]

"""Random halves of a sample that do not depend on the order of its rows."""

import zlib

import numpy as np

BLOCK_ENTRIES = 4_000_000


def canonical_order(rows: np.ndarray) -> np.ndarray:
    """Returns the rows, shape (n, d), sorted along a fixed random direction.

    The order depends on the content of the rows: use it only before a shuffle.
    """
    return rows[np.argsort(_projection(rows), kind="stable")]


def shuffled_indices(rows: np.ndarray, seed: int) -> np.ndarray:
    """Returns indices that shuffle the rows.

    The shuffled sample depends on `seed` and on the set of rows, but not on the order of the rows.
    If the order depended on `seed` alone, every sample would be split at the same ranks, and the
    parts would not be independent from sample to sample.

    Args:
      rows: float32 or float64, shape (n, d); read in blocks.
      seed: >= 0.

    Returns:
      int, shape (n,): `rows[answer]` is the shuffled sample.
    """
    projection = _projection(rows)
    order = np.argsort(projection, kind="stable")
    content = zlib.crc32(projection[order].tobytes())
    return order[np.random.default_rng((seed, content)).permutation(len(rows))]


def _projection(rows: np.ndarray) -> np.ndarray:
    """Projects rows, shape (n, d), onto a fixed random direction; returns shape (n,).

    The rows are first rounded to float32, so float32 and float64 copies sort in the same order.
    Tied rows are copies or differ by rounding.
    """
    direction = np.random.default_rng(0).standard_normal(rows.shape[1])
    answer = np.empty(len(rows))
    step = max(1, BLOCK_ENTRIES // rows.shape[1])
    for start in range(0, len(rows), step):
        rounded = block = rows[start : start + step].astype(np.float64)
        if rows.dtype != np.float32:
            with np.errstate(over="ignore"):
                rounded = block.astype(np.float32).astype(np.float64)
            rounded = np.where(np.isfinite(rounded), rounded, block)
        answer[start : start + step] = np.einsum("ij,j->i", rounded, direction)
    return answer + 0.0  # no -0.0


def halves(rows: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Splits rows, shape (n, ...), at random into n // 2 and n - n // 2 rows."""
    order = rng.permutation(len(rows))
    middle = len(rows) // 2
    return rows[order[:middle]], rows[order[middle:]]

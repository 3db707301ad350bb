"""Random halves of a sample that do not depend on the order of its rows."""

import zlib

import numpy as np

BLOCK_ENTRIES = 4_000_000


def canonical_order(rows: np.ndarray) -> np.ndarray:
    """The rows, shape (n, d), sorted along a fixed random direction.

    The order depends on the rows' content, so use it only before a shuffle.
    """
    return rows[np.argsort(_projection(rows), kind="stable")]


def shuffled_indices(rows: np.ndarray, seed: int) -> np.ndarray:
    """A random order that depends on `seed` and on all rows, but not on their order.

    A permutation that came from the seed alone would take the same ranks of every sample: over
    samples, its parts would be no independent rows.

    Args:
      rows: float32 or float64, shape (n, d), read block by block.
      seed: >= 0.

    Returns:
      int, shape (n,): `rows[answer]` is the shuffled sample.
    """
    projection = _projection(rows)
    order = np.argsort(projection, kind="stable")
    content = zlib.crc32(projection[order].tobytes())
    return order[np.random.default_rng((seed, content)).permutation(len(rows))]


def _projection(rows: np.ndarray) -> np.ndarray:
    """Rows, shape (n, d), along a fixed random direction, shape (n,).

    It sees the rows rounded to float32: float32 and float64 copies sort alike. Ties are copies or
    differ by rounding.
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
    """Splits rows, shape (n, ...), at random into parts of n // 2 and n - n // 2 rows."""
    order = rng.permutation(len(rows))
    middle = len(rows) // 2
    return rows[order[:middle]], rows[order[middle:]]

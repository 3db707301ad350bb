"""Permutation tests of "both samples have the same distribution": random splits of pooled rows.

Under this hypothesis every split of the pooled rows into parts of the same sizes is equally likely.
So the fraction of splits whose statistic is at least the observed one is a p-value, for any
statistic, distribution and sample size. A quadratic statistic of all splits takes one product of
the pooled kernel matrix with the splits' indicators. The matrix is computed in tiles and never
stored.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from evaluation.statistics.halves import shuffled_indices

TILE_ROWS = 1024
Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Pool:
    """The pooled rows of two samples, in an order that does not depend on the input order.

    Attributes:
      rows: float32 or float64, shape (n + m, d).
      first: whether a row belongs to the first sample, bool, shape (n + m,).
    """

    rows: np.ndarray
    first: np.ndarray

    @classmethod
    def from_samples(cls, first: np.ndarray, second: np.ndarray, seed: int) -> "Pool":
        """Pools rows (n, d) and (m, d); the order depends on `seed` and on the set of rows."""
        rows = np.concatenate([first, second])
        order = shuffled_indices(rows, seed)
        return cls(rows[order], order < len(first))

    def splits(self, count: int, seed: int) -> np.ndarray:
        """The observed split, then `count` random ones of the same sizes; bool, (n + m, 1 + count).

        True marks the smaller part, so that swapping the samples changes nothing.
        """
        smaller = self.first if 2 * self.first.sum() <= len(self.first) else ~self.first
        rng = np.random.default_rng(seed)
        chosen = np.zeros((len(smaller), 1 + count), dtype=bool)
        chosen[:, 0] = smaller
        size = int(smaller.sum())
        for split in range(1, 1 + count):
            chosen[rng.choice(len(smaller), size, replace=False, shuffle=False), split] = True
        return chosen


def p_value(statistics: np.ndarray, tolerance: float) -> float:
    """(1 + splits with a statistic of at least the observed one) / (1 + splits), in (0, 1].

    Args:
      statistics: of the observed split, then of the random splits, float64, shape (1 + splits,).
      tolerance: largest rounding difference; statistics this close count as equal.

    Source:
      Phipson & Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9(1), 39.
    """
    at_least = int((statistics[1:] >= statistics[0] - tolerance).sum())
    return (1 + at_least) / len(statistics)


@dataclasses.dataclass(frozen=True)
class Sums:
    """Sums of a symmetric kernel over ordered pairs of different rows, float64, shape (splits,).

    Attributes:
      inner: pairs within the marked part.
      outer: pairs within the other part.
      across: pairs with one row in each part, counted once.
      largest: largest magnitude of a kernel value.
    """

    inner: np.ndarray
    outer: np.ndarray
    across: np.ndarray
    largest: float


def pair_sums(rows: np.ndarray, kernel: Kernel, chosen: np.ndarray, shift: float = 0.0) -> Sums:
    """Sums of kernel - shift over pairs of rows, for each split.

    With s the indicator of the marked part, the sum within it is s^T K s. The other two sums follow
    from the row sums of K.

    Args:
      rows: shape (n + m, d).
      kernel: blocks (a, d), (b, d) of float64 -> (a, b).
      chosen: indicators of the marked parts, bool, shape (n + m, splits).
      shift: subtracted from each kernel value; a typical value keeps rounding errors small.
    """
    total, splits = chosen.shape
    inner, degrees, largest = np.zeros(splits), np.zeros(total), 0.0
    for start in range(0, total, TILE_ROWS):
        here = slice(start, start + TILE_ROWS)
        left, marked = rows[here].astype(np.float64), chosen[here].astype(np.float64)
        product = np.zeros_like(marked)
        for first in range(start, total, TILE_ROWS):
            there = slice(first, first + TILE_ROWS)
            right = left if first == start else rows[there].astype(np.float64)
            tile = kernel(left, right)
            largest = max(largest, float(np.abs(tile).max()))
            tile -= shift
            if first == start:
                np.fill_diagonal(tile, 0.0)
            else:
                degrees[there] += tile.sum(axis=0)
            degrees[here] += tile.sum(axis=1)
            product += (1.0 if first == start else 2.0) * (tile @ chosen[there].astype(np.float64))
        inner += np.einsum("ij,ij->j", marked, product)
    across = degrees @ chosen - inner
    return Sums(inner, degrees.sum() - inner - 2.0 * across, across, largest)

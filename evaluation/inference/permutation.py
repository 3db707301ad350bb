"""Permutation tests of "both samples come from one law": random splits of the pooled rows.

Under that hypothesis each split of the pooled rows into parts of the same sizes is as likely as the
one observed, so the share of splits whose statistic is at least the observed one is a p-value for
any statistic, law and sample size. A quadratic statistic of all splits together costs one product
of the pooled kernel matrix with the splits' indicators; the matrix is made tile by tile and never
held.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from evaluation.neighbours.distances import differences2
from evaluation.statistics.halves import shuffled_indices

TILE_ROWS = 1024
NEAR = 1e-4  # squared distance over squared norms, below which differences are used
Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Pool:
    """The rows of two samples together, in an order that does not depend on how they were given.

    Attributes:
      rows: float32 or float64, shape (n + m, d).
      first: which rows are of the first sample, bool, shape (n + m,).
    """

    rows: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, first: np.ndarray, second: np.ndarray, seed: int) -> "Pool":
        """Pools rows (n, d) and (m, d), shuffled by `seed` and by what the rows hold."""
        rows = np.concatenate([first, second])
        order = shuffled_indices(rows, seed)
        return cls(rows[order], order < len(first))

    def splits(self, count: int, seed: int) -> np.ndarray:
        """The observed split, then `count` random ones of the same sizes; bool, (n + m, 1 + count).

        True marks the smaller part, so that exchanging the samples changes nothing.
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
      statistics: the observed split's, then the random ones', float64, shape (1 + splits,).
      tolerance: how much two statistics may differ by rounding alone: as much counts as equal.

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
      across: pairs of one row of each part, each counted once.
      largest: the largest magnitude of a kernel value.
    """

    inner: np.ndarray
    outer: np.ndarray
    across: np.ndarray
    largest: float


def pair_sums(rows: np.ndarray, kernel: Kernel, chosen: np.ndarray, shift: float = 0.0) -> Sums:
    """Sums of kernel - shift over pairs of rows, for each split.

    With s the indicator of the marked part, the sum within it is s^T K s; with the sums over rows
    the other two follow.

    Args:
      rows: shape (n + m, d).
      kernel: blocks (a, d), (b, d) of float64 -> (a, b).
      chosen: bool, shape (n + m, splits).
      shift: taken from each kernel value; near them, it keeps rounding small.
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


def distance_kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances of rows (a, d) and (b, d), exact for copies and near ones."""
    origin = a.mean(axis=0)
    x, y = a - origin, b - origin
    size2 = np.einsum("ij,ij->i", x, x)[:, None] + np.einsum("ij,ij->i", y, y)
    distance2 = size2 - 2.0 * (x @ y.T)
    i, j = np.nonzero(distance2 <= NEAR * size2)
    distance2[i, j] = differences2(a, i, b, j)
    return np.sqrt(distance2)

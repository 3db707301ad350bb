"""Mean and scatter of rows in float64; shards and workers can be merged."""

import dataclasses
from collections.abc import Iterator

import numpy as np

BLOCK_ENTRIES = 8_000_000


@dataclasses.dataclass(frozen=True)
class Moments:
    """Count, mean and scatter of some rows.

    Attributes:
      n: number of rows, >= 1.
      mean: float64, shape (d,).
      scatter: sum of (x - mean)(x - mean)^T, float64, shape (d, d).
    """

    n: int
    mean: np.ndarray
    scatter: np.ndarray

    @classmethod
    def from_rows(cls, rows: np.ndarray, indices: np.ndarray | None = None) -> "Moments":
        """Computes the moments of `rows`, shape (n, d), any real dtype, in float64 block by block.

        Args:
          rows: an array in memory or mapped from a file; it is read twice.
          indices: indices of the rows to use, int, shape (k,), k >= 1; None uses all.
        """
        n, d = (len(rows) if indices is None else len(indices)), rows.shape[1]
        mean = np.zeros(d)
        for block in _blocks(rows, indices):
            mean += block.sum(axis=0)
        mean /= n
        scatter = np.zeros((d, d))
        for block in _blocks(rows, indices):
            block -= mean
            scatter += block.T @ block
        return cls(n, mean, scatter)

    def merge(self, other: "Moments") -> "Moments":
        """Returns the moments of both sets of rows together.

        scatter = scatter_a + scatter_b + n_a n_b / (n_a + n_b) (m_a - m_b)(m_a - m_b)^T.

        Source:
          Chan, Golub & LeVeque 1983, The American Statistician 37(3), equations 2.1.
        """
        n = self.n + other.n
        gap = other.mean - self.mean
        scatter = self.scatter + other.scatter + np.outer(gap, gap) * (self.n * other.n / n)
        return Moments(n, self.mean + gap * (other.n / n), scatter)

    def covariance(self, ddof: int = 1) -> np.ndarray:
        """Returns scatter / (n - ddof), shape (d, d); n > ddof."""
        return self.scatter / (self.n - ddof)


def _blocks(rows: np.ndarray, indices: np.ndarray | None) -> Iterator[np.ndarray]:
    """Yields the chosen rows, copied to float64 block by block."""
    step = max(1, BLOCK_ENTRIES // rows.shape[1])
    for start in range(0, len(rows) if indices is None else len(indices), step):
        part = slice(start, start + step)
        yield rows[part if indices is None else indices[part]].astype(np.float64)

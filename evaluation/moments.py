"""Mean and scatter of rows in float64, mergeable, so that shards and workers add up."""

import dataclasses

import numpy as np


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
    def of(cls, rows: np.ndarray) -> "Moments":
        """The moments of `rows`, shape (n, d), any real dtype, summed in float64."""
        rows = np.asarray(rows, dtype=np.float64)
        mean = rows.mean(axis=0)
        centred = rows - mean
        return cls(len(rows), mean, centred.T @ centred)

    def merge(self, other: "Moments") -> "Moments":
        """The moments of both sets of rows together.

        scatter = scatter_a + scatter_b + n_a n_b / (n_a + n_b) (m_a - m_b)(m_a - m_b)^T.

        Source:
          Chan, Golub & LeVeque 1983, The American Statistician 37(3), equations 2.1.
        """
        n = self.n + other.n
        gap = other.mean - self.mean
        scatter = self.scatter + other.scatter + np.outer(gap, gap) * (self.n * other.n / n)
        return Moments(n, self.mean + gap * (other.n / n), scatter)

    def covariance(self, ddof: int = 1) -> np.ndarray:
        """Scatter / (n - ddof), shape (d, d); n > ddof."""
        return self.scatter / (self.n - ddof)

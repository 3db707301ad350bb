"""Products over soft balls, whose membership falls with the distance from the centre."""

import numpy as np

from evaluation.neighbours.distances import differences2, hash_rows

BLOCK_ROWS = 1024
NEAR = 1e-3  # squared distance / squared norms below which differences are used


def soft_product(centres: np.ndarray, points: np.ndarray, radius: float) -> np.ndarray:
    """Product over the centres of min(distance / radius, 1), for each point.

    Distances come from float64 matrix products, in blocks. If a product would lose more than six
    digits, differences are used instead.

    Args:
      centres: shape (n, d).
      points: shape (m, d).
      radius: radius of all balls, > 0.

    Returns:
      float64, shape (m,), in [0, 1]; 0 at a copy of a centre.
    """
    logs = np.zeros(len(points))
    origin = centres[: 4 * BLOCK_ROWS].mean(axis=0, dtype=np.float64)
    for first in range(0, len(points), BLOCK_ROWS):
        here = slice(first, first + BLOCK_ROWS)
        y = points[here].astype(np.float64) - origin
        y2 = np.einsum("ij,ij->i", y, y)
        y_hashes = np.array(hash_rows(points[here].astype(np.float64)))
        for start in range(0, len(centres), BLOCK_ROWS):
            block = centres[start : start + BLOCK_ROWS]
            x = block.astype(np.float64) - origin
            x2 = np.einsum("ij,ij->i", x, x)
            size2 = x2[:, None] + y2
            distance2 = size2 - 2.0 * (x @ y.T)
            i, j = np.nonzero(distance2 < NEAR * size2)
            same = np.array(hash_rows(block.astype(np.float64)))[i] == y_hashes[j]
            distance2[i[same], j[same]] = 0.0
            i, j = i[~same], j[~same]
            distance2[i, j] = differences2(block, i, points[here], j)
            np.minimum(distance2, radius**2, out=distance2)
            with np.errstate(divide="ignore"):
                logs[here] += np.log(distance2 / radius**2).sum(axis=0)
    return np.exp(0.5 * logs)

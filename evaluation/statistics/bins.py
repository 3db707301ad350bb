"""Random shuffles of a sample, and k-means cells of the feature space."""

import warnings
import zlib

import numpy as np

from evaluation.statistics.halves import canonical_order

BLOCK_ENTRIES = 4_000_000  # distances in memory at once


def shuffled(rows: np.ndarray, seed: int) -> np.ndarray:
    """Returns the rows in a random order.

    The order depends on `seed` and on the set of rows, but not on the order of the rows. If it
    depended on `seed` alone, every sample would be split at the same ranks, and the parts would
    not be independent from sample to sample.

    Args:
      rows: float64, shape (n, d).
      seed: >= 0.
    """
    rows = canonical_order(rows)
    content = zlib.crc32((rows + 0.0).astype(np.float32).tobytes())  # no -0.0
    return rows[np.random.default_rng((seed, content)).permutation(len(rows))]


def fit_centres(rows: np.ndarray, cells: int, seed: int) -> np.ndarray:
    """Centres of Lloyd's k-means with k-means++ starts; independent of the order of the rows.

    Args:
      rows: float64, shape (n, d).
      cells: number of centres, 1 <= cells <= n.
      seed: seed of the starts.

    Returns:
      float64, shape (k, d); k < cells if there are fewer distinct rows.

    Source:
      Lloyd 1982; Arthur & Vassilvitskii 2007.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    rows = canonical_order(rows)
    shift = rows.mean(axis=0)
    fit = KMeans(n_clusters=cells, n_init=1, random_state=np.random.RandomState(seed % 2**32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # from copies: see `Returns`
        centres = fit.fit(rows - shift).cluster_centers_
    centres = np.unique(centres, axis=0) + shift
    return centres[np.unique(cells_of(rows, centres))]


def cells_of(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Index of each row's nearest centre, int, shape (n,); rows (n, d), centres (k, d)."""
    shift = centres.mean(axis=0)
    centred = centres - shift
    norms = np.square(centred).sum(axis=1)
    answer = np.empty(len(rows), dtype=np.int64)
    step = max(1, BLOCK_ENTRIES // max(len(centres), rows.shape[1]))
    for start in range(0, len(rows), step):
        block = rows[start : start + step].astype(np.float64) - shift
        answer[start : start + step] = (norms - 2.0 * block @ centred.T).argmin(axis=1)
    return answer


def cell_fractions(cells: np.ndarray, count: int) -> np.ndarray:
    """Returns the fraction of the rows in each cell, shape (count,)."""
    return np.bincount(cells, minlength=count) / len(cells)

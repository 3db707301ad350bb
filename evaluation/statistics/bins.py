"""Random parts of a sample, and cells of the feature space that k-means places in them."""

import warnings
import zlib

import numpy as np

from evaluation.statistics.halves import canonical_order

BLOCK_ENTRIES = 4_000_000  # distances held at once


def shuffled(rows: np.ndarray, seed: int) -> np.ndarray:
    """The rows in a random order that depends on `seed` and on all rows, but not on their order.

    A permutation of the canonical order that came from the seed alone would take the same ranks of
    every sample: over samples, its parts would be no independent rows.

    Args:
      rows: float64, shape (n, d).
      seed: >= 0.
    """
    rows = canonical_order(rows)
    content = zlib.crc32((rows + 0.0).astype(np.float32).tobytes())  # no -0.0
    return rows[np.random.default_rng((seed, content)).permutation(len(rows))]


def fit_centres(rows: np.ndarray, cells: int, seed: int) -> np.ndarray:
    """Centres of Lloyd's k-means, from k-means++ starts; the order of the rows does not matter.

    Args:
      rows: float64, shape (n, d).
      cells: how many, 1 <= cells <= n.
      seed: of the starts.

    Returns:
      float64, shape (k, d); k < cells where fewer rows differ.

    Source:
      Lloyd 1982; Arthur & Vassilvitskii 2007.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    rows = canonical_order(rows)
    shift = rows.mean(axis=0)
    fit = KMeans(n_clusters=cells, n_init=1, random_state=np.random.RandomState(seed % 2**32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # copies: see `Returns`
        centres = fit.fit(rows - shift).cluster_centers_
    centres = np.unique(centres, axis=0) + shift
    return centres[np.unique(cells_of(rows, centres))]


def cells_of(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The nearest centre of each row, int, shape (n,); rows (n, d), centres (k, d)."""
    shift = centres.mean(axis=0)
    centred = centres - shift
    norms = np.square(centred).sum(axis=1)
    answer = np.empty(len(rows), dtype=np.int64)
    step = max(1, BLOCK_ENTRIES // max(len(centres), rows.shape[1]))
    for start in range(0, len(rows), step):
        block = rows[start : start + step].astype(np.float64) - shift
        answer[start : start + step] = (norms - 2.0 * block @ centred.T).argmin(axis=1)
    return answer

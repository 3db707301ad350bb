"""`nearest`: the nearest reference rows of each row; checks its arguments."""

from typing import Any

import numpy as np

from evaluation.core.arrays import as_rows
from evaluation.core.validation import check_whole
from evaluation.errors import InputError
from evaluation.neighbours.closest import Closest, closest_within_table
from evaluation.neighbours.distances import tiles
from evaluation.neighbours.one_pass import prepared


def nearest(reference: Any, rows: Any = None, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Returns the exact k nearest reference rows of each row, without a full distance matrix.

    Args:
      reference: array-like, shape (t, d), any real dtype, finite; may be memory-mapped.
      rows: array-like, shape (m, d). None: the reference rows; a row is then not its own neighbour.
      k: number of neighbours, 1 <= k <= t (k < t without `rows`).

    Returns:
      Indices, int, and Euclidean distances, float64, ascending, shape (m, k) each. Ties go to the
      lowest index. The distance to a copy is exactly 0.

    Raises:
      InputError: the rows are not finite (n, d) tables, differ in width, or are fewer than k.

    Example:
      >>> from evaluation import nearest
      >>> index, distance = nearest([[0.0, 0.0], [3.0, 4.0]], [[0.0, 1.0]], k=2)
      >>> index.tolist(), distance.round(3).tolist()
      ([[0, 1]], [[1.0, 4.243]])
    """
    table = as_rows(reference, "reference")
    check_whole("k", k, 1)
    least = k + (rows is None)
    if len(table) < least:
        raise InputError(f"reference has {len(table)} rows; k={k} needs at least {least}: lower k")
    if rows is None:
        points = prepared(table)[0]
        indices, distances2 = closest_within_table(points, k)
        return indices, np.sqrt(distances2 / points.scale)
    queries = as_rows(rows, "rows")
    if queries.shape[1] != table.shape[1]:
        raise InputError(
            f"rows has {queries.shape[1]} columns and reference {table.shape[1]}; they must agree:"
            " take both from the same network and layer"
        )
    others, own = prepared(table, queries)
    closest = Closest(own, others, k)
    for part, columns, tile in tiles(own, others):
        closest.offer(part, columns, tile, 0)
    indices, distances2 = closest.finish()
    return indices, np.sqrt(distances2 / own.scale)

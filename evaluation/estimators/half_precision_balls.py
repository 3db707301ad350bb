"""Counts rows in balls with half-precision radii, as two published programs do.

Both expand |u - v|^2 into |u|^2 - 2 u.v + |v|^2 for features cast to float16, where the rounding of
the norms is a few parts in a thousand of the distances between neighbours. Here products and sums
are float32, rounded where the programs round. The order and the width of the sums on a GPU are not
reproduced, which may move rows that lie on a sphere.
"""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np

from evaluation.core.pair import Pair
from evaluation.errors import InputError

RULES = ("float16", "float16-root")
BLOCK_ROWS = 10_000  # of both sides: ADM falls back to float32 for a whole block
STRIPE_ROWS = 256
LARGEST = 65_504.0  # of float16
SMALLEST = 6e-5  # of float16, at full precision


@dataclasses.dataclass(frozen=True)
class _Rows:
    """Rows in both precisions.

    Attributes:
      single: the rows in float32.
      half: the rows rounded to float16, stored as float32.
      norms: squared norms of `half`.
    """

    single: np.ndarray
    half: np.ndarray
    norms: np.ndarray

    @classmethod
    def from_features(cls, rows: np.ndarray) -> "_Rows":
        """Rounds features (n, d) of any precision."""
        single = rows.astype(np.float32)
        half = _rounded(single)
        with np.errstate(over="ignore"):
            norms = _rounded(_rounded(np.square(half)).sum(axis=1))
        return cls(single, half, norms)

    def __getitem__(self, part: slice) -> "_Rows":
        return _Rows(self.single[part], self.half[part], self.norms[part])

    def __len__(self) -> int:
        return len(self.half)


def count_inside(pair: Pair, around: str, k: int, rule: str) -> int:
    """Counts the rows of one side that lie in a closed ball around a row of the other.

    Args:
      pair: features of both sides.
      around: side of the centres, "real" or "fake".
      k: the ball reaches to the k-th nearest other row of its own side. A row's own distance, which
        rounding may leave above 0, counts as the smallest.
      rule: "float16": squared distances, each of the three terms and their sums rounded; a block of
        10 000 by 10 000 rows that overflows is computed in float32. "float16-root": the whole
        expansion as one product, rounded once, and its root.

    Raises:
      InputError: squared norms outside the range of float16, too large with "float16-root" or too
        small.
    """
    assert pair.real is not None
    sides = {"real": _Rows.from_features(pair.real), "fake": _Rows.from_features(pair.fake)}
    for name, side in sides.items():
        _check_range(name, side, rule)
    centres = sides[around]
    radii = _radii(centres, k, rule)
    held = np.zeros(len(sides["fake" if around == "real" else "real"]), dtype=bool)
    for rows, columns, tile in _tiles(sides["real"], sides["fake"], rule):
        if around == "real":
            held[columns] |= (tile <= radii[rows, None]).any(axis=0)
        else:
            held[rows] |= (tile <= radii[columns]).any(axis=1)
    return int(held.sum())


def _check_range(side: str, rows: _Rows, rule: str) -> None:
    """Refuses norms that overflow to equal infinities in one program, and norms that underflow."""
    bad = int((~np.isfinite(rows.norms)).sum())
    if bad and rule == "float16-root":
        raise InputError(
            f"{side}_features has {bad} rows with a squared norm above {LARGEST:.0f}, which float16"
            " does not hold: use distances='exact', or scale all features down"
        )
    middle = float(np.median(_norms(rows)))
    if middle < SMALLEST:
        raise InputError(
            f"{side}_features has squared norms of {middle:.1e}; float16 loses digits below"
            f" {SMALLEST:.0e}: use distances='exact', or scale all features up"
        )


def _radii(rows: _Rows, k: int, rule: str) -> np.ndarray:
    """Returns each row's (k + 1)-th smallest distance to its side, itself included; shape (n,)."""
    nearest = np.full((len(rows), k + 1), np.inf, dtype=np.float32)
    for part, _, tile in _tiles(rows, rows, rule):
        nearest[part] = np.partition(np.hstack([nearest[part], tile]), k, axis=1)[:, : k + 1]
    return nearest.max(axis=1)


def _tiles(a: _Rows, b: _Rows, rule: str) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Yields slices of a's rows and of b's, with their (squared) distances in float32."""
    starts = (range(0, len(x), BLOCK_ROWS) for x in (a, b))
    for first, second in itertools.product(*starts):
        rows = slice(first, min(first + BLOCK_ROWS, len(a)))
        columns = slice(second, min(second + BLOCK_ROWS, len(b)))
        single = rule == "float16" and _overflows(a[rows], b[columns])
        for start in range(rows.start, rows.stop, STRIPE_ROWS):
            part = slice(start, min(start + STRIPE_ROWS, rows.stop))
            yield part, columns, _distances(a[part], b[columns], rule, single)


def _overflows(a: _Rows, b: _Rows) -> bool:
    """Returns whether any squared distance of a block, or a part of it, overflows float16."""
    if not np.isfinite([a.norms.max(), b.norms.max()]).all():
        return True
    if (np.sqrt(a.norms.max()) + np.sqrt(b.norms.max())) ** 2 < 0.99 * LARGEST:
        return False
    stripes = (a[start : start + STRIPE_ROWS] for start in range(0, len(a), STRIPE_ROWS))
    return not all(np.isfinite(_distances(x, b, "float16", False)).all() for x in stripes)


def _distances(a: _Rows, b: _Rows, rule: str, single: bool) -> np.ndarray:
    """Computes one tile: squared distances for "float16", distances for "float16-root"."""
    with np.errstate(over="ignore", invalid="ignore"):
        if single:
            squared = _norms(a)[:, None] - 2.0 * (a.single @ b.single.T) + _norms(b)
            return np.maximum(squared, 0.0)
        product = a.half @ b.half.T
        if rule == "float16":
            product = _rounded(-2.0 * _rounded(product))
            return np.maximum(_rounded(_rounded(a.norms[:, None] + product) + b.norms), 0.0)
        squared = _rounded(-2.0 * product + a.norms[:, None] + b.norms)
        return _rounded(np.sqrt(np.maximum(squared, 0.0)))


def _norms(rows: _Rows) -> np.ndarray:
    """Returns squared norms in float32."""
    return np.square(rows.single).sum(axis=1)


def _rounded(values: np.ndarray) -> np.ndarray:
    """Rounds to the nearest float16, as float32; infinity beyond its range."""
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)

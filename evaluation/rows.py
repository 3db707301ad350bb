"""What a metric is given: checked rows of numbers, and a pair of them."""

import dataclasses
import functools
from typing import Any

import numpy as np

from evaluation.errors import InputError, TooFewRows
from evaluation.neighbours import Neighbours

LARGEST = 1e20  # a cubic kernel's square reaches its 12th power


def as_rows(values: Any, name: str) -> np.ndarray:
    """Checks that `values` is a finite (n, d) table and returns it in float64, C-contiguous.

    Args:
      values: array-like, shape (n, d), any real dtype, n >= 1, d >= 1; finite.
      name: what the caller calls it, for the error.

    Returns:
      float64 array of shape (n, d); a copy unless it already was one of that kind.

    Raises:
      InputError: not numeric, not two-dimensional, empty, not finite, or so large as to overflow.
    """
    if isinstance(values, np.ma.MaskedArray):
        raise InputError(
            f"{name} is a masked array; its masked entries would count as numbers: drop those rows"
            " and give a plain array"
        )
    try:
        rows = np.asarray(values)
    except ValueError as error:
        raise InputError(
            f"{name} is not a table of numbers: give every row the same number of columns"
        ) from error
    if rows.dtype.kind not in "biuf":
        raise InputError(
            f"{name} has dtype {rows.dtype}; it must be real numbers: convert it to float32 first"
        )
    if rows.ndim != 2:
        raise InputError(
            f"{name} has shape {rows.shape}; it must be (n, d), one row per image:"
            " flatten or pool each image's features to one vector"
        )
    if 0 in rows.shape:
        raise InputError(f"{name} has shape {rows.shape}; it must not be empty: give some rows")
    rows = np.ascontiguousarray(rows, dtype=np.float64)
    if not np.isfinite(rows).all():
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        raise InputError(
            f"{name} holds NaN or infinite numbers in {bad.size} of {len(rows)} rows (first: row"
            f" {bad[0]}); all must be finite: drop those rows or mend what made them"
        )
    largest = float(np.abs(rows).max())
    if largest > LARGEST:
        raise InputError(
            f"{name} holds {largest:.3g}; magnitudes must stay within {LARGEST:.0e}, past which"
            " sums overflow: rescale the rows"
        )
    return rows


@dataclasses.dataclass(frozen=True)
class Pair:
    """Real and generated rows of one kind, as every metric gets them.

    Attributes:
      real: float64, shape (n, d); None where the metric does without.
      fake: float64, shape (m, d).
      kind: "features" or "logits", for the errors.
    """

    real: np.ndarray | None
    fake: np.ndarray
    kind: str = "features"

    @property
    def n_real(self) -> int:
        """Rows of real data."""
        return 0 if self.real is None else len(self.real)

    @property
    def n_fake(self) -> int:
        """Rows of generated data."""
        return len(self.fake)

    @property
    def both(self) -> tuple[np.ndarray, np.ndarray]:
        """Real and fake rows, for a metric that cannot do without the real ones."""
        if self.real is None:
            raise InputError(f"real_{self.kind} is None; this metric compares with real data")
        return self.real, self.fake

    @functools.cached_property
    def neighbours(self) -> Neighbours:
        """Nearest-neighbour answers, computed once for all metrics that ask."""
        return Neighbours(*self.both)

    @functools.cached_property
    def dependent(self) -> bool:
        """Whether more than half of the smaller side are copies of rows of the other side.

        Then the two are no independent samples, and a correction that takes them for such goes too
        far: the extreme is a sample measured against itself.
        """
        real, fake = ({hash((row + 0.0).tobytes()) for row in rows} for rows in self.both)
        return 2 * len(real & fake) > min(len(real), len(fake))

    def require(self, metric: str, real: int = 0, fake: int = 0, why: str = "") -> None:
        """Refuses a pair with fewer rows than the metric needs.

        Args:
          metric: the metric's name.
          real: least number of real rows.
          fake: least number of generated rows.
          why: a clause that gives the reason, after a colon.

        Raises:
          InputError: too few rows; the line says how many are needed.
        """
        for side, have, need in (("real", self.n_real, real), ("fake", self.n_fake, fake)):
            if have < need:
                needs = f"{metric} needs at least {need}" + (f" ({why})" if why else "")
                line = f"{side}_{self.kind} has {have} rows; {needs}: give more samples"
                raise TooFewRows(line, side, needs)

    def require_neighbours(self, metric: str, side: str, k: int, *, closed: bool) -> None:
        """Refuses what balls around `side`'s rows, out to the k-th neighbour, cannot be built on.

        Args:
          metric: the metric's name.
          side: "real" or "fake".
          k: which neighbour sets the radius.
          closed: whether balls hold their sphere; a closed ball of radius 0 holds its copies.

        Raises:
          InputError: k < 1, fewer than k + 2 rows, or an open ball of radius 0.
        """
        if k < 1:
            raise InputError(f"{metric} setting k={k}; it must be at least 1")
        least = {"real": 1, "fake": 1} | {side: k + 2}
        self.require(metric, least["real"], least["fake"], f"k = {k}")
        if closed:
            return
        empty = int((self.neighbours.radii2(side, k) == 0.0).sum())
        if empty:
            raise InputError(
                f"{side}_{self.kind} has {empty} rows with {k} or more exact copies; {metric} needs"
                " a radius above 0: remove the copies or raise k"
            )

"""What a metric is given: checked rows of numbers, and a pair of them."""

import dataclasses
import functools
import math
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from evaluation.errors import InputError, TooFewRows
from evaluation.neighbours.distances import names_of
from evaluation.neighbours.one_pass import Neighbours, Request

BLOCK_ENTRIES = 4_000_000  # numbers looked at at once
LARGEST = 1e20  # a cubic kernel's square reaches its 12th power


def as_rows(values: Any, name: str, *, double: bool = False) -> np.ndarray:
    """Checks that `values` is a finite (n, d) table of real numbers.

    Args:
      values: array-like, shape (n, d), any real dtype, n >= 1, d >= 1, finite; a memory-mapped
        array is read block by block and never copied. An iterator of such tables is written to
        a temporary file first, which goes with the process.
      name: what the caller calls it, for the error.
      double: whether to answer in float64 in any case.

    Returns:
      C-contiguous array of shape (n, d): float32 where the numbers came as float32 or float16,
      otherwise float64; no copy where none is needed.

    Raises:
      InputError: not numeric, not two-dimensional, empty, not finite, or so large as to overflow.
    """
    rows = _spooled(values, name, double) if isinstance(values, Iterator) else _table(values, name)
    single = rows.dtype in (np.float16, np.float32) and not double
    with np.errstate(over="ignore"):  # longer floats may become infinite, which is refused
        rows = np.ascontiguousarray(rows, dtype=np.float32 if single else np.float64)
    _check_numbers(rows, name)
    return rows


def blocks(rows: np.ndarray, entries: int = BLOCK_ENTRIES) -> Iterator[np.ndarray]:
    """Consecutive rows of (n, d) in float64, about `entries` numbers at a time."""
    step = max(1, entries // rows.shape[1])
    for start in range(0, len(rows), step):
        yield rows[start : start + step].astype(np.float64)


def _table(values: Any, name: str) -> np.ndarray:
    """An array of real numbers of shape (n, d), of whatever dtype."""
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
    except Exception as error:  # whatever an object's own __array__ raises
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"{name} is {type(values).__name__}, which does not become an array ({why}): convert"
            " it to a NumPy array in main memory first"
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
    return rows


def _spooled(parts: Iterator[Any], name: str, double: bool) -> np.ndarray:
    """Tables one after another, in a temporary file that is mapped into memory."""
    with tempfile.TemporaryFile() as file:  # mapped, it lives on until the array goes
        columns = 0
        dtype: np.dtype[Any] = np.dtype(np.float64)
        for index, part in enumerate(parts):
            table = _table(part, f"block {index} of {name}")
            single = table.dtype in (np.float16, np.float32) and not double
            own = np.dtype(np.float32 if single else np.float64)
            if not columns:
                columns, dtype = table.shape[1], own
            if own != dtype:
                raise InputError(
                    f"block {index} of {name} has dtype {table.dtype}, kept as {own}, and those"
                    f" before it are kept as {dtype}; all must agree: convert them to one dtype"
                )
            if table.shape[1] != columns:
                raise InputError(
                    f"block {index} of {name} has {table.shape[1]} columns, those before it"
                    f" {columns}; all must agree: take them from one network and layer"
                )
            with np.errstate(over="ignore"):  # as in `as_rows`
                file.write(np.ascontiguousarray(table, dtype=dtype).data)
        if not columns:
            raise InputError(f"{name} is an iterator without a block: give some rows")
        file.flush()
        rows = np.memmap(file, dtype=dtype, mode="r")
        return rows.reshape(-1, columns)


def _check_numbers(rows: np.ndarray, name: str) -> None:
    """Refuses numbers that are not finite, or whose sums would overflow."""
    bad: list[int] = []
    largest = 0.0
    step = max(1, BLOCK_ENTRIES // rows.shape[1])
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        block_largest = max(float(block.max()), -float(block.min()))
        if not math.isfinite(block_largest):
            bad += (start + np.flatnonzero(~np.isfinite(block).all(axis=1))).tolist()
        largest = max(largest, block_largest)
    if bad:
        raise InputError(
            f"{name} holds NaN or infinite numbers in {len(bad)} of {len(rows)} rows (first: row"
            f" {bad[0]}); all must be finite: drop those rows or mend what made them"
        )
    if largest > LARGEST:
        raise InputError(
            f"{name} holds {largest:.3g}; magnitudes must stay within {LARGEST:.0e}, past which"
            " sums overflow: rescale the rows"
        )


@dataclasses.dataclass(frozen=True)
class Pair:
    """Real and generated rows of one kind, as every metric gets them.

    Attributes:
      real: float32 or float64 (see `as_rows`; logits are always float64), shape (n, d); None where
        no metric asked for it. Sums belong in float64: take `both`, or `blocks` of many rows.
      fake: likewise, shape (m, d).
      kind: "features", "logits" or "spatial", for the errors.
      train: the rows that the generator was trained on, shape (t, d); likewise None.
      plan: what will be asked of `neighbours`, to be answered in one pass.
    """

    real: np.ndarray | None
    fake: np.ndarray
    kind: str = "features"
    train: np.ndarray | None = None
    plan: tuple[Request, ...] = ()

    @property
    def n_real(self) -> int:
        """Rows of real data."""
        return 0 if self.real is None else len(self.real)

    @property
    def n_fake(self) -> int:
        """Rows of generated data."""
        return len(self.fake)

    @property
    def n_train(self) -> int:
        """Rows of training data."""
        return 0 if self.train is None else len(self.train)

    @functools.cached_property
    def both(self) -> tuple[np.ndarray, np.ndarray]:
        """Real and fake rows in float64."""
        if self.real is None:
            raise InputError(f"real_{self.kind} is None; this metric compares with real data")
        return self.real.astype(np.float64, copy=False), self.fake.astype(np.float64, copy=False)

    @functools.cached_property
    def neighbours(self) -> Neighbours:
        """Nearest-neighbour answers, computed once for all metrics that ask."""
        if self.real is None:
            raise InputError(f"real_{self.kind} is None; this metric compares with real data")
        return Neighbours(self.real, self.fake, self.plan)

    @functools.cached_property
    def dependent(self) -> bool:
        """Whether more than half of the smaller side are copies of rows of the other side.

        Then the two are no independent samples, and a correction that takes them for such goes too
        far: the extreme is a sample measured against itself.
        """
        if self.real is None:
            return False
        real, fake = (
            {name for part in blocks(rows) for name in names_of(part)}
            for rows in (self.real, self.fake)
        )
        return 2 * len(real & fake) > min(len(real), len(fake))

    def require(
        self, metric: str, real: int = 0, fake: int = 0, why: str = "", train: int = 0
    ) -> None:
        """Refuses a pair with fewer rows than the metric needs.

        Args:
          metric: the metric's name.
          real: least number of real rows.
          fake: least number of generated rows.
          why: a clause that gives the reason, after a colon.
          train: least number of training rows.

        Raises:
          InputError: too few rows; the line says how many are needed.
        """
        for side, have, need in (
            ("real", self.n_real, real),
            ("fake", self.n_fake, fake),
            ("train", self.n_train, train),
        ):
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
          InputError: k < 1, fewer than k + 2 rows, an open ball of radius 0, or half of the closed
            ones while no row of one side is a copy of one of the other.
        """
        if k < 1:
            raise InputError(f"{metric} setting k={k}; it must be at least 1")
        least = {"real": 1, "fake": 1} | {side: k + 2}
        self.require(metric, least["real"], least["fake"], f"k = {k}")
        empty = int((self.neighbours.radii2(side, k) == 0.0).sum())
        if closed:  # of rows that take few values such balls are as they should be
            rows = self.n_real if side == "real" else self.n_fake
            refused = 2 * empty >= rows and not self.neighbours.share_rows
        else:
            refused = empty > 0
        if refused:
            raise InputError(
                f"{side}_{self.kind} has {empty} rows with {k} or more exact copies; {metric} needs"
                " a radius above 0: remove the copies or raise k"
            )

"""`Pair`: the real and generated rows that every metric reads."""

import dataclasses
import functools

import numpy as np

from evaluation.core.arrays import blocks
from evaluation.errors import InputError, TooFewRows
from evaluation.neighbours.distances import hash_rows
from evaluation.neighbours.one_pass import Neighbours, Request


@dataclasses.dataclass(frozen=True)
class Pair:
    """The input of every metric: real and generated rows of one kind.

    Attributes:
      real: shape (n, d), float32 or float64 (see `as_rows`; logits are always float64); None if no
        metric needs it. Sum in float64: use `both`, or `blocks` for many rows.
      fake: shape (m, d), float32 or float64.
      kind: "features", "logits" or "spatial", for error messages.
      train: rows that the generator was trained on, shape (t, d); None if no metric needs it.
      plan: requests that `neighbours` will compute in one pass.
    """

    real: np.ndarray | None
    fake: np.ndarray
    kind: str = "features"
    train: np.ndarray | None = None
    plan: tuple[Request, ...] = ()

    @property
    def n_real(self) -> int:
        """Number of real rows."""
        return 0 if self.real is None else len(self.real)

    @property
    def n_fake(self) -> int:
        """Number of generated rows."""
        return len(self.fake)

    @property
    def n_train(self) -> int:
        """Number of training rows."""
        return 0 if self.train is None else len(self.train)

    @functools.cached_property
    def both(self) -> tuple[np.ndarray, np.ndarray]:
        """The real and the fake rows in float64."""
        if self.real is None:
            raise InputError(f"real_{self.kind} is None; this metric compares with real data")
        return self.real.astype(np.float64, copy=False), self.fake.astype(np.float64, copy=False)

    @functools.cached_property
    def neighbours(self) -> Neighbours:
        """Nearest neighbours, computed once for all metrics."""
        if self.real is None:
            raise InputError(f"real_{self.kind} is None; this metric compares with real data")
        return Neighbours(self.real, self.fake, self.plan)

    @functools.cached_property
    def dependent(self) -> bool:
        """Whether more than half of the smaller side are copies of rows of the other side.

        Such samples are not independent, and a correction that assumes independence is too large.
        The extreme case is a sample measured against itself.
        """
        if self.real is None:
            return False
        real, fake = (
            {key for part in blocks(rows) for key in hash_rows(part)}
            for rows in (self.real, self.fake)
        )
        return 2 * len(real & fake) > min(len(real), len(fake))

    def require(
        self, metric: str, real: int = 0, fake: int = 0, why: str = "", train: int = 0
    ) -> None:
        """Raises TooFewRows if the metric needs more rows.

        Args:
          metric: the metric's name.
          real: least number of real rows.
          fake: least number of generated rows.
          why: the reason, in parentheses in the message.
          train: least number of training rows.

        Raises:
          TooFewRows: too few rows; the message says how many are needed.
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
        """Raises InputError if the rows of `side` allow no balls out to the k-th neighbour.

        Args:
          metric: the metric's name.
          side: "real" or "fake".
          k: the radius is the distance to the k-th neighbour.
          closed: whether balls contain their sphere; a closed ball of radius 0 contains copies.

        Raises:
          InputError: k < 1; fewer than k + 2 rows; an open ball has radius 0; or half of the closed
            balls have radius 0 and the two sides have no row in common.
        """
        if k < 1:
            raise InputError(f"{metric} setting k={k}; it must be at least 1")
        least = {"real": 1, "fake": 1} | {side: k + 2}
        self.require(metric, least["real"], least["fake"], f"k = {k}")
        empty = int((self.neighbours.radii2(side, k) == 0.0).sum())
        if closed:  # rows with few distinct values may have such balls
            rows = self.n_real if side == "real" else self.n_fake
            unusable = 2 * empty >= rows and not self.neighbours.share_rows
        else:
            unusable = empty > 0
        if unusable:
            raise InputError(
                f"{side}_{self.kind} has {empty} rows with {k} or more exact copies; {metric} needs"
                " a radius above 0: remove the copies or raise k"
            )

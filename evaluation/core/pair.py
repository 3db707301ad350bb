"""Real and generated rows, as every metric gets them."""

import dataclasses
import functools

import numpy as np

from evaluation.core.arrays import blocks
from evaluation.errors import InputError, TooFewRows
from evaluation.neighbours.distances import names_of
from evaluation.neighbours.one_pass import Neighbours, Request


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

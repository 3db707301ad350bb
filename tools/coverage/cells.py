"""One cell of the study: its samples' distribution and sizes, and the summary of its results."""

import dataclasses
import zlib

import numpy as np

LEVEL = 0.95
ALPHA = 0.05

Row = tuple[float, float, float, float]  # value, low, high, truth


@dataclasses.dataclass(frozen=True)
class Cell:
    """One cell of the study.

    Attributes:
      group: a group of metrics, or "tests".
      distribution: the name of a pair of distributions.
      d: dimensions of a row, or classes.
      n: real rows.
      m: generated rows.
      draws: samples drawn.
    """

    group: str
    distribution: str
    d: int
    n: int
    m: int
    draws: int

    @property
    def key(self) -> str:
        """Returns the key of the cell in docs/coverage.json."""
        sizes = f"d={self.d} n={self.n} m={self.m} draws={self.draws}"
        return f"{self.group} | {self.distribution} | {sizes}"

    def rng(self, draw: int) -> np.random.Generator:
        """Returns a separate random stream for each draw of each cell."""
        return np.random.default_rng([zlib.crc32(self.key.encode()), draw])


def summary(rows: list[Row], draws: int) -> dict[str, float]:
    """Summarises one metric in one cell; a draw without an interval has no row."""
    value, low, high, truth = np.array(rows).T
    return {
        "answered": len(rows) / draws,
        "coverage": float(np.mean((low <= truth) & (truth <= high))),
        "below": float(np.mean(high < truth)),
        "above": float(np.mean(low > truth)),
        "truth": float(truth.mean()),
        "bias": float((value - truth).mean()),
        "spread": float(np.std(value - truth, ddof=1)),
        "half_width": float((np.minimum(high, 1e12) - low).mean() / 2.0),
    }


def collect(rows: dict[str, list[Row]], estimates, truth: dict[str, float]) -> None:
    """Adds the estimates that have an interval and a true value."""
    for name, estimate in estimates.items():
        if name in truth and estimate.has_interval:
            rows[name].append((estimate.value, estimate.low, estimate.high, truth[name]))

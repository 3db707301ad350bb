"""Scores of a run: a value with its interval, and which of them decides."""

import dataclasses
from collections.abc import Mapping

HIGHER_IS_BETTER = ("coverage", "psnr", "ssim")  # of the scores that choose checkpoints


@dataclasses.dataclass(frozen=True)
class Score:
    """One number, with a 0.95 interval where there is a valid one."""

    value: float
    low: float | None = None
    high: float | None = None


Scores = Mapping[str, Score]


def chosen(scores: Mapping[str, object], best_by: str) -> str:
    """The score by which checkpoints are chosen; "auto" is the first that there is."""
    return next(iter(scores)) if best_by == "auto" else best_by

"""The scores of a run: a value with its interval, and the score that chooses checkpoints."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

HIGHER_IS_BETTER = ("coverage", "psnr", "ssim")  # of the scores that can choose checkpoints


@dataclasses.dataclass(frozen=True)
class Score:
    """A number with its 0.95 interval; the ends are None where no valid interval exists."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)


Scores = Mapping[str, Score]


def to_record(scores: Scores) -> dict[str, float]:
    """Scores as flat JSON: NAME, and NAME_low and NAME_high where there is an interval."""
    record = {}
    for name, score in scores.items():
        record[name] = score.value
        if score.interval is not None:
            record[f"{name}_low"], record[f"{name}_high"] = score.interval
    return record


def deciding_score(names: Iterable[str], best_by: str) -> str:
    """Returns the name of the score that chooses checkpoints; "" if there is no score.

    Args:
      names: of the run's scores, the model's first one first.
      best_by: the user's choice; "auto" for the model's first score.
    """
    return next(iter(names), "") if best_by == "auto" else best_by


def sort_key(metrics: Mapping[str, Any], name: str) -> float:
    """Returns a number that is smaller for a better score."""
    return -metrics[name] if name in HIGHER_IS_BETTER else metrics[name]

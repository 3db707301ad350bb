"""The scores of a run, and the score that chooses checkpoints."""

from collections.abc import Iterable, Mapping
from typing import Any

from evaluation import Value

HIGHER_IS_BETTER = ("coverage", "psnr", "ssim")  # of the scores that can choose checkpoints
Scores = Mapping[str, Value]
"""Scores by name, each with its 0.95 interval where a valid one exists."""


def to_record(scores: Scores) -> dict[str, float]:
    """Scores as flat JSON: NAME, and NAME_low and NAME_high where there is an interval."""
    record = {}
    for name, score in scores.items():
        record[name] = score.value
        if score.has_interval:
            record[f"{name}_low"], record[f"{name}_high"] = score.low, score.high
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

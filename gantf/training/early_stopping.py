"""When to stop early: a score that has not improved beyond its interval for a while."""

from collections.abc import Mapping, Sequence

from gantf.runs.scores import HIGHER_IS_BETTER


def is_over(scores: Sequence[Mapping[str, float]], name: str, patience: int) -> bool:
    """Whether none of the last scores is better than the best before them beyond its interval.

    A score is an improvement when its value lies outside the best one's interval, on the better
    side. Scores without an interval improve when they are better at all.

    Args:
      scores: records with `name`, `name`_low and `name`_high, oldest first; others are passed over.
      name: of the score.
      patience: how many scores in a row may bring no improvement.
    """
    known = [score for score in scores if name in score]
    sign = -1.0 if name in HIGHER_IS_BETTER else 1.0
    better_end = f"{name}_high" if name in HIGHER_IS_BETTER else f"{name}_low"
    best, without = None, 0
    for score in known:
        if best is None or sign * score[name] < sign * best.get(better_end, best[name]):
            best, without = score, 0
        else:
            without += 1
    return without >= patience

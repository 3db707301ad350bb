"""Early stopping: the score has not improved beyond its interval for a while."""

from collections.abc import Mapping, Sequence

from gantf.runs.scores import HIGHER_IS_BETTER, sort_key


def is_over(records: Sequence[Mapping[str, float]], name: str, patience: int) -> bool:
    """Returns whether none of the last `patience` scores improved on the best one before.

    A score improves if its value lies outside the interval of the best one, on the better side. If
    the best one has no interval, any better value improves.

    Args:
      records: with `name`, `name`_low and `name`_high, oldest first; records without `name` are
        ignored.
      name: of the score.
      patience: how many scores in a row may bring no improvement.
    """
    better_end = f"{name}_high" if name in HIGHER_IS_BETTER else f"{name}_low"
    best, without_improvement = None, 0
    for record in records:
        if name not in record:
            continue
        end = None if best is None else {name: best.get(better_end, best[name])}
        if end is None or sort_key(record, name) < sort_key(end, name):
            best, without_improvement = record, 0
        else:
            without_improvement += 1
    return without_improvement >= patience

"""Limits on scores, for a check that must fail when a generator is worse than it may be.

A limit is broken only if the whole interval lies beyond it: above it of --fail-above, below it of
--fail-below. Sampling alone then breaks a limit that holds in truth in at most (1 - level) / 2 of
all checks, where the value itself would break one that just holds in half of them.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

from evaluation import metrics as metric_files
from evaluation.errors import InputError
from evaluation.results.formatting import number
from evaluation.results.result import Result


@dataclasses.dataclass(frozen=True)
class Limit:
    """One limit: "fid", "above", 12.0 is broken by an interval that begins above 12."""

    metric: str
    side: Literal["above", "below"]
    bound: float

    def __str__(self) -> str:
        """As it was written."""
        return f"--fail-{self.side} {self.metric}={self.bound:g}"


def parse(texts: Sequence[str], side: Literal["above", "below"]) -> list[Limit]:
    """The limits of "fid=12" and the like.

    Raises:
      InputError: no METRIC=NUMBER, or an unknown metric.
    """
    limits = []
    for text in texts:
        name, _, bound = text.partition("=")
        try:
            value = float(bound)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InputError(f"--fail-{side} {text}: write METRIC=NUMBER, such as fid=12.")
        metric_files.load(name)
        limits.append(Limit(name, side, value))
    return limits


def check_asked(limits: Sequence[Limit], metrics: Sequence[str]) -> None:
    """Refuses a limit on what will not be measured.

    Raises:
      InputError: the first such limit.
    """
    for limit in limits:
        if limit.metric not in metrics:
            raise InputError(
                f"{limit}: {limit.metric} is not measured, only {', '.join(metrics)}; name it in"
                " --metrics."
            )


def judge(limits: Sequence[Limit], result: Result) -> list[tuple[bool, str]]:
    """Whether each limit is broken, and a sentence on it.

    Raises:
      InputError: a metric was not measured, or has no interval to decide on.
    """
    check_asked(limits, tuple(result))
    return [_judged(limit, result) for limit in limits]


def _judged(limit: Limit, result: Result) -> tuple[bool, str]:
    found = result[limit.metric]
    if not found.has_interval:
        raise InputError(
            f"{limit}: {limit.metric} has no interval by protocol {found.protocol}"
            f" ({found.method}); decide on another metric, or use --protocol default."
        )
    above = limit.side == "above"
    end = found.low if above else found.high
    broken = end > limit.bound if above else end < limit.bound
    interval = f"[{number(found.low)}, {number(found.high)}]"
    said = "lies" if broken else "does not lie"
    return broken, (
        f"{'FAILED' if broken else 'Passed'} {limit}: the interval {interval} of {limit.metric}"
        f" {said} wholly {limit.side} {limit.bound:g}."
    )

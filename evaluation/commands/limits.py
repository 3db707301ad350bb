"""Limits on scores: a check that fails if a generator is too bad.

A limit is broken only if the whole interval lies beyond it: above it for --fail-above, below it for
--fail-below. So if the true value is within the limit, at most (1 - level) / 2 of all checks fail.
If the value itself decided, half of the checks would fail for a true value at the limit.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

from evaluation import metrics as metric_files
from evaluation.errors import InputError
from evaluation.results.formatting import interval
from evaluation.results.result import Result


@dataclasses.dataclass(frozen=True)
class Limit:
    """One limit: an interval that begins above 12 breaks `Limit("fid", "above", 12.0)`."""

    metric: str
    side: Literal["above", "below"]
    bound: float

    def __str__(self) -> str:
        """Returns the limit as it is written on the command line."""
        return f"--fail-{self.side} {self.metric}={self.bound:g}"


def parse(texts: Sequence[str], side: Literal["above", "below"]) -> list[Limit]:
    """Parses limits such as "fid=12".

    Raises:
      InputError: a text is not METRIC=NUMBER, or the metric is unknown.
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


def check_measured(limits: Sequence[Limit], metrics: Sequence[str]) -> None:
    """Refuses a limit on a metric that is not measured.

    Raises:
      InputError: `metrics` does not contain the metric of a limit.
    """
    for limit in limits:
        if limit.metric not in metrics:
            raise InputError(
                f"{limit}: {limit.metric} is not measured, only {', '.join(metrics)}; name it in"
                " --metrics."
            )


def judge(limits: Sequence[Limit], result: Result) -> list[tuple[bool, str]]:
    """Returns, for each limit, True if it is broken, and a sentence for the user.

    Raises:
      InputError: a metric was not measured, or has no interval.
    """
    check_measured(limits, tuple(result))
    return [_judge(limit, result) for limit in limits]


def _judge(limit: Limit, result: Result) -> tuple[bool, str]:
    estimate = result[limit.metric]
    if not estimate.has_interval:
        raise InputError(
            f"{limit}: {limit.metric} has no interval by protocol {estimate.protocol}"
            f" ({estimate.method}); decide on another metric, or use --protocol default."
        )
    above = limit.side == "above"
    end = estimate.low if above else estimate.high
    broken = end > limit.bound if above else end < limit.bound
    verb = "lies" if broken else "does not lie"
    return broken, (
        f"{'FAILED' if broken else 'Passed'} {limit}: the interval"
        f" {interval(estimate.low, estimate.high)} of {limit.metric}"
        f" {verb} wholly {limit.side} {limit.bound:g}."
    )

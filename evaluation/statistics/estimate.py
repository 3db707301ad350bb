"""What every metric answers: a value with the interval that goes with it."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a metric's own file finds; `measure` adds names, sizes and settings to an `Estimate`.

    Attributes:
      value: see `Estimate`, as all of these.
      method: how the interval was made, or why there is none.
      target: what the interval is about.
      low: lower end; nan where there is no interval.
      high: upper end, likewise.
      details: what else the metric knows.
    """

    value: float
    method: str
    target: str
    low: float = math.nan
    high: float = math.nan
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Estimate:
    """One metric's value, its confidence interval, and all that a comparison needs to know.

    Attributes:
      metric: the metric's name, as in `evaluation/metrics/`.
      value: the point estimate, never clamped: an unbiased estimate of a small distance may be
        negative.
      low: lower end of the interval, <= value; -inf or nan where the protocol has none.
      high: upper end, >= value.
      level: the confidence level that the interval claims, in (0, 1); nan where there is none.
      method: how the interval was made, a few words ("jackknife over 20 groups", "Wilson score").
      target: what the interval is about: "fixed reference", "fixed generated set", "both
        populations", or "generated population" where no real data enter.
      better: "lower" or "higher".
      protocol: the named settings that gave the value.
      n_real: rows of real data that entered.
      n_fake: rows of generated data that entered.
      settings: every setting that changes the value (k, ddof, subsets, seed ...).
      details: what else the metric knows (the uncorrected value, counts per mode ...); plain
        numbers, strings and lists.
    """

    metric: str
    value: float
    low: float
    high: float
    level: float
    method: str
    target: str
    better: str
    protocol: str
    n_real: int
    n_fake: int
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def has_interval(self) -> bool:
        """Whether the protocol gives an interval at all (those of other programs often do not)."""
        return math.isfinite(self.low) or math.isfinite(self.high)

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain JSON types; a missing bound is None."""
        fields = dataclasses.asdict(self)
        for name in ("low", "high", "level"):
            if not math.isfinite(fields[name]):
                fields[name] = None
        return fields

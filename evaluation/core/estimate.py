"""What every metric answers: a value with the interval that goes with it."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Protocol

from evaluation.errors import InputError

COMPARED = ("metric", "settings", "target", "n_real", "n_fake")


@dataclasses.dataclass(frozen=True)
class MetricValue:
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

    def check_comparable(self, other: "Estimate") -> None:
        """Says nothing where the two values mean the same, and refuses them where they do not.

        Metric, every setting, what the interval is about and the numbers of rows must agree: many
        metrics are biased, each n in its own way. Two protocols that set a metric alike give the
        same number, so their names need not agree. What an estimate does not hold, the features
        and the reference, is compared by `Result.check_comparable`.

        Args:
          other: another estimate.

        Raises:
          InputError: they differ; the line names the first thing that does, and both its values.
            Or `other` is no estimate.

        Example:
          >>> import numpy as np
          >>> from evaluation import InputError, measure
          >>> rows = np.random.default_rng(0).standard_normal((3, 40, 4))
          >>> ours, theirs = (measure(*rows[:2], "fid", protocol=p)["fid"]
          ...                 for p in ("ttur", "stylegan3"))
          >>> try:
          ...     ours.check_comparable(theirs)
          ... except InputError as error:
          ...     print(error)
          fid setting ddof is 1 (ttur) and 0 (stylegan3); they must agree: measure both alike
        """
        if not isinstance(other, Estimate):
            raise InputError(
                f"other is {type(other).__name__}; it must be an Estimate, such as"
                f" result[{self.metric!r}]"
            )
        for name in COMPARED:
            ours, theirs = getattr(self, name), getattr(other, name)
            if name == "settings":
                self._compare_settings(other)
            elif ours != theirs:
                raise InputError(
                    f"{self.metric}: {name} is {ours!r} and {theirs!r}; they must agree:"
                    " measure both alike"
                )

    def _compare_settings(self, other: "Estimate") -> None:
        """Refuses settings that differ, or that one of the two does not have."""
        for key in (*self.settings, *other.settings):
            both = [of.settings.get(key, "not set") for of in (self, other)]
            if both[0] != both[1]:
                raise InputError(
                    f"{self.metric} setting {key} is {both[0]!r} ({self.protocol}) and"
                    f" {both[1]!r} ({other.protocol}); they must agree: measure both alike"
                )

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain JSON types: nan as None, infinities as "inf" and "-inf"."""
        return plain(dataclasses.asdict(self))


class Measured(Protocol):
    """Estimates with the floor and the context beside them, as a `Result` holds them."""

    @property
    def estimates(self) -> Mapping[str, Estimate]:
        """The estimates by metric."""

    @property
    def floor(self) -> Mapping[str, Estimate] | None:
        """The same metrics for real against real."""

    @property
    def context(self) -> Mapping[str, Any]:
        """Sources, versions, settings, seconds."""


def plain(value: Any) -> Any:
    """Plain JSON types: arrays as lists, nan as None, infinities as "inf" and "-inf"."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0.0 else "-inf")
    return value

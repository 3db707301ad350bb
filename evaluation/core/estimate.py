"""Values with their intervals: `Value`, and `Estimate` for a measured metric."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Protocol

from evaluation.errors import InputError

COMPARED = ("metric", "settings", "target", "n_real", "n_fake")


@dataclasses.dataclass(frozen=True)
class Value:
    """A number with its interval.

    Attributes:
      value: the point estimate.
      low: lower end of the interval; nan if there is none.
      high: upper end of the interval; nan if there is none.
    """

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval: at least one finite end."""
        return math.isfinite(self.low) or math.isfinite(self.high)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MetricValue(Value):
    """The return value of a metric's `estimate`; `measure` turns it into an `Estimate`.

    Attributes:
      method: method of the interval, or the reason why there is none.
      target: the quantity that the interval is about (see `Estimate`).
      details: further results.
    """

    method: str
    target: str
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Estimate:
    """One metric's value, its confidence interval, and the facts that a comparison needs.

    Attributes:
      metric: the metric's name, as in `evaluation/metrics/`.
      value: the point estimate, never clamped; an unbiased estimate of a small distance may be
        negative.
      low: lower end of the interval, <= value; -inf or nan if the protocol has none.
      high: upper end, >= value.
      level: confidence level of the interval, in (0, 1); nan if there is no interval.
      method: method of the interval, in a few words ("jackknife over 20 groups", "Wilson score").
      target: the quantity that the interval is about: "fixed reference", "fixed generated set",
        "both populations", or "generated population" if the metric uses no real data.
      better: "lower" or "higher".
      protocol: name of the protocol.
      n_real: number of real rows used.
      n_fake: number of generated rows used.
      settings: every setting that changes the value (k, ddof, subsets, seed ...).
      details: further results (the uncorrected value, counts per mode ...) as plain numbers,
        strings and lists.
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
        """Whether there is an interval; protocols of other programs often give none."""
        return math.isfinite(self.low) or math.isfinite(self.high)

    def check_comparable(self, other: "Estimate") -> None:
        """Raises InputError if the two values must not be compared; otherwise returns None.

        The metric, all settings, the target and the numbers of rows must agree, because the bias of
        many metrics depends on n. The names of the protocols may differ: two protocols with equal
        settings give the same number. An estimate does not store its features and its reference:
        `Result.check_comparable` compares those.

        Args:
          other: another estimate.

        Raises:
          InputError: a field differs (the message names the first one and both values), or `other`
            is not an Estimate.

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
        """Raises InputError if a setting differs, or if only one estimate has it."""
        for key in (*self.settings, *other.settings):
            both = [one.settings.get(key, "not set") for one in (self, other)]
            if both[0] != both[1]:
                raise InputError(
                    f"{self.metric} setting {key} is {both[0]!r} ({self.protocol}) and"
                    f" {both[1]!r} ({other.protocol}); they must agree: measure both alike"
                )

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain JSON types: nan as None, infinities as "inf" and "-inf"."""
        return plain(dataclasses.asdict(self))


class Measured(Protocol):
    """The interface of `Result` that wording and figures use: estimates, floor, context."""

    @property
    def estimates(self) -> Mapping[str, Estimate]:
        """Estimates by metric."""

    @property
    def floor(self) -> Mapping[str, Estimate] | None:
        """The same metrics, real against real data; or None."""

    @property
    def context(self) -> Mapping[str, Any]:
        """Sources, versions, settings, seconds."""


def plain(value: Any) -> Any:
    """Converts to JSON types: arrays to lists, nan to None, infinities to "inf" and "-inf"."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0.0 else "-inf")
    return value

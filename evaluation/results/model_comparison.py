"""Result of `compare`: values, differences with intervals, and a ranking."""

import dataclasses
from typing import Any

from evaluation.core.estimate import Value
from evaluation.results.formatting import interval, number

POWER = 0.8  # power at which a difference is called detectable


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scored(Value):
    """One model's value and its own interval, at the comparison's level.

    Attributes:
      n_fake: number of generated rows.
    """

    n_fake: int


@dataclasses.dataclass(frozen=True)
class Difference:
    """Difference of one pair of models, first minus second.

    Attributes:
      first: name of the first model.
      second: name of the second model.
      value: the first model's value minus the second's.
      low: lower end of the interval for this pair alone, at the comparison's level.
      high: upper end of that interval.
      joint_low: lower end of the interval that holds for all pairs simultaneously (Bonferroni).
      joint_high: upper end of that interval.
      p_value: 1 minus the level at which the interval just reaches 0.
      adjusted_p_value: p-value, corrected for the number of pairs.
      detectable: difference that is detected, after the correction, with power 0.8.
      better: name of the better model if the difference is significant; otherwise None.
    """

    first: str
    second: str
    value: float
    low: float
    high: float
    joint_low: float
    joint_high: float
    p_value: float
    adjusted_p_value: float
    detectable: float
    better: str | None


@dataclasses.dataclass(frozen=True)
class ModelComparison:
    """Result of `compare`; prints as two tables and a ranking.

    Attributes:
      metric: name of the metric.
      models: scores by model name, the best value first.
      differences: all pairs; in each pair the better value is first.
      ranking: the models, the best first. "<" (or ">" if higher is better) means that every model
        on its left is significantly better than every model on its right; otherwise "=".
      direction: the better direction, "lower" or "higher".
      target: the quantity that the intervals are about (see `Estimate`).
      level: confidence level of the intervals; 1 - level is the rate of false positives.
      correction: "holm" or "benjamini-hochberg".
      paired_latents: whether the models' rows were compared in pairs.
      n_real: rows of the reference.
      dimension: number of columns.
      protocol: "default".
      settings: all settings that change the values.
      seed: seed of the metric.
      versions: software versions.
    """

    metric: str
    models: dict[str, Scored]
    differences: tuple[Difference, ...]
    ranking: str
    direction: str
    target: str
    level: float
    correction: str
    paired_latents: bool
    n_real: int
    dimension: int
    protocol: str
    settings: dict[str, Any]
    seed: int
    versions: dict[str, str]

    def __str__(self) -> str:
        """The tables as plain text."""
        width = max(5, *(len(name) for name in self.models))
        lines = [
            f"{self.metric}, {self.direction} is better, {self.n_real} real rows;"
            f" {self.level:g} intervals ({self.target})"
        ]
        for name, score in self.models.items():
            ends = interval(score.low, score.high)
            lines.append(f"  {name:<{width}}  {number(score.value):>9}  {ends}")
        lines.append(f"differences ({self.correction}-adjusted p)")
        for pair in self.differences:
            names = f"{pair.first} - {pair.second}"
            ends = interval(pair.low, pair.high)
            lines.append(
                f"  {names:<{2 * width + 3}}  {number(pair.value):>9}  {ends}"
                f"  p {_shown(pair.adjusted_p_value)}: {_verdict(pair)}"
            )
        return "\n".join([*lines, f"ranking: {self.ranking}"])


def _shown(p_value: float) -> str:
    return "< 1e-6" if p_value < 1e-6 else f"= {p_value:.3g}"


def _verdict(pair: Difference) -> str:
    """Describes a difference in words."""
    if pair.better:
        return f"{pair.better} is better"
    return f"no significant difference; detectable with power {POWER:g}: {number(pair.detectable)}"

"""The result of `compare`: each model's value, each difference with its interval, a ranking."""

import dataclasses
from typing import Any

from evaluation.results.formatting import number

POWER = 0.8  # with which a detectable difference would have been found


@dataclasses.dataclass(frozen=True)
class Scored:
    """One model's value with its own interval, at the comparison's level.

    Attributes:
      value: of the metric.
      low: lower end.
      high: upper end.
      n_fake: rows.
    """

    value: float
    low: float
    high: float
    n_fake: int


@dataclasses.dataclass(frozen=True)
class Difference:
    """One pair of models: first less second.

    Attributes:
      first: a model's name.
      second: another's.
      value: the metric's value of the first less that of the second.
      low: lower end of its interval, at the comparison's level, for this pair alone.
      high: upper end.
      joint_low: lower end of its interval when those of all pairs are to hold at once (Bonferroni).
      joint_high: upper end.
      p_value: 1 less the level at which the interval would just reach 0.
      adjusted_p_value: the same, corrected for the number of pairs.
      detectable: the difference that would be found, after the correction, with power 0.8.
      better: the name of the better model where the difference is established; otherwise None.
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
    """What `compare` found; prints as two tables and a ranking in words.

    Attributes:
      metric: its name.
      models: scores by name, the best value first.
      differences: all pairs, of the better value first.
      ranking: the models, the best first, with "<" (or ">", where higher is better) where all on
        its left are established to be better than all on its right, and "=" where not.
      direction: "lower" or "higher" is better.
      target: what the intervals are about.
      level: of the intervals; 1 - level is the rate of false findings.
      correction: "holm" or "benjamini-hochberg".
      paired_latents: whether rows of the models were taken in pairs.
      n_real: rows of the reference.
      dimension: columns.
      protocol: "default".
      settings: all that changes the values.
      seed: of what is random in the metric.
      versions: of what decides the numbers.
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
        for name, found in self.models.items():
            interval = f"[{number(found.low)}, {number(found.high)}]"
            lines.append(f"  {name:<{width}}  {number(found.value):>9}  {interval}")
        lines.append(f"differences ({self.correction}-adjusted p)")
        for pair in self.differences:
            names = f"{pair.first} - {pair.second}"
            interval = f"[{number(pair.low)}, {number(pair.high)}]"
            lines.append(
                f"  {names:<{2 * width + 3}}  {number(pair.value):>9}  {interval}"
                f"  p {_shown(pair.adjusted_p_value)}: {_verdict(pair)}"
            )
        return "\n".join([*lines, f"ranking: {self.ranking}"])


def _shown(p_value: float) -> str:
    return "< 1e-6" if p_value < 1e-6 else f"= {p_value:.3g}"


def _verdict(pair: Difference) -> str:
    """What a difference says, in words."""
    if pair.better:
        return f"{pair.better} is better"
    would = f"{number(pair.detectable)} would have been (power {POWER:g})"
    return f"no difference found; {would}"

"""Results of `per_class`: a mapping from classes to results, and the mean over the classes."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from evaluation import metrics as all_metrics
from evaluation.core.estimate import Estimate
from evaluation.errors import InputError
from evaluation.results import formatting
from evaluation.results.formatting import interval, number
from evaluation.results.frame import import_pandas
from evaluation.results.result import Result

if TYPE_CHECKING:
    import pandas

Label = int | str
COLUMNS = ("class", "metric", "value", "interval", "real / fake")


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class PerClass(Mapping[Label, Result]):
    """Results by class; prints as a table.

    Attributes:
      together: results by class; the intervals of all classes hold simultaneously.
      alone: results by class; each interval holds for its class alone.
      refused: classes that could not be measured, with the error message.
      level: confidence level of each interval of `alone`, and of `together` as a whole.
      correction: "bonferroni": this mapping returns the results of `together`; "none": those of
        `alone`.
    """

    together: Mapping[Label, Result]
    alone: Mapping[Label, Result]
    refused: Mapping[Label, str]
    level: float
    correction: str

    def __post_init__(self) -> None:
        """Freezes the mappings."""
        for name in ("together", "alone", "refused"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def results(self) -> Mapping[Label, Result]:
        """The results that this mapping returns."""
        return self.together if self.correction == "bonferroni" else self.alone

    def __getitem__(self, label: Label) -> Result:
        """The result of one class."""
        if label in self.refused:
            raise KeyError(f"class {label!r} was not measured: {self.refused[label]}")
        return self.results[label]

    def __iter__(self) -> Iterator[Label]:
        """Iterates over the measured classes, sorted."""
        return iter(self.results)

    def __len__(self) -> int:
        """Number of measured classes."""
        return len(self.results)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics' names."""
        return tuple(next(iter(self.results.values())))

    def mean(self, metric: str | None = None) -> Estimate:
        """Returns the mean of one metric over the measured classes, with equal weights.

        Rows of different classes are independent, so variances add. The distance from the mean to
        an end is the root of the sum of the classes' squared distances, divided by their number.
        So skewed intervals stay skewed (Zou & Donner). Deterministic bounds do not average out: if
        "regime" in the details of any class is "bounds", the ends are the means of the ends of
        `together`.

        Args:
          metric: name of the metric; optional if only one was measured.

        Returns:
          The estimate; for FID it is called intra-FID. Details: "classes" and "refused".

        Raises:
          InputError: the metric was not measured.

        Source:
          Zou & Donner 2008, Statistics in Medicine 27(10), 1693-1702.
        """
        if metric is None and len(self.metrics) == 1:
            metric = self.metrics[0]
        if metric not in self.metrics:
            raise InputError(all_metrics.unknown("measured metric", metric, self.metrics))
        alone = [result[metric] for result in self.alone.values()]
        together = [result[metric] for result in self.together.values()]
        value = math.fsum(estimate.value for estimate in alone) / len(alone)
        if any(estimate.details.get("regime") == "bounds" for estimate in alone):
            method = "mean of simultaneous bounds"
            low, high = (
                math.fsum(getattr(estimate, end) for estimate in together) / len(together)
                for end in ("low", "high")
            )
        else:
            method = "classes' intervals, squares added"
            low = value - math.hypot(*(f.value - f.low for f in alone)) / len(alone)
            high = value + math.hypot(*(f.high - f.value for f in alone)) / len(alone)
        if math.isnan(low) or math.isnan(high):
            method = f"mean over classes; {alone[0].method}"
        return dataclasses.replace(
            alone[0],
            value=value,
            low=low,
            high=high,
            method=method,
            n_real=sum(estimate.n_real for estimate in alone),
            n_fake=sum(estimate.n_fake for estimate in alone),
            details={"classes": list(self.alone), "refused": list(self.refused)},
        )

    def to_frame(self) -> "pandas.DataFrame":
        """One row per class and metric, indexed by both; needs pandas.

        Raises:
          InputError: pandas is not installed.
        """
        frames = [
            result.to_frame().reset_index().assign(**{"class": label})
            for label, result in self.items()
        ]
        return import_pandas().concat(frames).set_index(["class", "metric"]).drop(columns="floor")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types: {"classes": {class: result}, "refused", "level", "correction"}."""
        return {
            "classes": {str(label): result.to_dict() for label, result in self.items()},
            "refused": {str(label): line for label, line in self.refused.items()},
            "level": self.level,
            "correction": self.correction,
        }

    def __str__(self) -> str:
        """The table as plain text, at most 100 columns wide, then the refused classes."""
        scores = [(label, score) for label, result in self.items() for score in result.values()]
        scores += [("mean", self.mean(name)) for name in self.metrics]
        rows = [
            (
                str(label),
                f"{score.metric} {'↓' if score.better == 'lower' else '↑'}",
                number(score.value),
                interval(score.low, score.high),
                f"{score.n_real} / {score.n_fake}",
            )
            for label, score in scores
        ]
        lines = [formatting.text(COLUMNS, rows, COLUMNS[:2], COLUMNS)]
        lines += [f"class {label!r} refused: {line}" for label, line in self.refused.items()]
        return "\n".join(lines)

    __repr__ = __str__

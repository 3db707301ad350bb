"""Metrics per class of a conditional generator, and their mean over the classes."""

import dataclasses
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation import metrics as all_metrics
from evaluation import protocols
from evaluation.core import validation
from evaluation.core.arrays import as_rows
from evaluation.core.estimate import Estimate
from evaluation.errors import InputError, TooFewRows
from evaluation.measurement import bound_settings, measure
from evaluation.results.formatting import number
from evaluation.results.result import Result

if TYPE_CHECKING:
    import pandas

Label = int | str

CORRECTIONS = ("bonferroni", "none")


def per_class(
    real_features: Any,
    fake_features: Any,
    real_labels: Any,
    fake_labels: Any,
    metrics: str | Sequence[str] = ("fid",),
    level: float = 0.95,
    correction: str = "bonferroni",
    protocol: str = "default",
    seed: int = 0,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> "PerClass":
    """Measures each class's generated rows against the real rows of the same class.

    Args:
      real_features: array-like, shape (n, d), as in `measure`.
      fake_features: array-like, shape (m, d).
      real_labels: array-like, shape (n,): class of each row, whole numbers or strings.
      fake_labels: array-like, shape (m,): class that each row was generated for.
      metrics: one name or several, of metrics that read real and fake features.
      level: confidence level, in (0, 1).
      correction: "bonferroni": with probability `level` the intervals of one metric hold for all K
        classes together, each at level 1 - (1 - level) / K. "none": each interval has `level`.
      protocol: as in `measure`.
      seed: as in `measure`.
      settings: as in `measure`.

    Returns:
      A mapping from classes, sorted, to results. `refused` holds the classes with too few rows, and
      how many rows they need. `mean` averages over the classes.

    Raises:
      InputError: the labels do not match the rows, a metric reads other data, the correction is
        unknown, or no class can be measured.

    Source:
      The mean over classes: Miyato & Koyama 2018, arXiv:1802.05637 (intra-FID).

    Example:
      >>> import numpy as np
      >>> rng, labels = np.random.default_rng(0), np.repeat(["cat", "dog"], 200)
      >>> real, fake = rng.standard_normal((2, 400, 3))
      >>> fake[labels == "dog"] += 1.0
      >>> answer = per_class(real, fake, labels, labels)
      >>> [(name, result["fid"].low > 1.0) for name, result in answer.items()]
      [('cat', False), ('dog', True)]
    """
    names = protocols.check_metrics(metrics, protocol)
    level, seed = validation.check_level(level), validation.check_whole("seed", seed, 0)
    _check_metrics(names)
    bound_settings(names, protocol, settings)
    validation.check_choice("correction", correction, CORRECTIONS)
    real, fake = as_rows(real_features, "real_features"), as_rows(fake_features, "fake_features")
    real_classes = _labels(real_labels, "real_labels", len(real))
    fake_classes = _labels(fake_labels, "fake_labels", len(fake))
    first_real, first_fake = real_classes.tolist()[0], fake_classes.tolist()[0]
    if isinstance(first_real, str) != isinstance(first_fake, str):
        raise InputError(
            f"real_labels holds {first_real!r} and fake_labels {first_fake!r};"
            " both must be whole numbers or both strings: convert one"
        )
    classes: list[Label] = np.union1d(real_classes, fake_classes).tolist()
    joint_level = 1.0 - (1.0 - level) / len(classes)
    measured: dict[Label, tuple[Result, Result]] = {}
    refused: dict[Label, InputError] = {}
    for label in classes:
        rows = real[real_classes == label], fake[fake_classes == label]
        try:
            _check_present(rows)
            alone, together = (
                measure(*rows, names, protocol, level=each, seed=seed, settings=settings)
                for each in (level, joint_level)
            )
            measured[label] = (alone, together)
        except InputError as error:
            refused[label] = error
    if not measured:
        errors = list(refused.items())
        first = next((e for e in errors if not isinstance(e[1], TooFewRows)), errors[0])
        raise InputError(f"no class can be measured; class {first[0]!r}: {first[1]}")
    return PerClass(
        together={label: both[1] for label, both in measured.items()},
        alone={label: both[0] for label, both in measured.items()},
        refused={label: str(error) for label, error in refused.items()},
        level=level,
        correction=correction,
    )


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
        try:
            import pandas
        except ImportError as error:
            raise InputError("to_frame needs pandas: pip install pandas") from error
        frames = [
            result.to_frame().reset_index().assign(**{"class": label})
            for label, result in self.items()
        ]
        return pandas.concat(frames).set_index(["class", "metric"]).drop(columns="floor")

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
        from rich import box
        from rich.console import Console
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
        for column in ("class", "metric", "value", "interval", "real / fake"):
            table.add_column(column, justify="left" if column in ("class", "metric") else "right")
        means = [("mean", self.mean(name)) for name in self.metrics]
        cells = [(str(label), score) for label, result in self.items() for score in result.values()]
        for label, score in cells + means:
            ends = f"[{number(score.low)}, {number(score.high)}]" if score.has_interval else "none"
            arrow = "↓" if score.better == "lower" else "↑"
            counts = f"{score.n_real} / {score.n_fake}"
            table.add_row(label, f"{score.metric} {arrow}", number(score.value), ends, counts)
        stream = io.StringIO()
        Console(file=stream, width=100, color_system=None, markup=False).print(table)
        lines = [line.rstrip() for line in stream.getvalue().rstrip("\n").split("\n")]
        lines += [f"class {label!r} refused: {line}" for label, line in self.refused.items()]
        return "\n".join(lines)

    __repr__ = __str__


def _check_metrics(names: Sequence[str]) -> None:
    """Raises InputError if a metric reads more than real and fake features."""
    for name in names:
        module = all_metrics.load(name)
        if module.READS != "features" or "train" in module.NEEDS:
            sides = " and ".join(f"{side}_{module.READS}" for side in module.NEEDS)
            raise InputError(
                f"metrics holds {name!r}, which reads {sides}; per_class needs metrics of real and"
                " fake features: choose fid or kid, for example"
            )


def _check_present(rows: tuple[np.ndarray, np.ndarray]) -> None:
    """Raises TooFewRows if one side has no rows of the class."""
    for name, part in zip(("real", "fake"), rows, strict=True):
        if not len(part):
            raise TooFewRows(
                f"{name}_features has 0 rows of this class: give some, or leave the class out",
                name,
                "",
            )


def _labels(values: Any, name: str, rows: int) -> np.ndarray:
    """Checks labels, one per row; returns whole numbers or strings."""
    try:
        labels = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{name} is not a list of classes: give one for each row") from error
    if labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels.ravel()):
        labels = labels.astype(str)
    if labels.dtype.kind not in "iuU":
        raise InputError(
            f"{name} has dtype {labels.dtype}; it must be whole numbers or strings: convert it"
        )
    if labels.shape != (rows,):
        raise InputError(
            f"{name} has shape {labels.shape}; it must be ({rows},), one class for each row"
        )
    return labels

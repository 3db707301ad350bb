"""Metrics per class of a conditional generator."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluation import metrics as all_metrics
from evaluation import protocols
from evaluation.core import validation
from evaluation.core.arrays import as_rows
from evaluation.errors import InputError, TooFewRows
from evaluation.inference.class_results import Label, PerClass
from evaluation.measurement import bound_settings, measure
from evaluation.results.result import Result

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
) -> PerClass:
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

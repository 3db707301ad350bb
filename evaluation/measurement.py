"""Metrics on plain arrays: the core that everything else in this package feeds."""

import dataclasses
import importlib.metadata
import inspect
import platform
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy

from evaluation import arguments, protocols
from evaluation import metrics as all_metrics
from evaluation.errors import InputError
from evaluation.result import Result
from evaluation.rows import Pair, as_rows
from evaluation.statistics.estimate import Estimate

DEFAULT_METRICS = ("fid", "kid", "precision", "recall", "density", "coverage")


def measure(
    real_features: Any = None,
    fake_features: Any = None,
    metrics: Sequence[str] | None = None,
    protocol: str = "default",
    level: float = 0.95,
    seed: int = 0,
    real_logits: Any = None,
    fake_logits: Any = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Result:
    """Measures how far generated data are from real data, each metric with its interval.

    Args:
      real_features: array-like, shape (n, d), any real dtype, finite.
      fake_features: array-like, shape (m, d).
      metrics: names of metrics, each a file in evaluation/metrics/; one name alone is allowed. If
        None, those of `DEFAULT_METRICS` that the protocol defines.
      protocol: "default", or the name of a published program's settings.
      level: confidence level of the intervals, in (0, 1).
      seed: of what is random in an estimator, >= 0; the same seed gives the same numbers.
      real_logits: array-like, shape (n, classes), for the metrics that read a classifier's logits.
      fake_logits: array-like, shape (m, classes).
      settings: per metric, settings that replace the protocol's: {"kid": {"subset_size": 125}}.

    Returns:
      A mapping from metric names to estimates, in the order asked for.

    Raises:
      InputError: anything wrong with what was given, in one line.
    """
    start = time.perf_counter()
    if metrics is None:
        defined = protocols.defined(protocol)
        metrics = [name for name in DEFAULT_METRICS if name in defined]
    chosen = arguments.check_metrics(metrics, protocol)
    settings = _checked_settings(settings, chosen)
    arguments.check_level(level)
    arguments.check_whole("seed", seed, 0)
    prepared = [
        (name, _bound(name, protocols.settings(protocol, name) | dict(settings.get(name, {}))))
        for name in chosen
    ]
    given = {"features": (real_features, fake_features), "logits": (real_logits, fake_logits)}
    pairs: dict[str, Pair] = {}
    estimates: dict[str, Estimate] = {}
    for name, bound in prepared:
        module = all_metrics.load(name)
        kind = module.READS
        _require_given(name, module.NEEDS_REAL, kind, given[kind])
        if kind not in pairs:
            pairs[kind] = _pair(kind, *given[kind])
        found = module.estimate(pairs[kind], level=level, seed=int(seed), **bound)
        estimates[name] = dataclasses.replace(found, protocol=protocol, settings=bound)
    context = {
        "protocol": protocol,
        "level": level,
        "seed": int(seed),
        "shapes": {
            kind: {
                "real": None if p.real is None else list(p.real.shape),
                "fake": list(p.fake.shape),
            }
            for kind, p in pairs.items()
        },
        "versions": versions(),
        "seconds": round(time.perf_counter() - start, 3),
    }
    return Result(estimates, context=context)


def versions() -> dict[str, str]:
    """The versions of what decides the numbers."""
    try:
        package = importlib.metadata.version("gantf")
    except importlib.metadata.PackageNotFoundError:
        package = "not installed"
    return {
        "gantf": package,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }


def _checked_settings(
    settings: Mapping[str, Mapping[str, Any]] | None, chosen: Sequence[str]
) -> Mapping[str, Mapping[str, Any]]:
    """The settings, which may name only metrics that are measured."""
    if settings is None:
        return {}
    if not isinstance(settings, Mapping):
        raise InputError(f"settings={settings!r}; it must map metrics to their settings")
    for name in settings:
        if name not in chosen:
            raise InputError(all_metrics.unknown("metric in settings", name, chosen))
        if not isinstance(settings[name], Mapping):
            raise InputError(
                f"settings[{name!r}] is {settings[name]!r}; it must map setting names to values"
            )
    return settings


def _bound(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a metric: its own defaults, replaced by what is given."""
    parameters = inspect.signature(all_metrics.load(name).estimate).parameters
    defaults = {
        key: p.default for key, p in parameters.items() if p.default is not inspect.Parameter.empty
    }
    for key in given:
        if key not in defaults:
            raise InputError(all_metrics.unknown(f"setting of {name}", key, defaults))
        _check_kind(name, key, given[key], defaults[key])
    return defaults | dict(given)


def _check_kind(name: str, key: str, value: Any, default: Any) -> None:
    """Refuses a setting of another kind than its default's; whole numbers pass as floats."""
    kinds = {bool: bool, int: int, float: float | int, str: str, type(None): int | None}
    kind = kinds[type(default)]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        shown = getattr(kind, "__name__", str(kind))
        raise InputError(f"{name} setting {key}={value!r}; it must be of type {shown}")


def _require_given(name: str, needs_real: bool, kind: str, given: tuple[Any, Any]) -> None:
    """Refuses a metric whose rows were not given."""
    sides = ("real", "fake") if needs_real else ("fake",)
    for side, values in zip(("real", "fake"), given, strict=True):
        if side in sides and values is None:
            raise InputError(
                f"{side}_{kind} is missing; {name} reads {kind}: give"
                f" {' and '.join(f'{s}_{kind}=' for s in sides)}"
            )


def _pair(kind: str, real: Any, fake: Any) -> Pair:
    """Checked rows of one kind; both sides must have the same number of columns."""
    fake_rows = as_rows(fake, f"fake_{kind}")
    if real is None:
        return Pair(None, fake_rows, kind)
    real_rows = as_rows(real, f"real_{kind}")
    if real_rows.shape[1] != fake_rows.shape[1]:
        raise InputError(
            f"real_{kind} has {real_rows.shape[1]} columns and fake_{kind} {fake_rows.shape[1]};"
            " they must agree: take both from the same network and layer"
        )
    return Pair(real_rows, fake_rows, kind)

"""`measure`: computes metrics from plain arrays; the rest of the package builds on it."""

import inspect
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import threadpoolctl

from evaluation import metrics as all_metrics
from evaluation import protocols
from evaluation.core import validation
from evaluation.core.arrays import as_rows
from evaluation.core.estimate import Estimate, MetricValue
from evaluation.core.pair import Pair
from evaluation.core.versions import versions
from evaluation.errors import InputError
from evaluation.results.result import Result

ENTRIES_OF_ONE_THREAD = 1_000_000  # for fewer numbers, one BLAS thread is fastest

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
    train_features: Any = None,
    real_spatial: Any = None,
    fake_spatial: Any = None,
) -> Result:
    """Measures how close generated data are to real data; each metric has its interval.

    Args:
      real_features: array-like, shape (n, d), any real dtype, finite. A memory-mapped array, or an
        iterator of blocks (rows, d), need not fit in memory.
      fake_features: array-like, shape (m, d).
      metrics: one name or several; each is a file in evaluation/metrics/. None: the metrics of
        `DEFAULT_METRICS` that the protocol defines.
      protocol: "default", or a protocol of a published program (see `evaluation.protocols`).
      level: confidence level of the intervals, in (0, 1).
      seed: seed of random estimators, >= 0; the same seed gives the same numbers.
      real_logits: array-like, shape (n, classes), for metrics that read a classifier's logits.
      fake_logits: array-like, shape (m, classes).
      settings: settings by metric, which replace the protocol's: {"kid": {"subset_size": 125}}.
      train_features: array-like, shape (t, d): the generator's training data, for metrics of
        memorisation; `real_features` are then held-out rows.
      real_spatial: array-like, shape (n, d): an early layer with spatial information, for sFID.
      fake_spatial: array-like, shape (m, d).

    Returns:
      A mapping from metric names to estimates, in the order of `metrics`.

    Raises:
      InputError: an argument is wrong; the message is one line.
    """
    start = time.perf_counter()
    if metrics is None:
        defined = protocols.defined(protocol)
        metrics = [name for name in DEFAULT_METRICS if name in defined]
    chosen = protocols.check_metrics(metrics, protocol)
    level, seed = validation.check_level(level), validation.check_whole("seed", seed, 0)
    prepared = bound_settings(chosen, protocol, settings)
    arrays = {
        "features": {"real": real_features, "fake": fake_features, "train": train_features},
        "logits": {"real": real_logits, "fake": fake_logits},
        "spatial": {"real": real_spatial, "fake": fake_spatial},
    }
    pairs = _pairs(chosen, arrays, all_metrics.all_neighbour_requests(prepared))
    estimates: dict[str, Estimate] = {}
    with _fitting_threads(pairs.values()):
        for name, bound in prepared.items():
            module = all_metrics.load(name)
            metric_value = module.estimate(pairs[module.READS], level=level, seed=seed, **bound)
            estimates[name] = _estimate(
                name, metric_value, pairs[module.READS], level, protocol, bound
            )
    context = {
        "protocol": protocol,
        "level": level,
        "seed": seed,
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


def _fitting_threads(pairs: Iterable[Pair]) -> AbstractContextManager[Any]:
    """Limits BLAS to one thread for small problems, where several threads are slower."""
    if max(p.fake.size + (0 if p.real is None else p.real.size) for p in pairs) > (
        ENTRIES_OF_ONE_THREAD
    ):
        return nullcontext()
    return threadpoolctl.threadpool_limits(1, user_api="blas")


def bound_settings(
    chosen: Sequence[str], protocol: str, settings: Mapping[str, Mapping[str, Any]] | None
) -> dict[str, dict[str, Any]]:
    """Returns all settings of each chosen metric: defaults, then the protocol's, then `settings`.

    Raises:
      InputError: a setting of a metric that is not chosen, an unknown setting, or a wrong type.
    """
    checked = _checked_settings(settings, chosen)
    return {
        name: _bound(name, protocols.settings(protocol, name) | dict(checked.get(name, {})))
        for name in chosen
    }


def _checked_settings(
    settings: Mapping[str, Mapping[str, Any]] | None, chosen: Sequence[str]
) -> Mapping[str, Mapping[str, Any]]:
    """Returns the settings, after checking that they name chosen metrics only."""
    if settings is None:
        return {}
    if not isinstance(settings, Mapping):
        raise InputError(
            f"settings={validation.shown(settings)}; it must map metrics to their settings"
        )
    for name in settings:
        if name not in chosen:
            raise InputError(all_metrics.unknown("metric in settings", name, chosen))
        if not isinstance(settings[name], Mapping):
            raise InputError(
                f"settings[{name!r}] is {validation.shown(settings[name])}; it must map setting"
                " names to values"
            )
    return settings


def _bound(name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns all settings of a metric: its defaults, updated with `changes`."""
    parameters = inspect.signature(all_metrics.load(name).estimate).parameters
    defaults = {
        key: p.default for key, p in parameters.items() if p.default is not inspect.Parameter.empty
    }
    for key in changes:
        if key not in defaults:
            line = all_metrics.unknown(f"setting of {name}", key, defaults)
            raise InputError(f"{line}; correct the name or leave it out")
    plain = {key: _plain_setting(name, key, changes[key], defaults[key]) for key in changes}
    return defaults | plain


def _plain_setting(name: str, key: str, value: Any, default: Any) -> Any:
    """Converts a setting to plain Python; its type must be the default's, or int for a float."""
    if isinstance(value, np.bool_ | np.integer | np.floating | np.str_):
        value = value.item() if not isinstance(value, np.longdouble) else float(value)
    kinds = {bool: bool, int: int, float: float | int, str: str, type(None): int | None}
    kind = kinds[type(default)]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        named = getattr(kind, "__name__", str(kind))
        raise InputError(
            f"{name} setting {key}={validation.shown(value)}; it must be of type {named}, such as"
            f" {default!r}"
        )
    if isinstance(default, float):
        validation.check_number(f"{name} setting {key}", value)
    return value


def _pairs(
    chosen: Sequence[str], arrays: Mapping[str, Mapping[str, Any]], plan: tuple[Any, ...]
) -> dict[str, Pair]:
    """Checks the rows that the chosen metrics need; returns a `Pair` for each kind."""
    needs: dict[str, set[str]] = {}
    for name in chosen:
        module = all_metrics.load(name)
        kind = module.READS
        for side in module.NEEDS:
            if arrays[kind].get(side) is None:
                raise InputError(
                    f"{side}_{kind} is missing; {name} reads {kind}: give"
                    f" {' and '.join(f'{s}_{kind}=' for s in module.NEEDS)}"
                )
        needs.setdefault(kind, set()).update(module.NEEDS)
    return {kind: _pair(kind, arrays[kind], sides, plan) for kind, sides in needs.items()}


def _pair(kind: str, arrays: Mapping[str, Any], sides: set[str], plan: tuple[Any, ...]) -> Pair:
    """Checks the rows of one kind; all sides must have the same number of columns."""
    rows = {
        side: as_rows(arrays[side], f"{side}_{kind}", double=kind == "logits")
        for side in ("fake", "real", "train")
        if side in sides or (side == "real" and arrays[side] is not None)
    }
    for side, table in rows.items():
        if table.shape[1] != rows["fake"].shape[1]:
            raise InputError(
                f"{side}_{kind} has {table.shape[1]} columns and fake_{kind}"
                f" {rows['fake'].shape[1]}; they must agree: take both from the same network and"
                " layer"
            )
    return Pair(rows.get("real"), rows["fake"], kind, rows.get("train"), plan)


def _estimate(
    name: str,
    result: MetricValue,
    pair: Pair,
    level: float,
    protocol: str,
    settings: Mapping[str, Any],
) -> Estimate:
    """Makes an `Estimate` from a metric's value."""
    module = all_metrics.load(name)
    bounded = not (math.isnan(result.low) and math.isnan(result.high))
    return Estimate(
        metric=name,
        value=result.value,
        low=result.low,
        high=result.high,
        level=level if bounded else math.nan,
        method=result.method,
        target=result.target,
        better=module.BETTER,
        protocol=protocol,
        n_real=pair.n_real if "real" in module.NEEDS else 0,
        n_fake=pair.n_fake,
        settings=settings,
        details=result.details,
    )

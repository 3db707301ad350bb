"""Metrics on plain arrays: the core that everything else in this package feeds."""

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

ENTRIES_OF_ONE_THREAD = 1_000_000  # below that, threads of the linear algebra wait more than work

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
    """Measures how far generated data are from real data, each metric with its interval.

    Args:
      real_features: array-like, shape (n, d), any real dtype, finite; a memory-mapped array or an
        iterator of blocks (rows, d) does not have to fit in memory.
      fake_features: array-like, shape (m, d).
      metrics: names of metrics, each a file in evaluation/metrics/; one name alone is allowed. If
        None, those of `DEFAULT_METRICS` that the protocol defines.
      protocol: "default", or the name of a published program's settings.
      level: confidence level of the intervals, in (0, 1).
      seed: of what is random in an estimator, >= 0; the same seed gives the same numbers.
      real_logits: array-like, shape (n, classes), for the metrics that read a classifier's logits.
      fake_logits: array-like, shape (m, classes).
      settings: per metric, settings that replace the protocol's: {"kid": {"subset_size": 125}}.
      train_features: array-like, shape (t, d): what the generator was trained on, for the metrics
        of memorisation; `real_features` are then held-out rows.
      real_spatial: array-like, shape (n, d): an early layer that still knows places, for sFID.
      fake_spatial: array-like, shape (m, d).

    Returns:
      A mapping from metric names to estimates, in the order asked for.

    Raises:
      InputError: anything wrong with what was given, in one line.
    """
    start = time.perf_counter()
    if metrics is None:
        defined = protocols.defined(protocol)
        metrics = [name for name in DEFAULT_METRICS if name in defined]
    chosen = protocols.check_metrics(metrics, protocol)
    level, seed = validation.check_level(level), validation.check_whole("seed", seed, 0)
    prepared = bound_settings(chosen, protocol, settings)
    given = {
        "features": {"real": real_features, "fake": fake_features, "train": train_features},
        "logits": {"real": real_logits, "fake": fake_logits},
        "spatial": {"real": real_spatial, "fake": fake_spatial},
    }
    pairs = _pairs(chosen, given, all_metrics.all_neighbour_requests(prepared))
    estimates: dict[str, Estimate] = {}
    with _fitting_threads(pairs.values()):
        for name, bound in prepared.items():
            module = all_metrics.load(name)
            found = module.estimate(pairs[module.READS], level=level, seed=seed, **bound)
            estimates[name] = _estimate(name, found, pairs[module.READS], level, protocol, bound)
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
    """One thread of linear algebra for small problems, where several only wait for each other."""
    if max(p.fake.size + (0 if p.real is None else p.real.size) for p in pairs) > (
        ENTRIES_OF_ONE_THREAD
    ):
        return nullcontext()
    return threadpoolctl.threadpool_limits(1, user_api="blas")


def bound_settings(
    chosen: Sequence[str], protocol: str, settings: Mapping[str, Mapping[str, Any]] | None
) -> dict[str, dict[str, Any]]:
    """All settings of each chosen metric: its defaults, the protocol's, and those given.

    Raises:
      InputError: settings of another metric, unknown ones, or values of another type.
    """
    given = _checked_settings(settings, chosen)
    return {
        name: _bound(name, protocols.settings(protocol, name) | dict(given.get(name, {})))
        for name in chosen
    }


def _checked_settings(
    settings: Mapping[str, Mapping[str, Any]] | None, chosen: Sequence[str]
) -> Mapping[str, Mapping[str, Any]]:
    """The settings, which may name only metrics that are measured."""
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


def _bound(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a metric: its own defaults, replaced by what is given."""
    parameters = inspect.signature(all_metrics.load(name).estimate).parameters
    defaults = {
        key: p.default for key, p in parameters.items() if p.default is not inspect.Parameter.empty
    }
    for key in given:
        if key not in defaults:
            line = all_metrics.unknown(f"setting of {name}", key, defaults)
            raise InputError(f"{line}; correct the name or leave it out")
    plain = {key: _plain_setting(name, key, given[key], defaults[key]) for key in given}
    return defaults | plain


def _plain_setting(name: str, key: str, value: Any, default: Any) -> Any:
    """A setting as plain Python; refuses another kind than its default's, but ints as floats."""
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
    chosen: Sequence[str], given: Mapping[str, Mapping[str, Any]], plan: tuple[Any, ...]
) -> dict[str, Pair]:
    """Checked rows of each kind that the chosen metrics read, of those sides that they need."""
    needs: dict[str, set[str]] = {}
    for name in chosen:
        module = all_metrics.load(name)
        kind = module.READS
        for side in module.NEEDS:
            if given[kind].get(side) is None:
                raise InputError(
                    f"{side}_{kind} is missing; {name} reads {kind}: give"
                    f" {' and '.join(f'{s}_{kind}=' for s in module.NEEDS)}"
                )
        needs.setdefault(kind, set()).update(module.NEEDS)
    return {kind: _pair(kind, given[kind], sides, plan) for kind, sides in needs.items()}


def _pair(kind: str, given: Mapping[str, Any], sides: set[str], plan: tuple[Any, ...]) -> Pair:
    """Checked rows of one kind; all sides must have the same number of columns."""
    rows = {
        side: as_rows(given[side], f"{side}_{kind}", double=kind == "logits")
        for side in ("fake", "real", "train")
        if side in sides or (side == "real" and given[side] is not None)
    }
    for side, found in rows.items():
        if found.shape[1] != rows["fake"].shape[1]:
            raise InputError(
                f"{side}_{kind} has {found.shape[1]} columns and fake_{kind}"
                f" {rows['fake'].shape[1]}; they must agree: take both from the same network and"
                " layer"
            )
    return Pair(rows.get("real"), rows["fake"], kind, rows.get("train"), plan)


def _estimate(
    name: str,
    found: MetricValue,
    pair: Pair,
    level: float,
    protocol: str,
    settings: Mapping[str, Any],
) -> Estimate:
    """What a metric found, with all that a comparison needs to know."""
    module = all_metrics.load(name)
    bounded = not (math.isnan(found.low) and math.isnan(found.high))
    return Estimate(
        metric=name,
        value=found.value,
        low=found.low,
        high=found.high,
        level=level if bounded else math.nan,
        method=found.method,
        target=found.target,
        better=module.BETTER,
        protocol=protocol,
        n_real=pair.n_real if "real" in module.NEEDS else 0,
        n_fake=pair.n_fake,
        settings=settings,
        details=found.details,
    )

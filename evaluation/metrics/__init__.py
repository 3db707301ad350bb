"""The metrics, one file each. The name of a metric is the name of its file.

The file of a metric defines

    READS = "features", "logits" or "spatial"    the kind of rows that it reads
    NEEDS = ("real", "fake")                     the sides that it reads: real, fake, train
    BETTER = "lower" or "higher"
    COLLAPSE = "lower" or "higher"               the direction in which the value moves when the
                                                 generator loses modes; None if that is unclear
    def estimate(pair, *, level, seed, <settings with defaults>) -> MetricValue

`pair` is an `evaluation.core.pair.Pair`. The defaults of the settings are the protocol "default". A
metric that has a value for every single row also defines

    def per_sample(pair, *, <settings with defaults>) -> float64, shape (m,), one per fake row

A metric that uses `pair.neighbours` lists its requests, so that all such metrics share one pass:

    def neighbour_requests(**settings) -> requests, as in evaluation/neighbours/one_pass.py
"""

import difflib
import functools
import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

from evaluation.errors import InputError


@functools.cache
def names() -> tuple[str, ...]:
    """Returns the sorted names of all metrics: the files of this folder."""
    return tuple(sorted(file.name for file in pkgutil.iter_modules(__path__)))


def load(name: str) -> ModuleType:
    """Loads the module of the metric `name`.

    Raises:
      InputError: no such metric; the message names the nearest one.
    """
    if name not in names():
        raise InputError(unknown("metric", name, names()))
    return importlib.import_module(f"{__name__}.{name}")


def all_neighbour_requests(settings: Mapping[str, Mapping[str, Any]]) -> tuple[Any, ...]:
    """Returns the `Pair.neighbours` requests of metrics with these settings, each request once."""
    modules = {name: load(name) for name in settings}
    per_metric = (
        module.neighbour_requests(**settings[name])
        for name, module in modules.items()
        if hasattr(module, "neighbour_requests")
    )
    return tuple(dict.fromkeys(request for requests in per_metric for request in requests))


def unknown(kind: str, name: object, choices: Iterable[str]) -> str:
    """Returns the error message for an unknown `name`, with the nearest valid name."""
    choices = list(choices)
    near = difflib.get_close_matches(str(name).lower(), choices, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}: {hint or 'choose from'} ({', '.join(choices)})"

"""The metrics, one file each; they are found by file name.

A metric's file holds

    READS = "features", "logits" or "spatial"    what its rows are
    NEEDS = ("real", "fake")                     the sides it reads, of real, fake and train
    BETTER = "lower" or "higher"
    COLLAPSE = "lower" or "higher"               which way it goes when the generator loses modes;
                                                 None where that tells nothing
    def estimate(pair, *, level, seed, <settings with defaults>) -> Finding

where `pair` is an `evaluation.core.pair.Pair`; the settings' defaults are the protocol "default". A
metric that knows something of every single row also has

    def per_sample(pair, *, <settings with defaults>) -> float64, shape (m,), one per fake row

and one that asks `pair.neighbours` says what, so that all such metrics share one pass:

    def neighbour_requests(**settings) -> requests, as in evaluation/neighbours/one_pass.py
"""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

from evaluation.errors import InputError


def names() -> tuple[str, ...]:
    """The names of all metrics, sorted: the files of this folder."""
    return tuple(sorted(found.name for found in pkgutil.iter_modules(__path__)))


def load(name: str) -> ModuleType:
    """The module of the metric called `name`.

    Raises:
      InputError: there is none; the line names the nearest.
    """
    if name not in names():
        raise InputError(unknown("metric", name, names()))
    return importlib.import_module(f"{__name__}.{name}")


def all_neighbour_requests(settings: Mapping[str, Mapping[str, Any]]) -> tuple[Any, ...]:
    """What metrics of these settings ask of `Pair.neighbours`, each request once."""
    modules = {name: load(name) for name in settings}
    found = (
        module.neighbour_requests(**settings[name])
        for name, module in modules.items()
        if hasattr(module, "neighbour_requests")
    )
    return tuple(dict.fromkeys(request for requests in found for request in requests))


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """The line that says that no such `kind` exists and which name is nearest."""
    known = list(known)
    near = difflib.get_close_matches(str(name).lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}: {hint or 'choose from'} ({', '.join(known)})"

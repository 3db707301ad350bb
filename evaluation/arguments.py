"""Checks of the arguments that `measure` and `evaluate` share; each mistake is one line."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from evaluation import metrics as metric_files
from evaluation import protocols
from evaluation.errors import InputError


def check_metrics(metrics: Any, protocol: Any) -> tuple[str, ...]:
    """The metrics' names, each once, known, and defined by the protocol.

    Raises:
      InputError: no names, an unknown one, or one that the protocol does not define.
    """
    if not isinstance(metrics, Iterable):
        raise InputError(f"metrics={metrics!r}; it must be names, such as ['fid', 'kid']")
    chosen = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    if not chosen:
        raise InputError(f"metrics is empty: choose from {', '.join(protocols.defined(protocol))}")
    for name in chosen:
        metric_files.load(name)
        protocols.settings(protocol, name)
    return tuple(dict.fromkeys(chosen))


def check_level(level: Any) -> None:
    """Raises InputError unless `level` is a fraction between 0 and 1."""
    if not isinstance(level, float | np.floating) or not 0.0 < level < 1.0:
        raise InputError(f"level={level!r}; it must lie strictly between 0 and 1, such as 0.95")


def check_whole(name: str, value: Any, least: int) -> None:
    """Raises InputError unless the argument called `name` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name}={value!r}; it must be a whole number, {least} or more")

"""Argument checks for `measure` and `evaluate`; each error is one line."""

import math
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from evaluation.errors import InputError

SHOWN = 80  # characters


def shown(value: Any) -> str:
    """Formats a value for an error: its repr on one line, cut to `SHOWN` characters."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an int of thousands of digits, or an error in the object's own repr
        return f"<{type(value).__name__}>"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def is_listing(value: Any) -> bool:
    """Whether `value` is iterable, but neither text nor an array without axes."""
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Iterable) and not isinstance(value, str | bytes)


def check_choice(name: str, value: Any, choices: Collection[str]) -> None:
    """Raises InputError unless the argument `name` is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name}={shown(value)}; use one of {', '.join(choices)}")


def check_level(level: Any) -> float:
    """Returns the level as a plain float; raises InputError unless 0 < level < 1."""
    if not isinstance(level, float | np.floating) or not 0.0 < float(level) < 1.0:
        raise InputError(
            f"level={shown(level)}; it must lie strictly between 0 and 1, a float such as 0.95"
        )
    return float(level)


def check_whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Returns the argument `name` as a plain int.

    Raises:
      InputError: it is not a whole number, or is below `least` or above `most`.
    """
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or value < least or (most is not None and value > most):
        span = f"{least} or more" if most is None else f"from {least} to {most}"
        raise InputError(f"{name}={shown(value)}; it must be a whole number, {span}")
    return int(value)


def check_number(name: str, value: Any) -> float:
    """Returns the argument `name` as a plain float; inf and nan are allowed.

    Raises:
      InputError: it is not a number, or an int beyond the largest float.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise InputError(f"{name}={shown(value)}; it must be a number, such as 1.0")
    try:
        return float(value)
    except OverflowError:
        line = f"{name}={shown(value)} is too large for a float: give a smaller number"
        raise InputError(line) from None


def check_range(name: str, value: Any, least: float, most: float) -> float:
    """Returns the argument `name` as a plain float; raises InputError outside [least, most]."""
    number = check_number(name, value)
    if math.isnan(number) or not least <= number <= most:
        raise InputError(f"{name}={shown(value)}; it must lie in [{least:g}, {most:g}]")
    return number

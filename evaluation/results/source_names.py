"""Names of sources in tables."""

import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from evaluation.core import validation
from evaluation.errors import InputError
from evaluation.sources import Source


def named_sources(sources: Any, short: bool = True) -> dict[str, Source]:
    """Maps names to sources; without names, uses the paths.

    Args:
      sources: a list of sources, or a mapping from names to sources.
      short: whether to leave out the folders that all paths have in common.

    Raises:
      InputError: `sources` is something else, is empty, or gives two sources the same name.
    """
    if isinstance(sources, Mapping):
        named = {str(name): source for name, source in sources.items()}
    elif validation.is_listing(sources) and not isinstance(sources, np.ndarray):
        listed = list(sources)
        names = [source_name(source) for source in listed]
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            raise InputError(
                f"sources has {repeated[0]!r} twice; give each once, or names as in {{'a': a}}."
            )
        named = dict(zip(short_names(names) if short else names, listed, strict=True))
    else:
        raise InputError(
            f"sources={validation.shown(sources)}; it must list sources, or map names to them."
        )
    if not named:
        raise InputError("sources is empty; give at least one.")
    return named


def source_name(source: Source) -> str:
    """Returns a path or data set name unchanged; for an object or function its name."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    named = getattr(source, "name", None) or getattr(source, "__name__", None)
    return str(named or type(source).__name__)


def short_names(paths: Sequence[str]) -> list[str]:
    """Removes the first and the last parts that all paths have in common."""
    if len(set(paths)) < 2:
        return list(paths)
    parts = [PurePath(path).parts for path in paths]
    shortest = min(map(len, parts))
    first = _common(parts, range(shortest))
    last = _common(parts, range(-1, -shortest - 1, -1))
    if first + last >= shortest:
        return list(paths)
    return [str(PurePath(*part[first : len(part) - last])) for part in parts]


def _common(parts: Sequence[tuple[str, ...]], places: range) -> int:
    """Counts the leading places at which all paths have the same part."""
    alike = (len({part[place] for part in parts}) == 1 for place in places)
    return sum(1 for _ in itertools.takewhile(bool, alike))

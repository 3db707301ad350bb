"""Several sources and what each is called in a table."""

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
    """Sources by their names: those given, or else their paths.

    Args:
      sources: a list of sources, or a mapping from names to them.
      short: leave out the folders that all paths share.

    Raises:
      InputError: it is neither, it is empty, or two sources would have one name.
    """
    if isinstance(sources, Mapping):
        named = {str(name): source for name, source in sources.items()}
    elif validation.is_listing(sources) and not isinstance(sources, np.ndarray):
        given = list(sources)
        names = [name_of(source) for source in given]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise InputError(
                f"sources has {twice[0]!r} twice; give each once, or names as in {{'a': a}}."
            )
        named = dict(zip(short_names(names) if short else names, given, strict=True))
    else:
        raise InputError(
            f"sources={validation.shown(sources)}; it must list sources, or map names to them."
        )
    if not named:
        raise InputError("sources is empty; give at least one.")
    return named


def name_of(source: Source) -> str:
    """A path or a data set's name as it is; what a function or an object calls itself."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    named = getattr(source, "name", None) or getattr(source, "__name__", None)
    return str(named or type(source).__name__)


def short_names(paths: Sequence[str]) -> list[str]:
    """Paths without the folders that begin all of them, and those that end all of them."""
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
    """How many of the places hold the same part in all paths, from the first on."""
    alike = (len({part[place] for part in parts}) == 1 for place in places)
    return sum(1 for _ in itertools.takewhile(bool, alike))

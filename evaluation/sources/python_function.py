"""Loads a Python function f(n, rng) -> images from MODULE:FUNCTION or FILE.py:FUNCTION."""

import importlib.util

from evaluation.errors import InputError
from evaluation.runtime import importing
from evaluation.sources import sampler
from evaluation.sources.options import GeneratorOptions
from evaluation.sources.sampler import Sampler


def is_named(name: str) -> bool:
    """Returns whether a name has the form MODULE:FUNCTION or FILE.py:FUNCTION."""
    where, colon, function = name.rpartition(":")
    if not colon or not function.isidentifier() or not where:
        return False
    if where.endswith(".py"):
        return True
    if not all(part.isidentifier() for part in where.split(".")):
        return False
    try:
        return importlib.util.find_spec(where) is not None
    except (ImportError, ValueError):
        return False


def load(name: str, options: GeneratorOptions) -> Sampler:
    """Returns a sampler that draws from the named function.

    Raises:
      InputError: the module cannot be imported, or lacks the function.
    """
    where, _, function_name = name.rpartition(":")
    function = getattr(importing.module(where, name), function_name, None)
    if not callable(function):
        raise InputError(
            f"{name}: {where} has no function {function_name!r}; give f(n, rng) -> n images."
        )
    return sampler.from_function(function, name, options)

"""MODULE:FUNCTION and FILE.py:FUNCTION: a Python function f(n, rng) -> images as a source."""

import importlib.util

from evaluation.errors import InputError
from evaluation.runtime import importing
from evaluation.sources import sampler
from evaluation.sources.options import GeneratorOptions
from evaluation.sources.sampler import Sampler


def is_named(name: str) -> bool:
    """Whether a name is a module, or a .py file, and a function behind a colon."""
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
    """The function that a name means.

    Raises:
      InputError: the module cannot be imported, or has no such function.
    """
    where, _, function_name = name.rpartition(":")
    function = getattr(importing.module(where, name), function_name, None)
    if not callable(function):
        raise InputError(
            f"{name}: {where} has no function {function_name!r}; give f(n, rng) -> n images."
        )
    return sampler.from_function(function, name, options)

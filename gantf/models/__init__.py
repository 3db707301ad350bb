"""The models: one file each, found by its name; `load` is the only way to them."""

import difflib
import importlib
import pkgutil
from types import ModuleType

from evaluation import InputError


def names() -> list[str]:
    """The models that there are: the files beside this one."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def check(name: str) -> None:
    """Raises InputError, with the nearest name, if there is no such model; imports nothing."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(names())}."
        raise InputError(f"--model {name!r}: there is no such model; {hint}")


def load(name: str) -> ModuleType:
    """The model's module: `Config` and `build(config, data, seed) -> Game`.

    Raises:
      InputError: there is no such model.
    """
    check(name)
    return importlib.import_module(f"gantf.models.{name}")

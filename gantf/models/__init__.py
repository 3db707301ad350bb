"""The models: one file each, named like its model; `load` imports one."""

import difflib
import importlib
import importlib.util
import pkgutil
import re
import sys
import traceback
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from evaluation import InputError
from gantf.config import Defaults, ModelConfig
from gantf.errors import RunEndedError

if TYPE_CHECKING:
    from gantf.game import Needs

NEEDS = ("images", "labels", "pairs", "domains")


def names() -> list[str]:
    """Returns the names of the built-in models: the files beside this one."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def check(name: str) -> None:
    """Raises InputError, with the nearest name, if the model does not exist; imports nothing."""
    if is_file(name):
        if not Path(name).is_file():
            raise InputError(f"--model {name}: there is no such file; give a Python file's path.")
    elif name not in names():
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(names())}."
        raise InputError(f"--model {name!r}: there is no such model; {hint}")


def is_file(name: str) -> bool:
    """Returns whether the name is the path of a user's Python file."""
    return name.endswith(".py")


def title(name: str) -> str:
    """Returns the model's name as used in the name of a run directory."""
    return Path(name).stem if is_file(name) else name


def load(name: str) -> ModuleType:
    """Imports a model's module, with `Config` and `build(config, data, seed) -> Game`.

    Two names are optional: `NEEDS`, the kind of data that the model reads ("images" by default),
    and `RUN`, the model's default data, steps and batch size.

    Args:
      name: the name of a model, or the path of a Python file with a model.

    Raises:
      InputError: the model does not exist, or the file cannot be imported or has no model.
    """
    check(name)
    if not is_file(name):
        return importlib.import_module(f"gantf.models.{name}")
    module_name = (
        f"gantf_model_{Path(name).stem}_{zlib.crc32(str(Path(name).absolute()).encode()):08x}"
    )
    spec = importlib.util.spec_from_file_location(module_name, name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    with mistakes_named(name):
        spec.loader.exec_module(module)
    for attribute in ("Config", "build"):
        if not hasattr(module, attribute):
            raise InputError(
                f"--model {name} has no {attribute}; a model is `class Config(ModelConfig)` and "
                "`build(config, data, seed) -> Game`, see docs/own_model.md."
            )
    if not (isinstance(module.Config, type) and issubclass(module.Config, ModelConfig)):
        raise InputError(f"--model {name}: its Config must be a gantf.config.ModelConfig.")
    if needs(module) not in NEEDS:
        raise InputError(
            f"--model {name}: NEEDS is {needs(module)!r}; it must be one of {', '.join(NEEDS)}."
        )
    if not isinstance(defaults(module), Defaults):
        raise InputError(f"--model {name}: its RUN must be a gantf.config.Defaults.")
    return module


@contextmanager
def mistakes_named(name: str) -> Iterator[None]:
    """Turns an exception from a user's file into a one-line error with file and line.

    Raises:
      InputError: the block raised an exception, and `name` is a file.
    """
    try:
        yield
    except (InputError, RunEndedError):
        raise
    except Exception as error:
        if not is_file(name):
            raise
        trace = "".join(traceback.format_exception(error))
        lines = re.findall(rf'File "{re.escape(name)}", line (\d+)', trace)
        place = f", line {lines[-1]}" if lines else ""
        messages = [line.strip() for line in str(error).splitlines() if line.strip()]
        message = messages[-1] if messages else "no reason given"
        if not re.match(r"\w+(Error|Exception): ", message):
            message = f"{type(error).__name__}: {message}"
        raise InputError(f"--model {name}{place}: {message}") from error


def needs(module: ModuleType) -> "Needs":
    """Returns the kind of data that a model reads."""
    return getattr(module, "NEEDS", "images")


def defaults(module: ModuleType) -> Defaults:
    """Returns a model's default data, steps and batch size."""
    return getattr(module, "RUN", Defaults())


def summary(module: ModuleType) -> str:
    """Returns one line about a model: its name, a description, and its paper's arXiv number."""
    docstring = module.__doc__ or ""
    line = docstring.partition("\n")[0].replace("`", "").rstrip(".")
    paper = re.search(r"arXiv:\S*\d", docstring)
    return f"{line} ({paper[0]})" if paper else line

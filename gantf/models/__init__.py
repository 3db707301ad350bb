"""The models: one file each, found by its name; `load` is the only way to them."""

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
    """The models that there are: the files beside this one."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def check(name: str) -> None:
    """Raises InputError, with the nearest name, if there is no such model; imports nothing."""
    if is_file(name):
        if not Path(name).is_file():
            raise InputError(f"--model {name}: there is no such file; give a Python file's path.")
    elif name not in names():
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(names())}."
        raise InputError(f"--model {name!r}: there is no such model; {hint}")


def is_file(name: str) -> bool:
    """Whether a model is named by the path of a Python file, the user's own."""
    return name.endswith(".py")


def title(name: str) -> str:
    """What a model is called in a run directory's name."""
    return Path(name).stem if is_file(name) else name


def load(name: str) -> ModuleType:
    """The model's module: `Config` and `build(config, data, seed) -> Game`.

    A module may say more: `NEEDS`, what it reads of its data ("images" by default), and `RUN`, the
    data, steps and batch size where the user gives none.

    Args:
      name: a model's, or the path of a Python file that holds one.

    Raises:
      InputError: there is no such model, or the file cannot be imported or holds none.
    """
    check(name)
    if not is_file(name):
        return importlib.import_module(f"gantf.models.{name}")
    own = f"gantf_model_{Path(name).stem}_{zlib.crc32(str(Path(name).absolute()).encode()):08x}"
    spec = importlib.util.spec_from_file_location(own, name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    with mistakes_named(name):
        spec.loader.exec_module(module)
    for wanted in ("Config", "build"):
        if not hasattr(module, wanted):
            raise InputError(
                f"--model {name} has no {wanted}; a model is `class Config(ModelConfig)` and "
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
    """Turns whatever a user's own file raises into one line that names the place.

    Raises:
      InputError: the block has raised something, and `name` is a file.
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
        said = [line.strip() for line in str(error).splitlines() if line.strip()]
        what = said[-1] if said else "no reason given"
        if not re.match(r"\w+(Error|Exception): ", what):
            what = f"{type(error).__name__}: {what}"
        raise InputError(f"--model {name}{place}: {what}") from error


def needs(module: ModuleType) -> "Needs":
    """What a model reads of its data."""
    return getattr(module, "NEEDS", "images")


def defaults(module: ModuleType) -> Defaults:
    """The data, steps and batch size of a model where the user gives none."""
    return getattr(module, "RUN", Defaults())


def summary(module: ModuleType) -> str:
    """A model in one line: its name, what it is, and the number of its paper."""
    docstring = module.__doc__ or ""
    line = docstring.partition("\n")[0].replace("`", "").rstrip(".")
    paper = re.search(r"arXiv:\S*\d", docstring)
    return f"{line} ({paper[0]})" if paper else line

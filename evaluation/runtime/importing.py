"""Imports the module in a user's MODULE:FUNCTION or FILE.py:FUNCTION."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from evaluation.errors import InputError


def module(name: str, argument: str) -> ModuleType:
    """Imports a module by its name, or runs a .py file as one.

    Args:
      name: the module's name, or the file's path.
      argument: the user's argument, for the error message.

    Raises:
      InputError: the import fails, for any reason.
    """
    try:
        if not name.endswith(".py"):
            return importlib.import_module(name)
        spec = importlib.util.spec_from_file_location(Path(name).stem, name)
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        return loaded
    except (Exception, SystemExit) as error:  # a module may raise anything while it is imported
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        hint = "" if name.endswith(".py") else ", or give the path of its .py file"
        raise InputError(
            f"{argument}: {name} cannot be imported ({reason[:200]}); repair it{hint}."
        ) from None

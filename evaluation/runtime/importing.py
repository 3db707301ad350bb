"""Imports the module in a user's MODULE:FUNCTION or FILE.py:FUNCTION."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from evaluation.errors import InputError


def module(where: str, argument: str) -> ModuleType:
    """Imports a module by its name, or runs a .py file as one.

    Args:
      where: the module's name, or the file's path.
      argument: the user's argument, for the error message.

    Raises:
      InputError: the import fails, for any reason.
    """
    try:
        if not where.endswith(".py"):
            return importlib.import_module(where)
        spec = importlib.util.spec_from_file_location(Path(where).stem, where)
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        return loaded
    except (Exception, SystemExit) as error:  # a module may raise anything while it is imported
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        hint = "" if where.endswith(".py") else ", or give the path of its .py file"
        raise InputError(
            f"{argument}: {where} cannot be imported ({reason[:200]}); repair it{hint}."
        ) from None

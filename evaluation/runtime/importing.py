"""The module of a name that a user gives: MODULE:FUNCTION or FILE.py:FUNCTION."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from evaluation.errors import InputError


def module(where: str, given: str) -> ModuleType:
    """Imports a module by its name, or runs a .py file as one.

    Args:
      where: the module's name, or the file's path.
      given: what the user wrote, for the error.

    Raises:
      InputError: it cannot be imported, for whatever reason.
    """
    try:
        if not where.endswith(".py"):
            return importlib.import_module(where)
        spec = importlib.util.spec_from_file_location(Path(where).stem, where)
        assert spec is not None
        assert spec.loader is not None
        made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
        return made
    except (Exception, SystemExit) as error:  # a module may raise anything while it is imported
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        hint = "" if where.endswith(".py") else ", or give the path of its .py file"
        raise InputError(
            f"{given}: {where} cannot be imported ({reason[:200]}); mend it{hint}."
        ) from None

"""Imports pandas for the methods called `to_frame`."""

from types import ModuleType

from evaluation.errors import InputError


def import_pandas() -> ModuleType:
    """Returns the module pandas.

    Raises:
      InputError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise InputError("to_frame needs pandas: pip install pandas") from error
    return pandas

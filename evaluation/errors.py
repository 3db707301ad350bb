"""`InputError`, for wrong input, and its subclasses."""

from typing import Any


class InputError(ValueError):
    """Wrong input: one line that names the argument, its value, the rule and the remedy.

    The commands print it without a traceback and exit with code 2. In Python it is a ValueError.
    """


class NoSplitError(InputError):
    """The data set has no split of that name."""


class TooFewRows(InputError):
    """Too few rows for a metric; `side` is "real", "fake" or "train", `need` is the requirement."""

    def __init__(self, message: str, side: str, need: str) -> None:
        super().__init__(message)
        self.side, self.need = side, need


class ReportError(InputError):
    """The report could not be written; the scores in `result` are still valid."""

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result = result

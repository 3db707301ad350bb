"""The exception that says: the input is wrong, and here is what to do; and special cases."""

from typing import Any


class InputError(ValueError):
    """A mistake in what was given: one line that names it, its value, the rule and the remedy.

    The commands print it without a traceback and exit with 2; in Python it is a ValueError.
    """


class NoSplitError(InputError):
    """A data set has no split of that name."""


class TooFewRows(InputError):
    """Fewer rows on one side ("real" or "fake") than a metric needs; `need` says how many."""

    def __init__(self, message: str, side: str, need: str) -> None:
        super().__init__(message)
        self.side, self.need = side, need


class ReportError(InputError):
    """The report could not be written; `result` holds the scores, which are none the worse."""

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result = result

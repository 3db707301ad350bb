"""The one exception that says: the input is wrong, and here is what to do."""


class InputError(ValueError):
    """A mistake in what was given: one line that names it, its value, the rule and the remedy.

    The commands print it without a traceback and exit with 2; in Python it is a ValueError.
    """

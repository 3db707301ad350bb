"""Exceptions that end a training in this process and are not a mistake of the user."""

RESTARTS = "GANTF_RESTARTS"  # variable: restarts after a lost worker, in a row without a step


class RunEndedError(Exception):
    """A run cannot go on in this process."""


class DivergedError(RunEndedError):
    """A loss or gradient was not finite again and again; the message names its first place."""


class WorkerLostError(RunEndedError):
    """Another worker process is gone."""

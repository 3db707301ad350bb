"""How a training may end that is neither done nor a user's mistake."""

RESTARTS = "GANTF_RESTARTS"  # of a process whose workers lost a worker, in a row, without a step


class RunEndedError(Exception):
    """A run cannot go on in this process."""


class DivergedError(RunEndedError):
    """A loss or gradient is not finite, again and again; the message says where it began."""


class WorkerLostError(RunEndedError):
    """Another process of the workers is gone."""

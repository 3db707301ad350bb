"""Stops a training on Ctrl-C and on SIGTERM, the signal that schedulers send before preemption."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from gantf.console import Terminal


class Interrupted(BaseException):
    """A stop was requested inside `StopRequest.interruptible`; `except Exception` lets it pass."""


class StopRequest:
    """The stop that was requested while a block of `stop_on_signals` runs.

    Attributes:
      signal: the first signal: SIGINT or SIGTERM; 0 if there was none.
    """

    signal = 0
    _interruptible = False

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Marks work that may be abandoned half-way, since it can be done again later.

        Raises:
          Interrupted: a stop is requested before or while the block runs.
        """
        if self.signal:
            raise Interrupted
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False


@contextmanager
def stop_on_signals(terminal: Terminal) -> Iterator[StopRequest]:
    """Handles SIGINT and SIGTERM while the block runs: the first of them requests a stop.

    A second Ctrl-C raises KeyboardInterrupt at once. Outside of the main thread, where Python
    delivers no signals, none is handled.
    """
    stop = StopRequest()

    def handle(number, frame):
        if stop.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        if stop.signal:
            return
        stop.signal = number
        again = "; Ctrl-C again stops at once, unsaved" if number == signal.SIGINT else ""
        when = "" if stop._interruptible else " after the steps under way"
        terminal.say(f"stopping{when}{again}")
        if stop._interruptible:
            raise Interrupted

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    former = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)

"""Ctrl-C, and the SIGTERM by which schedulers announce that they take a machine away."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from gantf.console import Terminal


class Interrupted(BaseException):
    """Raised inside `Stop.breakable` when a stop is asked for; no `except Exception` takes it."""


class StopRequest:
    """What was asked for while a block of `watched` runs.

    Attributes:
      signal: the first signal that came: SIGINT, SIGTERM, or 0 for none.
    """

    signal = 0
    _interruptible = False

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Work that may be given up half-way, since it can be done again later.

        Raises:
          BrokenOff: a stop is asked for, before or while the block runs.
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
    """Takes SIGINT and SIGTERM while the block runs: the first of them asks for a stop.

    A second Ctrl-C raises KeyboardInterrupt at once. Outside of the main thread, where Python has
    no signals, nothing is taken.
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
    usual = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)

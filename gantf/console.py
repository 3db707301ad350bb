"""Messages and progress on stderr."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from evaluation import on_terminal

LINE_EVERY_SECONDS = 10.0  # shortest time between lines of progress without a terminal


class Terminal:
    """Prints progress and messages on stderr: a bar on a terminal, plain lines elsewhere."""

    def __init__(self, muted: bool = False):
        """Prints nothing if `muted`. Mute all but one of several processes."""
        self._muted = muted
        self._console = Console(
            stderr=True, force_terminal=on_terminal(), soft_wrap=True, highlight=False
        )
        self._progress: Progress | None = None
        self._last_line = time.monotonic()

    def say(self, message: str) -> None:
        """Prints one line, above the bar if there is one.

        If stderr is closed, stops printing and raises nothing.
        """
        if self._muted or sys.stderr is None:
            return
        message = "".join(x if x.isprintable() else repr(x)[1:-1] for x in message)
        try:
            if self._console.is_terminal:
                self._console.print(message, markup=False)
            else:
                print(message, file=sys.stderr, flush=True)
        except OSError:
            self._muted = True

    @contextmanager
    def progress(self, step: int, steps: int) -> Iterator[None]:
        """Shows a progress bar while the block runs."""
        if self._muted or not self._console.is_terminal:
            yield
            return
        columns = (
            TextColumn("step {task.completed}/{task.total}"),
            BarColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as self._progress:
            self._progress.add_task("", completed=step, total=steps, rate="")
            yield
        self._progress = None

    def advance(self, step: int, steps: int, images_per_second: float, batch_size: int) -> None:
        """Updates the bar, or prints a line of progress now and then."""
        if self._progress is not None:
            self._progress.update(
                self._progress.task_ids[0],
                completed=step,
                rate=f"{images_per_second:,.0f} images/s",
            )
        elif time.monotonic() - self._last_line >= LINE_EVERY_SECONDS or step == steps:
            self._last_line = time.monotonic()
            left = (steps - step) * batch_size / images_per_second if images_per_second else 0.0
            self.say(f"step {step}/{steps}, {images_per_second:,.0f} images/s, {left:.0f} s left")

    def count(self, what: str, done: int, total: int) -> None:
        """Prints "WHAT DONE/TOTAL" now and then, for work that is not a training step."""
        if time.monotonic() - self._last_line >= LINE_EVERY_SECONDS or done == total:
            self._last_line = time.monotonic()
            self.say(f"{what} {done}/{total}")

"""Where a run tells what happens: `metrics.jsonl`, TensorBoard, and the terminal."""

import errno
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from evaluation import on_terminal
from gantf.runs import files
from gantf.training.evaluator import Scores

METRICS_FILE = "metrics.jsonl"
WINDOW_MARK = "generator/loss"  # what only records of log windows have
SCORE_MARK = "scored"
ROLLBACK_MARK = "rollback"
LINE_EVERY_SECONDS = 10.0  # without a terminal, a line of progress at the most so often


class RunLog:
    """Writes each record to `metrics.jsonl` (a JSON object a line) and to TensorBoard."""

    def __init__(self, run_dir: Path, first_step: int, rollbacks: int = 0):
        """Opens the log of a run that goes on at `first_step`: later lines, of lost work, go.

        So do those that tell of a later rollback than the run's last: it will come again.
        """
        self._path = path = run_dir / METRICS_FILE
        kept = [
            line
            for line in read(run_dir)
            if line["step"] <= first_step and line.get(ROLLBACK_MARK, 0) <= rollbacks
        ]
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))
        os.replace(temporary, path)
        self.windows = [line for line in kept if WINDOW_MARK in line]
        self.scores = [line for line in kept if SCORE_MARK in line]
        with self._told_if_unwritable():
            self._summaries = tf.summary.create_file_writer(str(run_dir / "tensorboard"))
        self._file = open(path, "a", buffering=1)  # noqa: SIM115  closed by `close`

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Adds one record; numbers go to TensorBoard too."""
        with self._told_if_unwritable():
            self._file.write(json.dumps({"step": step, **values}) + "\n")
            with self._summaries.as_default():
                for name, value in values.items():
                    if isinstance(value, float):
                        tf.summary.scalar(name, value, step=step)

    def write_window(self, step: int, values: Mapping[str, float]) -> None:
        """Adds the means of a log window, which the alarms look back on."""
        self.write(step, values)
        self.windows.append({"step": step, **values})

    def write_scores(self, step: int, scores: Scores) -> None:
        """Adds one record of scores: each value, and its interval as NAME_low and NAME_high."""
        values = {}
        for name, score in scores.items():
            values[name] = score.value
            if score.low is not None and score.high is not None:
                values |= {f"{name}_low": score.low, f"{name}_high": score.high}
        self.write(step, {SCORE_MARK: True, **values})
        self.scores.append({"step": step, **values})

    def flush(self) -> None:
        """Brings all to disk: before a checkpoint that says it has been written."""
        with self._told_if_unwritable():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._summaries.flush()

    def close(self) -> None:
        """Ends both files."""
        self.flush()
        with self._told_if_unwritable():
            self._file.close()
            self._summaries.close()

    @contextmanager
    def _told_if_unwritable(self) -> Iterator[None]:
        """One line for what cannot be written, of which Python and TensorFlow tell differently."""
        try:
            yield
        except OSError as error:
            raise files.unwritable(self._path, error) from None
        except tf.errors.ResourceExhaustedError:
            full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise files.unwritable(self._path, full) from None
        except tf.errors.OpError as error:
            reason = OSError(errno.EIO, (error.message or "").partition("[Op:")[0].strip())
            raise files.unwritable(self._path.parent / "tensorboard", reason) from None


def read(run_dir: Path) -> list[dict[str, Any]]:
    """The records of a run; a line that was cut off by a crash is left out."""
    path = run_dir / METRICS_FILE
    if not path.is_file():
        return []
    records = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int):
            records.append(record)
    return records


class Terminal:
    """Progress and messages on stderr: a bar on a terminal, plain lines elsewhere."""

    def __init__(self, muted: bool = False):
        """Tells nothing if `muted`: one of several processes is enough."""
        self._muted = muted
        self._console = Console(
            stderr=True, force_terminal=on_terminal(), soft_wrap=True, highlight=False
        )
        self._progress: Progress | None = None
        self._last_line = time.monotonic()

    def say(self, message: str) -> None:
        """Prints one line, above the bar where there is one.

        Who reads may have gone, as of a pipe: the training goes on in silence.
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
        """Shows a bar while the block runs."""
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
        """Tells how far the run is."""
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
        """Tells how much of something other than steps is done, from time to time."""
        if time.monotonic() - self._last_line >= LINE_EVERY_SECONDS or done == total:
            self._last_line = time.monotonic()
            self.say(f"{what} {done}/{total}")

"""The log of a run: `metrics.jsonl`, one JSON object a line, and TensorBoard."""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf

from evaluation import InputError
from evaluation.runtime.metrics_log import FILE, read
from gantf.runs import files
from gantf.runs.scores import Scores, to_record

WINDOW_MARK = "generator/loss"  # a key of log windows alone
SCORE_MARK = "scored"
ROLLBACK_MARK = "rollback"


class MetricsLog:
    """Writes each record to `metrics.jsonl` and to TensorBoard."""

    def __init__(self, run_dir: Path, first_step: int, rollbacks: int = 0):
        """Opens the log of a run that starts or resumes at `first_step`.

        Removes records of later steps, whose work is lost, and of later rollbacks, which the run
        will repeat.

        Raises:
          InputError: the log cannot be read or written, or the number of a rollback is no number.
        """
        self._path = path = run_dir / FILE
        kept = [
            line
            for line in read(run_dir)
            if line["step"] <= first_step and _rollback(path, line) <= rollbacks
        ]
        files.write(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
        self.windows = [line for line in kept if WINDOW_MARK in line]
        self.scores = [line for line in kept if SCORE_MARK in line]
        with self._errors_in_one_line():
            self._summaries = tf.summary.create_file_writer(str(run_dir / "tensorboard"))
        self._file = open(path, "a", buffering=1)  # noqa: SIM115  closed by `close`

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Adds one record; floats also go to TensorBoard."""
        with self._errors_in_one_line():
            self._file.write(json.dumps({"step": step, **values}) + "\n")
            with self._summaries.as_default():
                for name, value in values.items():
                    if isinstance(value, float):
                        tf.summary.scalar(name, value, step=step)

    def write_window(self, step: int, values: Mapping[str, float]) -> None:
        """Adds the means of a log window, which the alarms use."""
        self.write(step, values)
        self.windows.append({"step": step, **values})

    def write_scores(self, step: int, scores: Scores) -> None:
        """Adds one record of scores: each value, and its interval as NAME_low and NAME_high."""
        values = to_record(scores)
        self.write(step, {SCORE_MARK: True, **values})
        self.scores.append({"step": step, **values})

    def flush(self) -> None:
        """Flushes everything to disk; a checkpoint must not be newer than the log."""
        with self._errors_in_one_line():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._summaries.flush()

    def close(self) -> None:
        """Closes both files."""
        self.flush()
        with self._errors_in_one_line():
            self._file.close()
            self._summaries.close()

    @contextmanager
    def _errors_in_one_line(self) -> Iterator[None]:
        """Turns the errors of Python and of TensorFlow for an unwritable file into one line."""
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


def _rollback(path: Path, line: Mapping[str, Any]) -> float:
    """Returns the number of the rollback that a record is of; 0 for other records."""
    number = line.get(ROLLBACK_MARK, 0)
    if not isinstance(number, int | float):
        raise InputError(
            f"{path} is damaged (at step {line['step']}, {ROLLBACK_MARK} is {number!r}); "
            "restore it or start a new run."
        )
    return number

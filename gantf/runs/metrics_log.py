"""Where a run tells what happens: `metrics.jsonl`, TensorBoard, and the terminal."""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf

from gantf.runs import files
from gantf.runs.scores import Scores

METRICS_FILE = "metrics.jsonl"
WINDOW_MARK = "generator/loss"  # what only records of log windows have
SCORE_MARK = "scored"
ROLLBACK_MARK = "rollback"


class MetricsLog:
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

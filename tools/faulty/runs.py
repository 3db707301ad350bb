"""Trainings in separate processes, and the comparison with a run without faults."""

import dataclasses
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from gantf import models
from gantf.runs import checkpoints, metrics_log
from tests.games import SMALL

FOLDER = Path("runs/faults")
STEPS, CHECKPOINT_STEPS = 400, 25
INTERVALS = {
    "--log-every": 10,
    "--checkpoint-every": CHECKPOINT_STEPS,
    "--sample-every": 200,
    "--eval-every": 200,
}
BATCH_SIZE = 4
PATIENCE_SECONDS = 900
WHOLE = "whole"  # prefix of the directories of undisturbed runs, which are kept
TWO_REPLICAS = ("--strategy", "mirrored", "--logical-cpus", "2")
DONE, PREEMPTED, INTERRUPTED = 0, 75, 130

Row = dict[str, object]
"""A row of the table: tried, survived, steps and lines lost; a note, or the end of stderr."""


@dataclasses.dataclass
class Loss:
    """The losses of a run against the undisturbed one.

    Attributes:
      same: True if every variable, sample and line is equal, bit for bit.
      steps: number of steps that are missing.
      lines: number of lines of metrics.jsonl that are missing or duplicate.
    """

    same: bool
    steps: int
    lines: int

    def row(self, tried: int, good: int) -> Row:
        """Returns a row of the table; if the runs differ, no fault counts as survived."""
        survived = good if self.same else 0
        return {"tried": tried, "survived": survived, "steps": self.steps, "lines": self.lines}


class Training:
    """A training command that can be started again and again."""

    def __init__(self, model: str, name: str, *words: str, environment: dict | None = None):
        """Trains a small form of a model in a new directory; keeps the directory of a whole run."""
        self.run_dir = FOLDER / Path(model).stem / name
        if not name.startswith(WHOLE):
            shutil.rmtree(self.run_dir, ignore_errors=True)
        config = models.load(model).Config.model_fields
        settings = [f"{key}={value}" for key, value in SMALL.items() if key in config]
        pairs = [str(part) for option in INTERVALS.items() for part in option]
        self.command = [sys.executable, "-c", "from gantf.cli import main; main()", "train"]
        self.command += ["--model", model, "--steps", str(STEPS), "--run-dir", str(self.run_dir)]
        self.command += [*pairs, "--batch-size", str(BATCH_SIZE)]
        self.command += [word for setting in settings for word in ("--set", setting)]
        self.command += words
        self.environment = os.environ | (environment or {})

    def start(self, *words: str) -> subprocess.Popen:
        """Starts a new process."""
        return subprocess.Popen(
            [*self.command, *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )

    def finish(self, *words: str) -> tuple[int, str]:
        """Runs the command to its end; returns the exit code and stderr."""
        return end(self.start(*words))

    def strike(self, number: int, after_seconds: float) -> tuple[int, str]:
        """Starts the command, sends a signal after some time; returns the exit code and stderr."""
        process = self.start()
        try:
            process.wait(after_seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        return end(process)

    def strike_at(self, number: int, pattern: str) -> tuple[int, str]:
        """Does the same as soon as a new file matches a pattern in the run directory."""
        process = self.start()
        before = set(self.run_dir.glob(pattern))
        while process.poll() is None and set(self.run_dir.glob(pattern)) <= before:
            time.sleep(0.0005)
        process.send_signal(number)
        return end(process)

    def await_checkpoint(self, step: int, process: subprocess.Popen) -> None:
        """Waits until there is a checkpoint of that step or a later one."""
        while process.poll() is None and max(checkpoints.paths(self.run_dir), default=-1) < step:
            time.sleep(0.01)


def end(process: subprocess.Popen) -> tuple[int, str]:
    """Waits for the end of a process; returns the exit code and stderr."""
    _, output = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, output


def failed(row: Row, output: str) -> Row:
    """Adds the end of stderr to a row."""
    return row | {"said": output[-500:]}


def undisturbed(model: str, place: str = "", *words: str) -> Path:
    """Returns the undisturbed run for comparison; trains what does not exist yet."""
    training = Training(model, WHOLE + place, *words)
    started = time.monotonic()
    code, output = training.finish()
    if code != DONE:
        raise RuntimeError(f"{model} does not train undisturbed: {output[-500:]}")
    seconds = training.run_dir / "seconds"
    if not seconds.exists():
        seconds.write_text(f"{time.monotonic() - started:.1f}\n")
    return training.run_dir


def loss(run_dir: Path, whole: Path) -> Loss:
    """Compares a finished run with the undisturbed one."""
    (one, _), (other, _) = (checkpoints.newest(place) for place in (run_dir, whole))
    if one is None or other is None:
        return Loss(False, STEPS, len(metrics_log.read(whole)))
    same = one.values.keys() == other.values.keys() and all(
        np.array_equal(one.values[name], value) for name, value in other.values.items()
    )
    grids = [
        {file.name: file.read_bytes() for file in (place / "samples").iterdir()}
        for place in (run_dir, whole)
    ]
    ours, theirs = (_lines(place) for place in (run_dir, whole))
    lines = sum(ours.count(line) != 1 for line in theirs) + sum(x not in theirs for x in ours)
    same = same and grids[0] == grids[1] and not lines
    return Loss(same, max(other.step - one.step, 0), lines)


def _lines(run_dir: Path) -> list[dict]:
    """Returns the log without the values that depend on time."""
    timed = ("images_per_second", "data_retried")
    lines = [
        {k: v for k, v in line.items() if k not in timed} for line in metrics_log.read(run_dir)
    ]
    return [line for line in lines if line.keys() != {"step"}]

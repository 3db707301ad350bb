"""Trainings in processes of their own, which faults are brought upon, and what they lost."""

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
RHYTHM = {"--log-every": 10, "--checkpoint-every": 25, "--sample-every": 200, "--eval-every": 200}
BATCH_SIZE = 4
PATIENCE_SECONDS = 900
WHOLE = "whole"  # how the directories of undisturbed runs begin, which are kept
TWO_REPLICAS = ("--strategy", "mirrored", "--logical-cpus", "2")
DONE, PREEMPTED, INTERRUPTED = 0, 75, 130

Row = dict[str, object]
"""Of the table: tried, survived, steps and lines lost; a note, or what was said."""


@dataclasses.dataclass
class Loss:
    """What a run lost against the one that nothing disturbed.

    Attributes:
      same: whether every variable, sample and line agrees bit for bit.
      steps: that the finished run has too few.
      lines: of metrics.jsonl that are missing or there twice.
    """

    same: bool
    steps: int
    lines: int

    def row(self, tried: int, good: int) -> Row:
        """A row of the table: nothing has survived that is not the same."""
        survived = good if self.same else 0
        return {"tried": tried, "survived": survived, "steps": self.steps, "lines": self.lines}


class Training:
    """One command, to be started again and again."""

    def __init__(self, model: str, name: str, *words: str, environment: dict | None = None):
        """The small form of a model, in a new directory of that name unless it is a whole run's."""
        self.run_dir = FOLDER / Path(model).stem / name
        if not name.startswith(WHOLE):
            shutil.rmtree(self.run_dir, ignore_errors=True)
        config = models.load(model).Config.model_fields
        settings = [f"{key}={value}" for key, value in SMALL.items() if key in config]
        pairs = [str(part) for option in RHYTHM.items() for part in option]
        self.command = [sys.executable, "-c", "from gantf.cli import main; main()", "train"]
        self.command += ["--model", model, "--steps", str(STEPS), "--run-dir", str(self.run_dir)]
        self.command += [*pairs, "--batch-size", str(BATCH_SIZE)]
        self.command += [word for setting in settings for word in ("--set", setting)]
        self.command += words
        self.environment = os.environ | (environment or {})

    def start(self, *words: str) -> subprocess.Popen:
        """A new process of it."""
        return subprocess.Popen(
            [*self.command, *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )

    def finish(self, *words: str) -> tuple[int, str]:
        """Its exit code and what it said, when it has ended by itself."""
        return end(self.start(*words))

    def strike(self, number: int, after_seconds: float) -> tuple[int, str]:
        """Starts it, sends a signal after a time; its exit code and what it said."""
        process = self.start()
        try:
            process.wait(after_seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        return end(process)

    def strike_at(self, number: int, pattern: str) -> tuple[int, str]:
        """The same once a new file of a pattern is in the run's directory."""
        process = self.start()
        known = set(self.run_dir.glob(pattern))
        while process.poll() is None and set(self.run_dir.glob(pattern)) <= known:
            time.sleep(0.0005)
        process.send_signal(number)
        return end(process)

    def await_checkpoint(self, step: int, process: subprocess.Popen) -> None:
        """Waits until a checkpoint of that step, or a later one, is there."""
        while process.poll() is None and max(checkpoints.paths(self.run_dir), default=-1) < step:
            time.sleep(0.01)


def end(process: subprocess.Popen) -> tuple[int, str]:
    """The exit code of a process that ends by itself, and what it said."""
    _, said = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, said


def undisturbed(model: str, place: str = "", *words: str) -> Path:
    """The run that the others are compared with; as far as it is there, it is taken."""
    training = Training(model, WHOLE + place, *words)
    started = time.monotonic()
    code, said = training.finish()
    if code != DONE:
        raise RuntimeError(f"{model} does not train undisturbed: {said[-500:]}")
    seconds = training.run_dir / "seconds"
    if not seconds.exists():
        seconds.write_text(f"{time.monotonic() - started:.1f}\n")
    return training.run_dir


def loss(run_dir: Path, whole: Path) -> Loss:
    """A finished run against the undisturbed one."""
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
    """The log without what the clock decides."""
    timed = ("images_per_second", "data_retried")
    lines = [
        {k: v for k, v in line.items() if k not in timed} for line in metrics_log.read(run_dir)
    ]
    return [line for line in lines if line.keys() != {"step"}]

"""Trainings in processes of their own, which faults are brought upon, and what they lost."""

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from gantf import checkpoints, logs, models

SMALL = {
    "generator_channels": 4,
    "discriminator_channels": 4,
    "encoder_channels": 4,
    "channels": 4,
    "max_channels": 8,
    "latent_dim": 6,
    "style_dim": 6,
    "mapping_layers": 2,
    "residual_blocks": 1,
    "group_channels": 4,
    "text_dim": 5,
    "pool_images": 7,
}
STEPS = 400
RHYTHM = {"--log-every": 10, "--checkpoint-every": 25, "--sample-every": 200, "--eval-every": 200}
SIZES = {"--batch-size": 4}
PATIENCE_SECONDS = 900
DONE, PREEMPTED, INTERRUPTED = 0, 75, 130


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


class Training:
    """One command, to be started again and again."""

    def __init__(self, model: str, run_dir: Path, *words: str):
        """The small form of a model, in a directory of its own."""
        config = models.load(model).Config.model_fields
        settings = [f"{key}={value}" for key, value in SMALL.items() if key in config]
        pairs = [str(part) for option in (RHYTHM | SIZES).items() for part in option]
        self.run_dir = run_dir
        self.command = [sys.executable, "-c", "from gantf.cli import main; main()", "train"]
        self.command += ["--model", model, "--steps", str(STEPS), "--run-dir", str(run_dir), *pairs]
        self.command += [word for setting in settings for word in ("--set", setting)]
        self.command += words

    def start(self, *words: str) -> subprocess.Popen:
        """A new process of it."""
        return subprocess.Popen(
            [*self.command, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def finish(self, *words: str) -> tuple[int, str]:
        """Its exit code and what it said, when it has ended by itself."""
        process = self.start(*words)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, said

    def strike(self, number: int, after_seconds: float) -> tuple[int, str]:
        """Starts it, sends a signal after a time; its exit code and what it said."""
        process = self.start()
        try:
            process.wait(after_seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, said

    def strike_at(self, number: int, pattern: str) -> tuple[int, str]:
        """The same once a file of a pattern is in the run's directory."""
        process = self.start()
        known = set(self.run_dir.glob(pattern))
        while process.poll() is None and set(self.run_dir.glob(pattern)) <= known:
            time.sleep(0.0005)
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, said


def loss(run_dir: Path, whole: Path) -> Loss:
    """A finished run against the undisturbed one."""
    (one, _), (other, _) = (checkpoints.newest(place) for place in (run_dir, whole))
    if one is None or other is None:
        return Loss(False, STEPS, len(logs.read(whole)))
    same = one.values.keys() == other.values.keys() and all(
        np.array_equal(one.values[name], value) for name, value in other.values.items()
    )
    grids = [
        {file.name: file.read_bytes() for file in (place / "samples").iterdir()}
        for place in (run_dir, whole)
    ]
    ours, theirs = (_lines(place) for place in (run_dir, whole))
    lines = sum(ours.count(line) != 1 for line in theirs) + sum(x not in theirs for x in ours)
    return Loss(same and grids[0] == grids[1], max(other.step - one.step, 0), lines)


def _lines(run_dir: Path) -> list[dict]:
    """The log without what the clock decides."""
    timed = "images_per_second"
    return [{k: v for k, v in line.items() if k != timed} for line in logs.read(run_dir)]

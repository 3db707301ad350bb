"""Faults by signals: kill -9, SIGTERM of a scheduler, Ctrl-C of a user."""

import functools
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from faulty.runs import (
    DONE,
    INTERRUPTED,
    PREEMPTED,
    STEPS,
    TWO_REPLICAS,
    Row,
    Training,
    failed,
    loss,
    undisturbed,
)

from gantf.runs import checkpoints

SOONEST_SECONDS = 2.0  # the earliest time of a signal after the start
STARTING = 0.4  # start-up (import and tracing), as a fraction of the time of a whole run
MOST_STARTS = 300
PARTIAL = "checkpoints/.*"  # an unfinished checkpoint
SAVING_FRACTION = 0.4  # of all kills: while a checkpoint is being written
Strike = Callable[[], tuple[int, str]]
"""Starts a run and sends a signal; returns the exit code and stderr."""


def killed(model: str, whole: Path, kills: int, seed: int) -> Row:
    """Kill -9 at random times, some of them while a checkpoint is being written."""
    training, saving = Training(model, "killed"), round(kills * SAVING_FRACTION)
    at_random = _at_random(training, whole, signal.SIGKILL, seed)
    while_saving = functools.partial(training.strike_at, signal.SIGKILL, PARTIAL)
    good = 0
    for count, strike in ((kills - saving, at_random), (saving, while_saving)):
        good += _struck(training, whole, count, strike, (-signal.SIGKILL,))
    return ended(training, whole, kills, good)


def killed_on_two(model: str, whole: Path, kills: int, seed: int) -> Row:
    """Kill -9 at random times during a run on two replicas, against such a run without faults."""
    training = Training(model, "killed-on-two", *TWO_REPLICAS)
    whole = undisturbed(model, "-on-two", *TWO_REPLICAS)
    strike = _at_random(training, whole, signal.SIGKILL, seed + 3)
    good = _struck(training, whole, kills, strike, (-signal.SIGKILL,))
    return ended(training, whole, kills, good)


def terminated(model: str, whole: Path, kills: int, seed: int) -> Row:
    """SIGTERM at random times: saves, exit code 75 (143 before there is anything to save)."""
    training, fine = Training(model, "terminated"), (PREEMPTED, -signal.SIGTERM)
    strike = _at_random(training, whole, signal.SIGTERM, seed + 1)
    return ended(training, whole, kills, _struck(training, whole, kills, strike, fine))


def interrupted(model: str, whole: Path, kills: int, seed: int) -> Row:
    """Ctrl-C at random times: saves, exit code 130 (1 before there is anything to save)."""
    training, fine = Training(model, "interrupted"), (INTERRUPTED, -signal.SIGINT, 1)
    strike = _at_random(training, whole, signal.SIGINT, seed + 2)
    return ended(training, whole, kills, _struck(training, whole, kills, strike, fine))


def _at_random(training: Training, whole: Path, number: int, seed: int) -> Strike:
    """Returns a function that starts the run and sends a signal at a random time before its end."""
    rng, seconds = np.random.default_rng([seed, number]), float((whole / "seconds").read_text())

    def strike() -> tuple[int, str]:
        done = max(checkpoints.paths(training.run_dir), default=0) / STEPS
        left = seconds * (STARTING + (1 - STARTING) * (1 - done))
        return training.strike(number, rng.uniform(SOONEST_SECONDS, left))

    return strike


def _struck(training: Training, whole: Path, count: int, strike: Strike, fine: tuple) -> int:
    """Sends `count` signals; returns how many starts ended with a correct exit code.

    If a run ends before the signal, it is compared with the undisturbed run: if they are equal, a
    new run starts, otherwise the result is 0.
    """
    tried = good = 0
    for _ in range(MOST_STARTS):
        if tried == count:
            break
        code, output = strike()
        if code != DONE:
            tried += 1
            good += code in fine
            if code not in fine:
                print(f"exit code {code}: {output[-500:]}", file=sys.stderr)
        elif loss(training.run_dir, whole).same:
            shutil.rmtree(training.run_dir)
        else:
            return 0
    return good


def ended(training: Training, whole: Path, tried: int, good: int) -> Row:
    """Lets the run finish; returns its row."""
    code, output = training.finish()
    row = loss(training.run_dir, whole).row(tried, good if code == DONE else 0)
    return row if row["survived"] == tried else failed(row, output)

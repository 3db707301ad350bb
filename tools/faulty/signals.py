"""A process that is stopped: by force, by a scheduler, by its user."""

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
    loss,
    undisturbed,
)

from gantf.runs import checkpoints

SOONEST_SECONDS = 2.0  # after its start, that a process is stopped
STARTING = 0.4  # of what the whole run takes, about: import and tracing, at each start
MOST_STARTS = 300
PARTIAL = "checkpoints/.*"  # a checkpoint that is being written
SAVING_OF = 0.4  # of all kills, those in the midst of a checkpoint
Blow = Callable[[], tuple[int, str]]
"""Starts a run and strikes it; gives its exit code and what it said."""


def killed(model: str, whole: Path, kills: int, seed: int) -> Row:
    """Kill -9 at random moments, some of them while a checkpoint is being written."""
    training, saving = Training(model, "killed"), round(kills * SAVING_OF)
    at_random = _at_random(training, whole, signal.SIGKILL, seed)
    while_saving = functools.partial(training.strike_at, signal.SIGKILL, PARTIAL)
    good = 0
    for count, blow in ((kills - saving, at_random), (saving, while_saving)):
        good += _struck(training, whole, count, blow, (-signal.SIGKILL,))
    return ended(training, whole, kills, good)


def killed_on_two(model: str, whole: Path, kills: int, seed: int) -> Row:
    """Kill -9 at random moments of a run on two replicas, against such a run left alone."""
    training = Training(model, "killed-on-two", *TWO_REPLICAS)
    whole = undisturbed(model, "-on-two", *TWO_REPLICAS)
    blow = _at_random(training, whole, signal.SIGKILL, seed + 3)
    good = _struck(training, whole, kills, blow, (-signal.SIGKILL,))
    return ended(training, whole, kills, good)


def terminated(model: str, whole: Path, kills: int, seed: int) -> Row:
    """SIGTERM at random moments: saved, exit code 75 (143 before there is anything to save)."""
    training, fine = Training(model, "terminated"), (PREEMPTED, -signal.SIGTERM)
    blow = _at_random(training, whole, signal.SIGTERM, seed + 1)
    return ended(training, whole, kills, _struck(training, whole, kills, blow, fine))


def interrupted(model: str, whole: Path, kills: int, seed: int) -> Row:
    """Ctrl-C at random moments: saved, exit code 130 (1 before there is anything to save)."""
    training, fine = Training(model, "interrupted"), (INTERRUPTED, -signal.SIGINT, 1)
    blow = _at_random(training, whole, signal.SIGINT, seed + 2)
    return ended(training, whole, kills, _struck(training, whole, kills, blow, fine))


def _at_random(training: Training, whole: Path, number: int, seed: int) -> Blow:
    """A start that gets a signal at a random moment of what the run, from where it is, takes."""
    rng, seconds = np.random.default_rng([seed, number]), float((whole / "seconds").read_text())

    def blow() -> tuple[int, str]:
        done = max(checkpoints.paths(training.run_dir), default=0) / STEPS
        left = seconds * (STARTING + (1 - STARTING) * (1 - done))
        return training.strike(number, rng.uniform(SOONEST_SECONDS, left))

    return blow


def _struck(training: Training, whole: Path, count: int, blow: Blow, fine: tuple) -> int:
    """How many of `count` starts that a signal met ended with an exit code as they should.

    A run that was over before is compared, and a new one begun; if it differs, none were good.
    """
    tried = good = 0
    for _ in range(MOST_STARTS):
        if tried == count:
            break
        code, said = blow()
        if code != DONE:
            tried += 1
            good += code in fine
            if code not in fine:
                print(f"exit code {code}: {said[-500:]}", file=sys.stderr)
        elif loss(training.run_dir, whole).same:
            shutil.rmtree(training.run_dir)
        else:
            return 0
    return good


def ended(training: Training, whole: Path, tried: int, good: int) -> Row:
    """A row from a run that is let finish now."""
    code, said = training.finish()
    row = loss(training.run_dir, whole).row(tried, good if code == DONE else 0)
    return row if row["survived"] == tried else row | {"said": said[-500:]}

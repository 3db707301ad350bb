"""A process that is stopped: by force, by a scheduler, by its user."""

import shutil
import signal
from pathlib import Path

import numpy as np
from faulty.runs import DONE, INTERRUPTED, PREEMPTED, Row, Training, loss

SOONEST_SECONDS = 2.0  # after its start, that a process is stopped
MOST_STARTS = 300
PARTIAL = "checkpoints/.*"  # a checkpoint that is being written
SAVING_OF = 0.4  # of all kills, those in the midst of a checkpoint


def killed(model: str, whole: Path, kills: int, seed: int) -> Row:
    """Kill -9 at random moments, some of them while a checkpoint is being written."""
    training = Training(model, "killed")
    saving = round(kills * SAVING_OF)
    row = struck(training, whole, kills - saving, seed, signal.SIGKILL, (-signal.SIGKILL,))
    if row["tried"] != row["survived"]:
        return row
    tried = 0
    while tried < saving:
        code, _ = training.strike_at(signal.SIGKILL, PARTIAL)
        if code == DONE:
            if not loss(training.run_dir, whole).same:
                break
            shutil.rmtree(training.run_dir)
            continue
        tried += 1
    return ended(training, whole, kills, kills)


def terminated(model: str, whole: Path, kills: int, seed: int) -> Row:
    """SIGTERM at random moments: saved, exit code 75 (143 before there is anything to save)."""
    training, fine = Training(model, "terminated"), (PREEMPTED, -signal.SIGTERM)
    row = struck(training, whole, kills, seed + 1, signal.SIGTERM, fine)
    return ended(training, whole, row["tried"], row["survived"])


def interrupted(model: str, whole: Path, kills: int, seed: int) -> Row:
    """Ctrl-C at random moments: saved, exit code 130."""
    training, fine = Training(model, "interrupted"), (INTERRUPTED, -signal.SIGINT, 1)
    row = struck(training, whole, kills, seed + 2, signal.SIGINT, fine)
    return ended(training, whole, row["tried"], row["survived"])


def struck(training: Training, whole: Path, count: int, seed: int, number: int, fine: tuple) -> Row:
    """A run that gets a signal in each of so many starts, at a random moment."""
    rng, tried, good = np.random.default_rng([seed, number]), 0, 0
    latest = float((whole / "seconds").read_text())
    for _ in range(MOST_STARTS):
        if tried == count:
            break
        code, _ = training.strike(number, rng.uniform(SOONEST_SECONDS, latest))
        if code != DONE:
            tried += 1
            good += code in fine
            continue
        lost = loss(training.run_dir, whole)  # it was over before: begin a new one
        if not lost.same:
            return lost.row(tried, 0)
        shutil.rmtree(training.run_dir)
    return {"tried": tried, "survived": good, "steps": 0, "lines": 0}


def ended(training: Training, whole: Path, tried: int, good: int) -> Row:
    """A row from a run that is let finish now."""
    code, said = training.finish()
    row = loss(training.run_dir, whole).row(tried, good if code == DONE else 0)
    return row if row["survived"] == tried else row | {"said": said[-500:]}

"""Faults in numbers: losses and gradients that are not finite."""

import signal
from pathlib import Path

from faulty.runs import BATCH_SIZE, DONE, STEPS, Row, Training, failed, loss

from gantf.runs import metrics_log

MODEL = "tests/poisoned.py"
BAD_STEP = 137


def rolled_back(model: str, whole: Path, kills: int, seed: int) -> Row:
    """A loss is not finite: the run restores the last checkpoint and reshuffles the data."""
    training = Training(MODEL, "once", *_poison())
    code, output = training.finish()
    lines = metrics_log.read(training.run_dir)
    rollbacks = [line for line in lines if metrics_log.ROLLBACK_MARK in line]
    windows = [line["step"] for line in lines if metrics_log.WINDOW_MARK in line]
    wanted = list(range(10, STEPS + 1, 10))
    good = code == DONE and len(rollbacks) == 1 and rollbacks[0]["fault_step"] == BAD_STEP
    good &= f"not finite at step {BAD_STEP}: back to step 125" in output
    row: Row = {"tried": 1, "survived": int(good and windows == wanted)}
    lost = STEPS - max(windows, default=0)
    lines_lost = sum(windows.count(step) != 1 for step in wanted)
    return row | {"steps": lost, "lines": lines_lost}


def rolled_back_and_killed(model: str, whole: Path, kills: int, seed: int) -> Row:
    """The same, with kill -9 after the rollback: the same bits as without the kill."""
    undisturbed = Training(MODEL, "undisturbed", *_poison())
    undisturbed.finish()
    training = Training(MODEL, "killed", *_poison())
    process = training.start()
    training.await_checkpoint(200, process)
    process.kill()
    process.communicate()
    code, _ = training.finish()
    good = process.returncode == -signal.SIGKILL and code == DONE
    return loss(training.run_dir, undisturbed.run_dir).row(1, int(good))


def never_finite(model: str, whole: Path, kills: int, seed: int) -> Row:
    """No order of the data helps: exit code 1; the error names player, variable and step."""
    always = ("--set", "poison_low=-2", "--set", "poison_high=2")
    code, output = Training(MODEL, "always", *always).finish()
    good = code == 1 and "not finite at step 1 after 3 rollbacks: first in generator/" in output
    row: Row = {"tried": 1, "survived": int(good), "steps": 0, "lines": 0}
    return row if good else failed(row, output)


def _poison() -> list[str]:
    """Returns settings that make the loss of step BAD_STEP a NaN in the first order of the data."""
    from gantf import models
    from gantf.data import loading, order
    from gantf.pixels import to_floats

    images = loading.load("digits", "images").images
    rows = order.rows_of_batch(0, BAD_STEP - 1, BATCH_SIZE, len(images))
    poisoned = models.load(MODEL)
    signature = float(poisoned.signature(to_floats(images[rows])))
    settings = {"poison_low": signature - 1e-6, "poison_high": signature + 1e-6}
    return [word for key, value in settings.items() for word in ("--set", f"{key}={value:.7f}")]

"""A run that is no longer finite goes back and takes another order; if that fails, it says why."""

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from gantf.data import loading, order
from gantf.pixels import to_floats
from gantf.runs import checkpoints, metrics_log
from gantf.training import recovery
from tests import poisoned
from tests.gantf.training import test_trainer

MODEL = Path(poisoned.__file__)
BAD_STEP = 24
QUICK = ["--strategy", "one-device", "--log-every", "10", "--eval-every", "0"]
OPTIONS = ["--model", str(MODEL), *QUICK]


def train(run_dir, *more):
    return test_trainer.train(run_dir, *OPTIONS, *more)


@pytest.fixture(scope="module")
def one_batch(tf):
    """Settings that make one batch of the first order poison: that of step 24."""
    images = loading.load("digits", "images", None, False).sets[0]["image"]
    rows = order.rows_of_batch(0, BAD_STEP - 1, 8, len(images))
    result = float(poisoned.signature(to_floats(images[rows])))
    settings = {"poison_low": result - 1e-6, "poison_high": result + 1e-6}
    return [word for key, value in settings.items() for word in ("--set", f"{key}={value:.7f}")]


@pytest.fixture(scope="module")
def rolled_back(one_batch, tmp_path_factory):
    """A run of 40 steps over the poisoned batch, and what it said."""
    run_dir = tmp_path_factory.mktemp("runs") / "poisoned"
    done = test_trainer.train_here(run_dir, *OPTIONS, *one_batch)
    assert done.exit_code == 0, done.stderr
    return run_dir, done.stderr


def test_it_goes_back_to_the_last_checkpoint_and_on_in_a_new_order(rolled_back):
    run_dir, message = rolled_back
    assert "of the generator was not finite at step 24: back to step 20" in message
    assert "rollback 1 of 3" in message
    lines = metrics_log.read(run_dir)
    output = [line for line in lines if metrics_log.ROLLBACK_MARK in line]
    assert output == [{"step": 20, "rollback": 1, "fault_step": BAD_STEP, "player": "generator"}]
    assert [line["step"] for line in lines if metrics_log.WINDOW_MARK in line] == [10, 20, 30, 40]
    newest = checkpoints.newest(run_dir)[0]
    assert newest.step == 40
    assert newest.meta["rollbacks"] == 1


@pytest.mark.slow
def test_killed_after_a_rollback_it_ends_in_the_same_bits(rolled_back, one_batch, tmp_path):
    run_dir = tmp_path / "killed"
    command = test_trainer.command(run_dir, *OPTIONS, *one_batch)
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not list((run_dir / "checkpoints").glob("step-00000030.npz")):
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert train(run_dir, *one_batch).returncode == 0
    test_trainer.assert_same_end(run_dir, rolled_back[0])


@pytest.mark.slow
def test_without_rollbacks_it_stops_and_says_where_it_began(one_batch, tmp_path):
    done = train(tmp_path / "run", *one_batch, "--max-rollbacks", "0")
    assert done.returncode == 1
    assert "of the generator was not finite at step 24 and --max-rollbacks is 0: " in done.stderr
    assert re.search(r"first in generator/\S+ and \d+ others", done.stderr)
    kept = checkpoints.newest(tmp_path / "run")[0]
    assert kept.step == 20
    assert not any(recovery.nonfinite_variables({"x": _Variable(v)}) for v in kept.values.values())


@pytest.mark.slow
def test_poison_in_every_batch_ends_it_after_so_many_rollbacks(tmp_path):
    always = ["--set", "poison_low=-2", "--set", "poison_high=2"]
    done = train(tmp_path / "run", *always, "--max-rollbacks", "2")
    assert done.returncode == 1
    assert "not finite at step 1: back to step 0" in done.stderr
    assert "rollback 2 of 2" in done.stderr
    assert "not finite at step 1 after 2 rollbacks: first in generator/" in done.stderr


def test_no_two_orders_have_one_seed():
    seeds = {recovery.seed_after(seed, count) for seed in range(50) for count in range(20)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert recovery.seed_after(7, 0) == 7


class _Variable:
    def __init__(self, value):
        self._value = value

    def numpy(self):
        return self._value

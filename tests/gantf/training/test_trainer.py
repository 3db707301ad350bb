"""The trainer as users run it: the command, in a separate process."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from click.testing import CliRunner

from gantf.cli import main
from gantf.runs import checkpoints, metrics_log
from tests import games

SMALL = ["generator_channels=4", "discriminator_channels=4", "latent_dim=6"]
QUICK = ["--log-every", "5", "--checkpoint-every", "10", "--sample-every", "20", "--keep", "99"]


def command(run_dir, *more):
    settings = [word for setting in SMALL for word in ("--set", setting)]
    words = ["train", "--batch-size", "8", "--steps", "40", "--eval-every", "20", *QUICK]
    code = "from gantf.cli import main; main()"
    return [sys.executable, "-c", code, *words, *settings, "--run-dir", str(run_dir), *more]


def train(run_dir, *more):
    return subprocess.run(command(run_dir, *more), capture_output=True, text=True)


def train_here(run_dir, *more):
    """Runs the same command in this process, which is sooner done."""
    return CliRunner().invoke(main, command(run_dir, *more)[3:])


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A run of 40 steps without interruption."""
    run_dir = tmp_path_factory.mktemp("runs") / "whole"
    done = train(run_dir)
    assert done.returncode == 0, done.stderr
    return run_dir


@pytest.fixture(scope="module")
def short(tf, tmp_path_factory):
    """A run of 2 steps in this process."""
    run_dir = tmp_path_factory.mktemp("runs") / "short"
    with games.eager_steps(tf):
        done = train_here(run_dir, "--steps", "2", "--eval-every", "0")
    assert done.exit_code == 0, done.output
    return run_dir


def assert_same_end(run_dir, whole):
    """Checks that all variables, metrics and grids are equal, bit for bit."""
    one, other = (checkpoints.newest(path)[0] for path in (run_dir, whole))
    assert one.step == other.step
    assert sorted(one.values) == sorted(other.values)
    for name, value in other.values.items():
        np.testing.assert_array_equal(one.values[name], value, err_msg=name)
    assert _untimed(run_dir) == _untimed(whole)
    for grid in (whole / "samples").iterdir():
        assert (run_dir / "samples" / grid.name).read_bytes() == grid.read_bytes()


def _untimed(run_dir):
    lines = metrics_log.read(run_dir)
    return [{k: v for k, v in line.items() if k != "images_per_second"} for line in lines]


def test_a_run_leaves_what_it_says(uninterrupted):
    assert (uninterrupted / "generator" / "saved_model.pb").is_file()
    contract = json.loads((uninterrupted / "generator" / "generator.json").read_text())
    assert contract["latents"] == {"dim": 6, "law": "normal"}
    assert contract["step"] == 40
    assert contract["averaged"] is True
    assert list(checkpoints.paths(uninterrupted)) == [10, 20, 30, 40]
    assert [p.name for p in sorted((uninterrupted / "samples").iterdir())] == [
        "step-00000000.png",
        "step-00000020.png",
        "step-00000040.png",
    ]
    assert list((uninterrupted / "tensorboard").iterdir())
    lines = metrics_log.read(uninterrupted)
    windows = [line for line in lines if "generator/loss" in line]
    assert [line["step"] for line in windows] == list(range(5, 41, 5))
    assert all(0 < line["D(x)"] < 1 for line in windows)
    assert [line["step"] for line in lines if "fid" in line] == [0, 20, 40]


@pytest.mark.slow
def test_kill_9_and_the_same_command_end_in_the_same_bits(uninterrupted, tmp_path):
    """The process is killed once its second checkpoint exists, at any point of a step."""
    run_dir = tmp_path / "killed"
    process = subprocess.Popen(command(run_dir), stderr=subprocess.DEVNULL)
    while not list((run_dir / "checkpoints").glob("step-00000020.npz")):
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    done = train(run_dir)
    assert done.returncode == 0
    assert re.search(r"going on from step [23]0", done.stderr)
    assert_same_end(run_dir, uninterrupted)


@pytest.mark.slow
def test_a_truncated_checkpoint_falls_back_and_says_so(uninterrupted, tmp_path):
    run_dir = tmp_path / "truncated"
    assert train(run_dir, "--steps", "20").returncode == 0
    newest = run_dir / "checkpoints" / "step-00000020.npz"
    os.truncate(newest, newest.stat().st_size // 2)
    done = train(run_dir)
    assert done.returncode == 0
    assert "step-00000020.npz is damaged" in done.stderr
    assert "going on from step 10" in done.stderr
    assert_same_end(run_dir, uninterrupted)


@pytest.mark.slow
def test_an_interrupt_in_the_middle_of_a_log_window_loses_nothing(uninterrupted, tmp_path):
    """SIGINT saves, says how to resume, and exits with 130.

    The resumed run is the same bit for bit.
    """
    run_dir = tmp_path / "interrupted"
    process = subprocess.Popen(command(run_dir), stderr=subprocess.PIPE, text=True)
    while not list((run_dir / "checkpoints").glob("step-00000010.npz")):
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130, stderr
    step = checkpoints.newest(run_dir)[0].step
    assert f"stopped and saved at step {step}; the same command goes on" in stderr
    assert train(run_dir).returncode == 0
    final, whole = (checkpoints.newest(path)[0] for path in (run_dir, uninterrupted))
    for name, value in whole.values.items():
        np.testing.assert_array_equal(final.values[name], value, err_msg=name)
    assert _untimed(run_dir) == _untimed(uninterrupted)


@pytest.mark.slow
def test_two_logical_cpus_go_on_with_a_run_of_one(uninterrupted, tmp_path):
    run_dir = tmp_path / "elastic"
    assert train(run_dir, "--steps", "10").returncode == 0
    done = train(run_dir, "--steps", "20", "--strategy", "mirrored", "--logical-cpus", "2")
    assert done.returncode == 0, done.stderr
    assert "4 on each of 2" in done.stderr
    assert checkpoints.newest(run_dir)[0].step == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "1"], "seed was 0, now 1"),
        (["--set", "loss=hinge"], "set loss was non_saturating, now hinge"),
        (["--data", "digits:test"], "data was digits, now digits:test"),
    ],
)
def test_another_configuration_is_refused(tf, short, options, message):
    before = sorted(p.name for p in short.rglob("*"))
    done = train_here(short, *options)
    assert done.exit_code == 2
    assert message in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert sorted(p.name for p in short.rglob("*")) == before


@pytest.mark.slow
def test_a_finished_run_says_so_and_mends_a_missing_generator(uninterrupted):
    before = (uninterrupted / "config.yaml").read_text()
    contract = (uninterrupted / "generator" / "generator.json").read_text()
    shutil.rmtree(uninterrupted / "generator")
    done = train(uninterrupted, "--steps", "30")
    assert done.returncode == 0
    assert "is at step 40 already" in done.stderr
    assert (uninterrupted / "generator" / "generator.json").read_text() == contract
    assert (uninterrupted / "config.yaml").read_text() == before


@pytest.mark.slow
def test_damaged_checkpoints_without_a_whole_one_stop_and_lose_nothing(tmp_path):
    run_dir = tmp_path / "damaged"
    assert train(run_dir, "--steps", "20").returncode == 0
    for path in (run_dir / "checkpoints").iterdir():
        os.truncate(path, 100)
    log = (run_dir / "metrics.jsonl").read_bytes()
    done = train(run_dir)
    assert done.returncode == 2
    assert "all checkpoints of" in done.stderr
    assert (run_dir / "metrics.jsonl").read_bytes() == log
    assert len(list((run_dir / "checkpoints").glob("step-*.npz"))) == 2


def test_a_directory_in_use_is_refused(tf, short):
    import fcntl

    with open(short / ".lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = train_here(short)
    assert done.exit_code == 2
    assert "is in use by another training" in done.stderr


@pytest.mark.slow
def test_what_diverges_stops_and_keeps_the_last_good_checkpoint(tmp_path):
    run_dir = tmp_path / "diverged"
    wild = ["--set", "loss=least_squares", "--set", "optimizer=sgd"]
    wild += ["--set", "discriminator_learning_rate=1e4"]
    done = train(run_dir, "--checkpoint-every", "1", "--log-every", "1", *wild)
    assert done.returncode == 1
    assert re.search(r"of the (discriminator|generator) was not finite at step \d+", done.stderr)
    assert "Traceback" not in done.stderr
    kept, damaged = checkpoints.newest(run_dir)
    assert kept is not None
    assert not damaged
    assert all(np.all(np.isfinite(value)) for value in kept.values.values())


@pytest.mark.slow
def test_logs_in_a_pipe_hold_no_control_characters(uninterrupted, tmp_path):
    done = train(tmp_path / "plain", "--steps", "10")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", done.stdout + done.stderr)
    assert done.stdout == f"{tmp_path / 'plain' / 'generator'}\n"
    assert "step 10/10" in done.stderr

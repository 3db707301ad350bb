"""SIGTERM saves in time, and the same command goes on as if nothing had been."""

import os
import re
import signal
import subprocess
import threading
import time

import pytest

from gantf.runs import checkpoints, metrics_log
from gantf.training.preemption import Interrupted, stop_on_signals
from tests.gantf.training.test_trainer import assert_same_end, command, train

SAVED_SECONDS = 30


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of 40 steps that nothing disturbed."""
    run_dir = tmp_path_factory.mktemp("runs") / "whole"
    assert train(run_dir).returncode == 0
    return run_dir


def terminated(run_dir, waits_for):
    """A run that gets SIGTERM once a file is there; what it said."""
    process = subprocess.Popen(command(run_dir), stderr=subprocess.PIPE, text=True)
    while not (run_dir / waits_for).exists():
        assert process.poll() is None
        time.sleep(0.001)
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, message = process.communicate()
    assert time.monotonic() - started < SAVED_SECONDS
    assert process.returncode == 75, message
    return message


@pytest.mark.parametrize(
    "waits_for",
    [
        pytest.param("checkpoints/step-00000010.npz", marks=pytest.mark.slow),
        pytest.param("samples/step-00000000.png", marks=pytest.mark.slow),  # in the first scores
        pytest.param("samples/step-00000020.png", marks=pytest.mark.slow),  # of step 20
    ],
)
def test_the_same_command_ends_in_the_same_bits(whole, tmp_path, waits_for):
    run_dir = tmp_path / "run"
    message = terminated(run_dir, waits_for)
    assert re.search("^stopping( after the steps under way)?$", message, re.MULTILINE)
    assert "the same command goes on from there" in message
    done = train(run_dir)
    assert done.returncode == 0, done.stderr
    assert_same_end(run_dir, whole)


@pytest.mark.slow
def test_scores_that_were_broken_off_are_made_later(tf, whole, tmp_path):
    run_dir = tmp_path / "run"
    terminated(run_dir, "samples/step-00000020.png")
    kept = checkpoints.newest(run_dir)[0]
    scored = [line["step"] for line in metrics_log.read(run_dir) if metrics_log.SCORE_MARK in line]
    assert (kept.step, kept.meta["pending_evaluation"]) in [(20, True)] or 20 in scored
    assert train(run_dir).returncode == 0
    assert checkpoints.newest(run_dir)[0].meta["metrics"].keys() == {"fid", "kid", "coverage"} or (
        checkpoints.best(run_dir, "auto") in (20, 40)
    )


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_what_comes_after_the_last_step_is_broken_off_and_made_later(whole, tmp_path, number, code):
    """The best checkpoint's scores and the export, which take a while."""
    run_dir = tmp_path / "run"
    process = subprocess.Popen(command(run_dir), stderr=subprocess.PIPE, text=True)
    while not (run_dir / "checkpoints/step-00000040.npz").exists():
        assert process.poll() is None
        time.sleep(0.001)
    while not list(run_dir.glob(".generator*")) and not (run_dir / "best.json").exists():
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(number)
    _, message = process.communicate()
    assert process.returncode == code, message
    assert message.endswith("stopped and saved at step 40; the same command goes on from there\n")
    assert not (run_dir / "generator").exists()
    done = train(run_dir)
    assert done.returncode == 0, done.stderr
    assert (run_dir / "generator").exists()
    assert_same_end(run_dir, whole)


class Said:
    """A terminal that remembers."""

    def __init__(self):
        self.lines = []

    def say(self, line):
        """Keeps it."""
        self.lines.append(line)


class TestStop:
    def test_the_first_signal_asks_and_the_second_ctrl_c_ends(self):
        output = Said()
        with pytest.raises(KeyboardInterrupt), stop_on_signals(output) as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.signal == signal.SIGINT
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop.signal == signal.SIGINT
            os.kill(os.getpid(), signal.SIGINT)
        assert len(output.lines) == 1
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL

    def test_only_what_can_be_done_again_is_broken_off(self):
        with stop_on_signals(Said()) as stop:
            with pytest.raises(Interrupted), stop.interruptible():
                os.kill(os.getpid(), signal.SIGTERM)
            with pytest.raises(Interrupted), stop.interruptible():
                raise AssertionError("not reached")
            assert stop.signal == signal.SIGTERM

    def test_threads_without_signals_are_left_alone(self):
        seen = []

        def work():
            with stop_on_signals(Said()) as stop:
                seen.append(stop.signal)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert seen == [0]

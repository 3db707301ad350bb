"""Faults of several processes: lost workers, and two trainings in one directory."""

import signal
import socket
import subprocess
from pathlib import Path

import numpy as np
from faulty.runs import CHECKPOINT_STEPS, DONE, STEPS, Row, Training, end, failed, loss
from faulty.signals import ended

from gantf.runs import checkpoints

SGD = ("--set", "optimizer=sgd")  # Adam amplifies rounding errors of small gradients


def second_trainer(model: str, whole: Path, kills: int, seed: int) -> Row:
    """A second trainer in the same run directory is refused and does no harm."""
    training = Training(model, "twice")
    first = training.start()
    training.await_checkpoint(1, first)
    first.send_signal(signal.SIGSTOP)  # the first must not end before the second starts
    code, output = training.finish()
    first.send_signal(signal.SIGCONT)
    first_code, _ = end(first)
    refused = code == 2 and "is in use by process" in output
    return ended(training, whole, 1, int(refused and first_code == DONE))


def stale_lock(model: str, whole: Path, kills: int, seed: int) -> Row:
    """The lock of a killed process is taken over, and the run reports it."""
    training = Training(model, "stale")
    first = training.start()
    training.await_checkpoint(1, first)
    first.kill()
    first.communicate()
    code, output = training.finish()
    good = code == DONE and "which no longer runs: taking over" in output
    return loss(training.run_dir, whole).row(1, int(good))


def elastic(model: str, whole: Path, kills: int, seed: int) -> Row:
    """From 4 replicas to 2 to 1: the same batches, so the same weights except for rounding."""
    alone, training = Training(model, "alone", *SGD), Training(model, "elastic", *SGD)
    alone.finish()
    for fraction, cpus in ((0.25, 4), (0.5, 2)):
        words = ("--strategy", "mirrored", "--logical-cpus", str(cpus))
        code, output = training.finish("--steps", str(int(STEPS * fraction)), *words)
        if code != DONE:
            return failed({"tried": 1, "survived": 0, "steps": STEPS, "lines": 0}, output)
    code, _ = training.finish("--strategy", "one-device", "--logical-cpus", "1")
    (one, _), (other, _) = (checkpoints.newest(x.run_dir) for x in (training, alone))
    assert one is not None
    assert other is not None
    far = max(float(np.max(np.abs(one.values[name] - x))) for name, x in other.values.items())
    row: Row = {"tried": 1, "survived": int(code == DONE), "steps": other.step - one.step}
    return row | {"lines": 0, "note": f"weights within {far:.0e} of one device's"}


def worker_killed(model: str, whole: Path, kills: int, seed: int) -> Row:
    """One of two workers is killed and restarted: the other restarts by itself."""
    return _killed_one_of_two(model, "worker", 1)


def chief_killed(model: str, whole: Path, kills: int, seed: int) -> Row:
    """The chief of two workers is killed and restarted: the other restarts by itself."""
    return _killed_one_of_two(model, "chief", 0)


def _killed_one_of_two(model: str, name: str, victim: int) -> Row:
    """Compares two workers, one of them killed after a checkpoint, with two undisturbed ones."""
    code, undisturbed, _ = _two(model, f"{name}-undisturbed", None)
    if code != DONE:
        raise RuntimeError(f"two workers of {model} do not train undisturbed")
    code, training, output = _two(model, name, victim)
    good = code == DONE and "another worker is gone" in output
    row = loss(training.run_dir, undisturbed.run_dir).row(1, int(good))
    return row if row["survived"] else failed(row, output)


def _two(model: str, name: str, victim: int | None) -> tuple[int, Training, str]:
    """Trains with two workers; returns the larger exit code, the run, the survivor's stderr."""
    ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    addresses = ",".join(f"127.0.0.1:{port.getsockname()[1]}" for port in ports)
    for port in ports:
        port.close()
    training = Training(model, name, "--strategy", "multi-worker", "--workers", addresses)

    def start(index: int) -> subprocess.Popen:
        return training.start("--worker-index", str(index))

    both = [start(0), start(1)]
    if victim is not None:
        training.await_checkpoint(2 * CHECKPOINT_STEPS, both[victim])
        both[victim].kill()
        both[victim].communicate()
        both[victim] = start(victim)
    ends = [end(process) for process in both]
    return max(code for code, _ in ends), training, ends[1 - (victim or 0)][1]

"""One process at a time in a directory, on any file system, and no lock outlives its process."""

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from evaluation import InputError
from gantf.runs import locks
from tests.gantf.training.test_trainer import command

HOLD = """
import errno, fcntl, os, sys
from pathlib import Path
from gantf.runs import locks

def none(*_):
    raise OSError(errno.ENOTSUP, "no flock here")

if sys.argv[2] == "content":
    fcntl.flock, locks.SETTLE_SECONDS = none, 0.5
if "wait" in sys.argv:
    print("ready", flush=True)
    sys.stdin.readline()
with locks.hold(Path(sys.argv[1]), lambda said: print(said, flush=True)):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextlib.contextmanager
def holder(folder, kind):
    """Another process that holds the directory until the block ends."""
    command = [sys.executable, "-c", HOLD, str(folder), kind]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        process.said = []
        while (line := process.stdout.readline().strip()) not in ("held", ""):
            process.said.append(line)
        assert line == "held"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(params=["flock", "content"])
def kind(request, monkeypatch):
    """A file system with the kernel's lock, and one without."""
    if request.param == "content":

        def none(*_):
            raise OSError(errno.ENOTSUP, "no flock here")

        monkeypatch.setattr(fcntl, "flock", none)
        monkeypatch.setattr(locks, "SETTLE_SECONDS", 0.05)
    return request.param


def take(folder):
    """Holds and releases; gives what was said."""
    output = []
    with locks.hold(folder, output.append):
        assert json.loads((folder / locks.FILE).read_text())["pid"] == os.getpid()
    return output


def sign(folder, **fields):
    """Leaves a lock of this process, but for `fields`."""
    signed = dataclasses.asdict(dataclasses.replace(locks._myself(), **fields))
    (folder / locks.FILE).write_text(json.dumps(signed))


def dead_pid():
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_two_processes(tmp_path, kind):
    """The second is told who is in the first's way, and comes in once that has gone."""
    with holder(tmp_path, kind) as process:
        host = socket.gethostname()
        with pytest.raises(InputError) as caught:
            take(tmp_path)
        start = f"--run-dir {tmp_path} is in use by process {process.pid} on host {host} since 20"
        assert str(caught.value).startswith(start)
        assert str(caught.value).endswith("; wait for it, or give another.")
        process.communicate("\n")
        assert process.returncode == 0
    assert (tmp_path / locks.FILE).read_text() == ""
    assert take(tmp_path) == []


def test_killed_with_9_it_leaves_a_lock_that_is_taken_over(tmp_path, kind):
    with holder(tmp_path, kind) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    left = json.loads((tmp_path / locks.FILE).read_text())
    assert (left["pid"], left["host"]) == (process.pid, socket.gethostname())
    (output,) = take(tmp_path)
    assert f"was left by process {process.pid} on host" in output
    assert output.endswith("which no longer runs: taking over")
    assert take(tmp_path) == []


def test_killed_and_not_yet_buried_it_is_dead(tmp_path, kind):
    """Its parent has not asked for its end: a zombie, which has still a number."""
    with holder(tmp_path, kind) as process:
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert len(take(tmp_path)) == 1


def test_a_number_that_went_to_a_later_process_is_no_holder(tmp_path, kind):
    started = locks._started(os.getpid())
    boot, ticks = started.split()
    for earlier in (f"{boot} {int(ticks) - 1}", f"another-boot {ticks}"):
        sign(tmp_path, started=earlier)
        assert len(take(tmp_path)) == 1


def test_a_living_holder_is_believed_where_there_is_no_flock(tmp_path, kind):
    for started in (locks._started(os.getppid()), ""):
        sign(tmp_path, pid=os.getppid(), started=started)
        if kind == "flock":  # the kernel knows better
            assert len(take(tmp_path)) == 1
            continue
        with pytest.raises(InputError, match=f"in use by process {os.getppid()} on host"):
            take(tmp_path)


def put(monkeypatch, **seconds):
    for name, value in seconds.items():
        monkeypatch.setattr(locks, f"{name.upper()}_SECONDS", value)


def test_another_hosts_lock_counts_while_it_is_touched(tmp_path, kind, monkeypatch):
    """Its trainer goes on; the one that asks is told who has the directory, and that it waits."""
    put(monkeypatch, look=0.02, stale=60.0)
    sign(tmp_path, host="elsewhere", pid=dead_pid())
    output, ended = [], threading.Event()
    put(monkeypatch, beat=0.3)
    holder = locks._read(tmp_path / locks.FILE)
    path = tmp_path / locks.FILE
    beat = threading.Thread(target=locks._keep_touching, args=(path, holder, ended))
    beat.start()
    try:
        with pytest.raises(InputError) as caught, locks.hold(tmp_path, output.append):
            pass
    finally:
        ended.set()
        beat.join()
    assert " on host elsewhere since 20" in str(caught.value)
    assert len(output) == 1
    assert re.search(
        r"on host elsewhere since .*: waiting up to (60|59) s for a sign of", output[0]
    )


def test_untouched_for_long_it_is_taken_over_at_once(tmp_path, kind):
    """As by a pod that starts again under another name."""
    sign(tmp_path, host="elsewhere", pid=os.getppid())
    then = time.time() - locks.STALE_SECONDS - 1
    os.utime(tmp_path / locks.FILE, (then, then))
    (output,) = take(tmp_path)
    assert " on host elsewhere since 20" in output
    assert output.endswith("which shows no life: taking over")
    assert take(tmp_path) == []


def test_a_clock_that_was_ahead_does_not_prolong_the_wait(tmp_path, kind, monkeypatch):
    put(monkeypatch, look=0.02, stale=0.5)
    sign(tmp_path, host="elsewhere", pid=os.getppid())
    then = time.time() + 86400
    os.utime(tmp_path / locks.FILE, (then, then))
    waited, taken = take(tmp_path)
    assert re.search("waiting up to [01] s for", waited)
    assert taken.endswith("taking over")


def test_without_a_sign_it_is_taken_over_after_the_wait(tmp_path, kind, monkeypatch):
    put(monkeypatch, look=0.02, stale=0.5)
    sign(tmp_path, host="elsewhere", pid=os.getppid())
    waited, taken = take(tmp_path)
    assert "waiting up to" in waited
    assert taken.endswith("taking over")
    assert not list(tmp_path.glob("*.tmp"))


def test_a_holder_touches_its_lock_and_no_other(tmp_path, kind, monkeypatch):
    put(monkeypatch, beat=0.05)
    path = tmp_path / locks.FILE

    def is_touched():
        os.utime(path, (1, 1))
        time.sleep(0.5)
        return path.stat().st_mtime != 1

    with locks.hold(tmp_path, print):
        assert is_touched()
        sign(tmp_path, host="elsewhere")
        is_touched()  # a touch may have been under way
        assert not is_touched()


def test_who_lost_it_asleep_is_told_by_whom(tmp_path, kind):
    with locks.hold(tmp_path, print):
        locks.check(tmp_path)
        sign(tmp_path, host="elsewhere")
        with pytest.raises(InputError, match=r"was taken over by process .* on host elsewhere"):
            locks.check(tmp_path)
        (tmp_path / locks.FILE).write_text("")
        with pytest.raises(InputError, match="taken over by another training, which has ended"):
            locks.check(tmp_path)


@pytest.mark.slow
def test_a_training_that_lost_it_writes_nothing_and_ends(tmp_path):
    run_dir = tmp_path / "run"
    words = [*command(run_dir, "--steps", "100000", "--checkpoint-every", "10", "--keep", "100000")]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        while not (run_dir / "checkpoints" / "step-00000010.npz").exists():
            assert process.poll() is None
            time.sleep(0.01)
        sign(run_dir, host="elsewhere")
        signed = time.time_ns()
        output = process.communicate(timeout=120)[1]
    assert process.returncode == 2
    assert "was taken over by process" in output.splitlines()[-1]
    written = [file.stat().st_mtime_ns for file in (run_dir / "checkpoints").iterdir()]
    assert max(written) < signed + 2e9  # what was being written at that moment
    assert locks._read(run_dir / locks.FILE).host == "elsewhere"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"pid": 1}', "\x00" * 9])
def test_a_lock_that_nobody_signed_is_free(tmp_path, kind, content):
    (tmp_path / locks.FILE).write_text(content)
    assert take(tmp_path) == []


def test_a_lock_held_unsigned_is_refused_all_the_same(tmp_path):
    """As by a process that has only just taken it."""
    with open(tmp_path / locks.FILE, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for left in ("", None):
            if left is None:
                sign(tmp_path, pid=dead_pid())
            with pytest.raises(InputError, match="is in use by another training; wait for it"):
                take(tmp_path)


def test_it_is_released_after_an_error(tmp_path, kind):
    with pytest.raises(ZeroDivisionError), locks.hold(tmp_path, print):
        raise ZeroDivisionError
    assert take(tmp_path) == []


def test_twice_in_one_process_is_refused(tmp_path, kind):
    with locks.hold(tmp_path, print):
        with pytest.raises(InputError, match=f"in use by process {os.getpid()} on host"):
            take(tmp_path)
        assert json.loads((tmp_path / locks.FILE).read_text())["pid"] == os.getpid()


FORK = """
import os, sys, time
from pathlib import Path
from gantf.runs import locks

with locks.hold(Path(sys.argv[1]), print):
    begun, begin = os.pipe()
    if os.fork() == 0:
        os.write(begin, b".")
        if sys.argv[2] == "stays":
            os.close(1)
            time.sleep(60)
        sys.exit(0)  # through the end of the block
    os.read(begun, 1)
    if sys.argv[2] == "leaves":
        os.wait()
        assert str(os.getpid()) in (Path(sys.argv[1]) / locks.FILE).read_text()
    print(os.getpid(), flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("child", ["stays", "leaves"])
def test_a_child_neither_keeps_nor_releases_the_lock(tmp_path, child):
    """It outlives its parent, or ends before it."""
    command = [sys.executable, "-c", FORK, str(tmp_path), child]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as process:
        try:
            assert process.stdout.readline().strip() == str(process.pid)
            with pytest.raises(InputError, match=f"in use by process {process.pid} on host"):
                take(tmp_path)
            process.kill()
            process.wait()
            assert len(take(tmp_path)) == 1
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_of_several_at_once_one_comes_in(tmp_path, kind):
    """Where only the content decides, the last to sign."""
    command = [sys.executable, "-c", HOLD, str(tmp_path), kind, "wait"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    tries = [subprocess.Popen(command, text=True, **pipes) for _ in range(4)]
    for process in tries:
        assert process.stdout.readline() == "ready\n"
    for process in tries:
        process.stdin.write("\n")
        process.stdin.flush()
    lines = [process.stdout.readline() for process in tries]
    ends = [process.communicate() for process in tries]
    assert sorted(lines) == ["", "", "", "held\n"]
    assert sum("is in use by" in stderr for _, stderr in ends) == 3


def test_a_full_disk_is_said(tmp_path, kind, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(locks, "_write", fail)
    with pytest.raises(InputError, match=r"\.lock cannot be written: No space left on device"):
        take(tmp_path)
    monkeypatch.undo()
    assert take(tmp_path) == []

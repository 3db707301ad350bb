"""Locks a directory for one process by a lock file that names the holder.

The kernel's lock (`flock`) decides; it ends with its process. A shared file system may have no such
lock, or one that binds a single host only. There the content of the file decides: host, process,
start. The holder touches the file regularly, so that other hosts see that it is alive.
"""

import contextlib
import dataclasses
import datetime
import errno
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from evaluation import InputError
from gantf.runs import files

FILE = ".lock"
BEAT_SECONDS = 20.0  # between two touches
STALE_SECONDS = 120.0  # a lock of another host that is not touched for so long may be taken over
LOOK_SECONDS = 1.0  # between two looks at the lock of another host
SETTLE_SECONDS = 1.0  # without flock: wait for processes that write the lock at the same time
_NO_FLOCK = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL)


@dataclasses.dataclass(frozen=True)
class Holder:
    """The process that holds a lock.

    Attributes:
      host: the name of its host.
      pid: its process number.
      since: the time when it took the lock, UTC.
      started: the start of the process: the host's boot ID and clock ticks since; "" if unknown.
    """

    host: str
    pid: int
    since: str
    started: str

    def __str__(self) -> str:
        return f"process {self.pid} on host {self.host} since {self.since}"


@contextlib.contextmanager
def hold(folder: Path, say: Callable[[str], None], option: str = "--run-dir") -> Iterator[None]:
    """Locks an existing directory for this process while the block runs.

    Args:
      folder: the directory.
      say: prints that this process waits for another host, or takes over a stale lock.
      option: the option that named the directory, for errors.

    Raises:
      InputError: another process holds the lock, or the lock file cannot be written.
    """
    path, me = folder / FILE, _myself()
    with open(path, "ab", buffering=0) as file:
        os.register_at_fork(after_in_child=file.close)  # a child must not keep the lock
        locked = _flock(file, folder, option)
        if holder := _read(path):
            if holder.host != me.host:
                alive, sign = _shows_life(path, holder, say), "shows no life"
            else:
                alive, sign = not locked and _runs(holder), "no longer runs"
            if alive:
                raise _refusal(folder, option)
            say(f"{folder} was left by {holder}, which {sign}: taking over")
        try:
            _write(file if locked else path, me)
        except OSError as error:
            raise files.unwritable(path, error) from None
        if not locked and _read(path) != me:
            raise _refusal(folder, option)
        ended = threading.Event()
        threading.Thread(target=_keep_touching, args=(path, me, ended), daemon=True).start()
        try:
            yield
        finally:
            ended.set()
            if os.getpid() == me.pid and _read(path) == me:
                with contextlib.suppress(OSError):
                    os.truncate(path, 0)


def check(folder: Path) -> None:
    """Checks that this process still holds a directory: it may lose it while it is suspended.

    Raises:
      InputError: another process has taken the directory over.
    """
    try:
        holder = _signed((folder / FILE).read_bytes())
    except OSError:  # the next write raises it with a reason
        return
    if holder is None or (holder.host, holder.pid) != (socket.gethostname(), os.getpid()):
        raise InputError(
            f"--run-dir {folder} was taken over by {holder or 'another training, which has ended'} "
            f"while this one gave no sign of life for {STALE_SECONDS:.0f} s; it has written "
            "nothing since, and ends. Start it again once the other has ended."
        )


def _flock(file: IO, folder: Path, option: str) -> bool:
    """Takes the kernel's lock; returns False if the file system has none."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _refusal(folder, option) from None
    except OSError as error:
        if error.errno not in _NO_FLOCK:
            raise files.unwritable(folder / FILE, error) from None
        return False
    return True


def _refusal(folder: Path, option: str) -> InputError:
    holder, here = _read(folder / FILE), socket.gethostname()
    signed = holder and (holder.host != here or _runs(holder))  # a new holder may not have signed
    return InputError(
        f"{option} {folder} is in use by {holder if signed else 'another training'}; wait for it, "
        "or give another."
    )


def _keep_touching(path: Path, me: Holder, ended: threading.Event) -> None:
    """Touches the lock file regularly until the lock is released or taken over."""
    while not ended.wait(BEAT_SECONDS) and _read(path) == me:
        with contextlib.suppress(OSError):
            os.utime(path)


def _shows_life(path: Path, holder: Holder, say: Callable[[str], None]) -> bool:
    """Returns whether the lock of another host is touched or signed before it counts as stale."""
    first = path.stat().st_mtime
    left = STALE_SECONDS - max(_file_clock(path) - first, 0.0)  # a clock may be set back
    if left > 0:
        say(f"{path.parent} is in use by {holder}: waiting up to {left:.0f} s for a sign of life")
    until = time.monotonic() + left
    while time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
        if (now := _read(path)) is None:  # released
            return False
        if now != holder or path.stat().st_mtime != first:
            return True
    return False


def _file_clock(path: Path) -> float:
    """Returns the time by the clock of the file system that holds a file."""
    fresh = _temporary(path)
    try:
        fresh.touch()
        return fresh.stat().st_mtime
    finally:
        fresh.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f"{path.name}.{socket.gethostname()}.{os.getpid()}.tmp")


def _myself() -> Holder:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Holder(socket.gethostname(), os.getpid(), now, _started(os.getpid()) or "")


def _runs(holder: Holder) -> bool:
    """Returns whether the holder, of this host, still runs; another process may have its number."""
    started = _started(holder.pid)
    if started is None:
        return False
    return not (started and holder.started) or started == holder.started


def _started(pid: int) -> str | None:
    """Returns the start of a process of this host; "" if unknown, None if no such process runs."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except PermissionError:  # a process of another user
        pass
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    state, ticks = after_name[0], after_name[19]  # fields 3 and 22 of proc_pid_stat(5)
    return None if state in "ZX" else f"{boot} {ticks}"


def _read(path: Path) -> Holder | None:
    """Returns the holder in a lock file; None if there is none, or it cannot be read."""
    try:
        return _signed(path.read_bytes())
    except OSError:
        return None


def _signed(content: bytes) -> Holder | None:
    """Parses a lock file; returns None if it is empty or incomplete."""
    try:
        holder = Holder(**json.loads(content))
    except (ValueError, TypeError):
        return None
    return holder if isinstance(holder.pid, int) and holder.pid > 0 else None


def _write(target: IO | Path, holder: Holder) -> None:
    """Writes the holder into the locked file; without flock, as a new file: the last one wins."""
    content = f"{json.dumps(dataclasses.asdict(holder))}\n".encode()
    if isinstance(target, Path):
        temporary = _temporary(target)
        temporary.write_bytes(content)
        os.replace(temporary, target)
        time.sleep(SETTLE_SECONDS)
        return
    target.truncate(0)
    target.write(content)
    os.fsync(target.fileno())

"""One process at a time in a directory: a lock file that says whose it is.

The kernel's lock decides (`flock`), and is gone when its process dies. On a shared file system it
may be missing, or bind one host only; then the file's content decides: host, process, since when.
A holder touches the file now and then, so that others see whether its host is still there.
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
STALE_SECONDS = 120.0  # untouched for so long, the lock of another host is nobody's
LOOK_SECONDS = 1.0  # between two looks at it
SETTLE_SECONDS = 1.0  # where there is no flock: until whoever wrote at the same time has written
_NO_FLOCK = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL)
_ours: list[IO] = []  # open lock files, which a child process must not keep locked


@dataclasses.dataclass(frozen=True)
class Holder:
    """Whose a lock is.

    Attributes:
      host: its name.
      pid: the process there.
      since: when it took the lock, UTC.
      started: when the process started: the host's boot, and clock ticks since; "" if unknown.
    """

    host: str
    pid: int
    since: str
    started: str

    def __str__(self) -> str:
        return f"process {self.pid} on host {self.host} since {self.since}"


@contextlib.contextmanager
def held(folder: Path, say: Callable[[str], None], option: str = "--run-dir") -> Iterator[None]:
    """Holds a directory for this process alone while the block runs.

    Args:
      folder: the directory, which is there.
      say: told when it waits for another host, and when a lock that was left is taken over.
      option: which gave the directory.

    Raises:
      InputError: another process holds it, or the lock file cannot be written.
    """
    path, me = folder / FILE, _myself()
    with open(path, "ab", buffering=0) as file:
        locked = _flock(file, folder, option)
        holder = _read(path)
        if holder and holder.host != me.host:
            if _shows_life(path, holder, say):
                raise _refusal(folder, _read(path), option)
            say(f"{folder} was left by {holder}, which shows no life: taking over")
        elif holder:
            if not locked and _runs(holder):
                raise _refusal(folder, holder, option)
            say(f"{folder} was left by {holder}, which no longer runs: taking over")
        try:
            _write(file if locked else path, me)
        except OSError as error:
            raise files.unwritable(path, error) from None
        if not locked and (last := _read(path)) != me:
            raise _refusal(folder, last, option)
        _ours.append(file)
        ended = threading.Event()
        threading.Thread(target=_touch, args=(path, me, ended), daemon=True).start()
        try:
            yield
        finally:
            ended.set()
            _ours.remove(file)
            if os.getpid() == me.pid and _read(path) == me:
                with contextlib.suppress(OSError):
                    os.truncate(path, 0)


def check(folder: Path) -> None:
    """Sees that this process holds a directory still: asleep for long, it may have lost it.

    Raises:
      InputError: another has taken it over.
    """
    try:
        holder = _signed((folder / FILE).read_bytes())
    except OSError:  # who writes next will say why
        return
    if holder is None or (holder.host, holder.pid) != (socket.gethostname(), os.getpid()):
        raise InputError(
            f"--run-dir {folder} was taken over by {holder or 'another training, which has ended'} "
            f"while this one gave no sign of life for {STALE_SECONDS:.0f} s; it has written "
            "nothing since, and ends. Start it again once the other has ended."
        )


def _flock(file: IO, folder: Path, option: str) -> bool:
    """Takes the kernel's lock; False where the file system has none."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _refusal(folder, _read(folder / FILE), option) from None
    except OSError as error:
        if error.errno not in _NO_FLOCK:
            raise files.unwritable(folder / FILE, error) from None
        return False
    return True


def _refusal(folder: Path, holder: Holder | None, option: str) -> InputError:
    here = socket.gethostname()
    signed = holder and (holder.host != here or _runs(holder))  # it may have only just come
    return InputError(
        f"{option} {folder} is in use by {holder if signed else 'another training'}; wait for it, "
        "or give another."
    )


def _touch(path: Path, me: Holder, ended: threading.Event) -> None:
    """Shows that the holder lives, until the lock is given back or has been taken away."""
    while not ended.wait(BEAT_SECONDS) and _read(path) == me:
        with contextlib.suppress(OSError):
            os.utime(path)


def _shows_life(path: Path, holder: Holder, say: Callable[[str], None]) -> bool:
    """Whether a lock of another host is touched, or signed anew, before it counts as stale."""
    first = path.stat().st_mtime
    left = STALE_SECONDS - max(_file_clock(path) - first, 0.0)  # a clock may have been set back
    if left > 0:
        say(f"{path.parent} is in use by {holder}: waiting up to {left:.0f} s for a sign of life")
    until = time.monotonic() + left
    while time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
        if (now := _read(path)) is None:  # given back
            return False
        if now != holder or path.stat().st_mtime != first:
            return True
    return False


def _file_clock(path: Path) -> float:
    """What time it is for the file system that a file is on."""
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
    """Whether a process of this host runs still, and is not another that was given its number."""
    started = _started(holder.pid)
    if started is None:
        return False
    return not (started and holder.started) or started == holder.started


def _started(pid: int) -> str | None:
    """When a process of this host started; "" if that cannot be told, None if there is none."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except PermissionError:  # another user's
        pass
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    state, ticks = after_name[0], after_name[19]  # fields 3 and 22 of proc_pid_stat(5)
    return None if state in "ZX" else f"{boot} {ticks}"


def _read(path: Path) -> Holder | None:
    """Who has signed a lock file; None if nobody has, or it cannot be read."""
    try:
        return _signed(path.read_bytes())
    except OSError:
        return None


def _signed(content: bytes) -> Holder | None:
    """Who that is; None if nobody, or not yet in full."""
    try:
        holder = Holder(**json.loads(content))
    except (ValueError, TypeError):
        return None
    return holder if isinstance(holder.pid, int) and holder.pid > 0 else None


def _write(target: IO | Path, holder: Holder) -> None:
    """Signs: in a file that the kernel has locked, or by a new file, of which the last stays."""
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


def _close_in_child() -> None:
    for file in _ours:
        file.close()


os.register_at_fork(after_in_child=_close_in_child)

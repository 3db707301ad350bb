"""All workers meet before TensorFlow connects them, for its own wait cannot be interrupted.

The chief listens at its own address; the others tell it who they are, until it says that all are
there. Then the address is free again, for TensorFlow.
"""

import json
import select
import socket
import time
from collections.abc import Callable, Sequence

from evaluation import InputError

GO = b"go\n"
OTHERS = b"other workers\n"
LONGEST_MESSAGE = 1 << 16  # bytes
TRY_SECONDS = 0.5
SAY_EVERY_SECONDS = 15.0


class _Clock:
    """How long to wait, and when to say for whom."""

    def __init__(self, name: str, seconds: float, say: Callable[[str], None]):
        self._name, self._seconds, self._say = name, seconds, say
        self._started = self._said = time.monotonic()

    def check(self, missing: str) -> None:
        """Says now and then who is missing.

        Raises:
          InputError: the time is over.
        """
        now = time.monotonic()
        if now - self._started >= self._seconds:
            raise InputError(
                f"after {self._seconds:.0f} s {self._name} still waits for {missing}; start all "
                "workers, or raise --worker-timeout."
            )
        if now - self._said >= SAY_EVERY_SECONDS:
            self._said = now
            self._say(f"{self._name} waits for {missing}")


def wait_for_all(
    addresses: Sequence[str], index: int, seconds: float, say: Callable[[str], None]
) -> None:
    """Returns when all workers are here.

    Args:
      addresses: HOST:PORT of each, the chief first.
      index: which of them this process is.
      seconds: how long to wait.
      say: told now and then who is missing.

    Raises:
      InputError: somebody did not come in time, or names other addresses, or this process's
        address is in use.
    """
    clock = _Clock(f"worker {index} of {len(addresses)}", seconds, say)
    hello = json.dumps({"index": index, "workers": list(addresses)}).encode() + b"\n"
    if index == 0:
        _receive(addresses, clock)
    else:
        _call(addresses, hello, clock)


def _receive(addresses: Sequence[str], clock: _Clock) -> None:
    """The chief's part."""
    port = int(addresses[0].rpartition(":")[2])
    try:
        server = socket.create_server(("", port))
    except OSError as error:
        raise InputError(
            f"worker 0 cannot listen at {addresses[0]} ({error.strerror}); end what uses the port, "
            "or give another."
        ) from None
    here: dict[int, socket.socket] = {}
    with server:
        server.settimeout(TRY_SECONDS)
        try:
            while True:
                for left in [place for place, caller in here.items() if _has_left(caller)]:
                    here.pop(left).close()
                missing = [place for place in range(1, len(addresses)) if place not in here]
                if not missing:
                    break
                clock.check(", ".join(addresses[place] for place in missing))
                try:
                    caller = server.accept()[0]
                except TimeoutError:
                    continue
                place = _greeted(caller, addresses)
                if place is None:
                    caller.close()
                    continue
                if place in here:
                    here[place].close()
                here[place] = caller
            for caller in here.values():
                caller.sendall(GO)
        finally:
            for caller in here.values():
                caller.close()


def _greeted(caller: socket.socket, addresses: Sequence[str]) -> int | None:
    """Which worker calls; None if it is none of these."""
    try:
        caller.settimeout(TRY_SECONDS)
        with caller.makefile("rb") as stream:
            told = json.loads(stream.readline(LONGEST_MESSAGE))
        if told["workers"] != list(addresses):
            caller.sendall(OTHERS)
            return None
        return int(told["index"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _has_left(caller: socket.socket) -> bool:
    """Whether the other side has closed: it has nothing to say while it waits."""
    return bool(select.select([caller], [], [], 0)[0])


def _call(addresses: Sequence[str], hello: bytes, clock: _Clock) -> None:
    """The part of all others; what answers at the chief's address may be a run that has ended."""
    host, _, port = addresses[0].rpartition(":")
    while True:
        clock.check(f"the chief, {addresses[0]}")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), TRY_SECONDS) as chief:
                chief.sendall(hello)
                answer = _answer(chief, clock, addresses[0])
        except OSError:
            answer = b""
        if answer == GO:
            return
        if answer == OTHERS:
            raise InputError(
                f"the chief, {addresses[0]}, names other workers than {', '.join(addresses)}; give "
                "all of them the same."
            )
        time.sleep(TRY_SECONDS / 5)


def _answer(chief: socket.socket, clock: _Clock, address: str) -> bytes:
    """What the chief says, however long it takes; b"" where it closes."""
    while True:
        if select.select([chief], [], [], TRY_SECONDS)[0]:
            return chief.recv(len(OTHERS))
        clock.check(f"the others, as the chief, {address}, does")

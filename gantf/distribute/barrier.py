"""Waits until all workers have started, before TensorFlow connects them.

TensorFlow's own wait cannot be interrupted. The chief listens at its own address. The other workers
send it their index and wait for its answer, which comes when all are connected. The chief then
frees the address for TensorFlow.
"""

import json
import select
import socket
import time
from collections.abc import Callable, Sequence

from evaluation import InputError

GO = b"go\n"
REFUSED = b"other workers\n"
LONGEST_MESSAGE = 1 << 16  # bytes
TRY_SECONDS = 0.5
SAY_EVERY_SECONDS = 15.0


class _Clock:
    """Ends the wait after a time limit, and reports the missing workers until then."""

    def __init__(self, name: str, seconds: float, say: Callable[[str], None]):
        self._name, self._seconds, self._say = name, seconds, say
        self._started = self._last_report = time.monotonic()

    def check(self, missing: str) -> None:
        """Reports every `SAY_EVERY_SECONDS` which workers are missing.

        Raises:
          InputError: the time limit has passed.
        """
        now = time.monotonic()
        if now - self._started >= self._seconds:
            raise InputError(
                f"after {self._seconds:.0f} s {self._name} still waits for {missing}; start all "
                "workers, or raise --worker-timeout."
            )
        if now - self._last_report >= SAY_EVERY_SECONDS:
            self._last_report = now
            self._say(f"{self._name} waits for {missing}")


def wait_for_all(
    addresses: Sequence[str], index: int, seconds: float, say: Callable[[str], None]
) -> None:
    """Returns when all workers are connected.

    Args:
      addresses: HOST:PORT of each worker, the chief first.
      index: the index of this process.
      seconds: longest time to wait.
      say: prints one line; called now and then with the missing workers.

    Raises:
      InputError: a worker is not there in time or has other addresses, or the address of this
        process is in use.
    """
    clock = _Clock(f"worker {index} of {len(addresses)}", seconds, say)
    hello = json.dumps({"index": index, "workers": list(addresses)}).encode() + b"\n"
    if index == 0:
        _receive(addresses, clock)
    else:
        _call(addresses, hello, clock)


def _receive(addresses: Sequence[str], clock: _Clock) -> None:
    """Waits as the chief until every other worker is connected, then answers all of them."""
    port = int(addresses[0].rpartition(":")[2])
    try:
        server = socket.create_server(("", port))
    except OSError as error:
        raise InputError(
            f"worker 0 cannot listen at {addresses[0]} ({error.strerror}); end the program that "
            "uses the port, or give another port."
        ) from None
    callers: dict[int, socket.socket] = {}
    with server:
        server.settimeout(TRY_SECONDS)
        try:
            while True:
                for gone in [worker for worker, caller in callers.items() if _has_left(caller)]:
                    callers.pop(gone).close()
                missing = [worker for worker in range(1, len(addresses)) if worker not in callers]
                if not missing:
                    break
                clock.check(", ".join(addresses[worker] for worker in missing))
                try:
                    caller = server.accept()[0]
                except TimeoutError:
                    continue
                worker = _read_hello(caller, addresses)
                if worker is None:
                    caller.close()
                    continue
                if worker in callers:
                    callers[worker].close()
                callers[worker] = caller
            for caller in callers.values():
                caller.sendall(GO)
        finally:
            for caller in callers.values():
                caller.close()


def _read_hello(caller: socket.socket, addresses: Sequence[str]) -> int | None:
    """Returns the index of the worker that calls; None if the caller is not one of the workers."""
    try:
        caller.settimeout(TRY_SECONDS)
        with caller.makefile("rb") as stream:
            hello = json.loads(stream.readline(LONGEST_MESSAGE))
        if hello["workers"] != list(addresses):
            caller.sendall(REFUSED)
            return None
        return int(hello["index"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _has_left(caller: socket.socket) -> bool:
    """Whether the caller has closed the connection: a waiting worker sends nothing."""
    return bool(select.select([caller], [], [], 0)[0])


def _call(addresses: Sequence[str], hello: bytes, clock: _Clock) -> None:
    """Calls the chief until it answers that all workers are connected.

    The address may still belong to a run that is ending, so other answers are ignored.
    """
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
        if answer == REFUSED:
            raise InputError(
                f"the chief, {addresses[0]}, has other addresses than {', '.join(addresses)}; "
                "give all workers the same addresses."
            )
        time.sleep(TRY_SECONDS / 5)


def _answer(chief: socket.socket, clock: _Clock, address: str) -> bytes:
    """Waits for the chief's answer; returns b"" if the chief closes the connection."""
    while True:
        if select.select([chief], [], [], TRY_SECONDS)[0]:
            return chief.recv(len(REFUSED))
        clock.check(f"the other workers, and so does the chief, {address}")

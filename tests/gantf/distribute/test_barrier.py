"""Workers meet, whoever comes first, and nobody waits for ever."""

import socket
import threading
import time

import pytest

from evaluation import InputError
from gantf.distribute import barrier


@pytest.fixture
def addresses():
    """Three addresses on this machine that nobody uses."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    result = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return result


def meeting(addresses, index, seconds=20.0, output=None):
    """A thread in which a worker meets the others, and a list of what came of it."""
    ends = []

    def work():
        try:
            barrier.wait_for_all(
                addresses, index, seconds, (output if output is not None else []).append
            )
            ends.append("met")
        except InputError as error:
            ends.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    return thread, ends


def connected(address):
    """A connection, once somebody listens there."""
    host, _, port = address.rpartition(":")
    for _ in range(200):
        try:
            return socket.create_connection((host, int(port)))
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise AssertionError(f"nobody listens at {address}")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_all_meet_in_any_order(addresses, order):
    result = []
    for index in order:
        result.append(meeting(addresses, index))
        result[-1][0].join(0.3)
    for thread, _ in result:
        thread.join()
    assert [ends for _, ends in result] == [["met"]] * 3
    socket.create_server(("127.0.0.1", int(addresses[0].rpartition(":")[2]))).close()


def test_one_that_leaves_while_it_waits_is_waited_for_again(addresses):
    chief, one = meeting(addresses, 0), meeting(addresses, 1)
    gone = meeting(addresses, 2, seconds=0.0)
    gone[0].join()
    with connected(addresses[0]) as caller:
        caller.sendall(barrier.json.dumps({"index": 2, "workers": addresses}).encode() + b"\n")
        chief[0].join(0.1)
    assert chief[1] in ([], ["met"])
    if not chief[1]:
        again = meeting(addresses, 2)
        again[0].join()
        assert again[1] == ["met"]
    for thread, ends in (chief, one):
        thread.join()
        assert ends == ["met"]


def test_nobody_waits_for_ever(addresses, monkeypatch):
    monkeypatch.setattr(barrier, "SAY_EVERY_SECONDS", 0.2)
    output = []
    chief, one = meeting(addresses, 0, 2.0, output), meeting(addresses, 1, 1.0)
    for thread, _ in (chief, one):
        thread.join()
    assert f"still waits for {addresses[2]}; start all workers" in chief[1][0] or (
        f"still waits for {addresses[1]}, {addresses[2]}; start" in chief[1][0]
    )
    assert "worker 1 of 3 still waits for the other workers, and so does the chief" in one[1][0]
    assert f"worker 0 of 3 waits for {addresses[2]}" in output
    alone = meeting(addresses, 1, 0.3)
    alone[0].join()
    assert f"worker 1 of 3 still waits for the chief, {addresses[0]}; start" in alone[1][0]


def test_other_addresses_are_refused(addresses):
    chief = meeting(addresses, 0, 2.0)
    other = meeting([addresses[0], "elsewhere:1"], 1)
    other[0].join()
    assert f"the chief, {addresses[0]}, has other addresses than" in other[1][0]
    chief[0].join()


def test_what_is_no_worker_is_passed_over(addresses):
    chief = meeting(addresses[:1] + addresses[1:2], 0)
    host, _, port = addresses[0].rpartition(":")
    for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\x00\xff\n", b"[]\n", b""):
        for _ in range(50):
            try:
                with socket.create_connection((host, int(port)), 1) as caller:
                    caller.sendall(noise)
                break
            except OSError:
                chief[0].join(0.05)
    one = meeting(addresses[:2], 1)
    for thread, ends in (chief, one):
        thread.join()
        assert ends == ["met"]


def test_an_address_in_use_is_named(addresses):
    line = r"worker 0 cannot listen at 127\.0\.0\.1:\d+ \("
    port = int(addresses[0].rpartition(":")[2])
    with socket.create_server(("", port)), pytest.raises(InputError, match=line):
        barrier.wait_for_all(addresses, 0, 1.0, print)

"""What a person reads of a run: a bar on a screen, plain lines in files, pipes and notebooks."""

import contextlib
import errno
import os
import re
from pathlib import Path

import pytest

from evaluation import InputError

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
SCREEN, NOTEBOOK = {"TERM": "xterm"}, {"TERM": "xterm-color", "JPY_PARENT_PID": "1"}
COLORED = {"TERM": "xterm", "FORCE_COLOR": "1"}


def output(monkeypatch, reading, writing, environment):
    """What a run of ten steps writes to that end of a pipe or terminal."""
    from gantf import console

    for name in ("JPY_PARENT_PID", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(console, "LINE_EVERY_SECONDS", 0.0)
    with open(writing, "w") as stream:
        monkeypatch.setattr("sys.stderr", stream)
        terminal = console.Terminal()
        terminal.say("training")
        with terminal.progress(0, 10):
            for step in range(1, 11):
                terminal.advance(step, 10, 1234.5, 8)
        terminal.say("done")
    return everything(reading).decode().replace("\r\n", "\n")


def everything(reading):
    """The bytes until the other end is closed, of which a terminal's comes in pieces."""
    pieces = []
    with open(reading, "rb", buffering=0) as stream:
        try:
            while piece := stream.read(1 << 16):
                pieces.append(piece)
        except OSError as error:  # how a terminal tells that its other end is closed
            assert error.errno == errno.EIO
    return b"".join(pieces)


def test_who_stops_reading_does_not_stop_the_run(tf, monkeypatch):
    from gantf.console import Terminal

    reading, writing = os.pipe()
    os.close(reading)
    with contextlib.suppress(BrokenPipeError), open(writing, "w") as stream:
        monkeypatch.setattr("sys.stderr", stream)
        terminal = Terminal()
        terminal.say("nobody reads this")
        terminal.say("nor this")
    monkeypatch.setattr("sys.stderr", None)
    Terminal().say("nor this")


def test_names_of_files_cannot_draw_on_the_screen(tf, capsys):
    from gantf.console import Terminal

    Terminal().say("left out: x\x1b[31mred\nnew\udcfe.png, ä is an ä")
    assert capsys.readouterr().err == "left out: x\\x1b[31mred\\nnew\\udcfe.png, ä is an ä\n"


def test_a_place_for_tensorboard_that_is_none_is_named(tf, tmp_path):
    from gantf.runs import metrics_log

    (tmp_path / "tensorboard").write_text("")
    with pytest.raises(InputError, match=f"{tmp_path}/tensorboard cannot be written: .*directory"):
        metrics_log.MetricsLog(tmp_path, 0)


def test_a_log_that_somebody_edited_is_named(tf, tmp_path):
    from gantf.runs import metrics_log

    (tmp_path / "metrics.jsonl").write_text('{"step": 5, "rollback": "one"}\n')
    with pytest.raises(InputError, match=r"jsonl is damaged \(at step 5, rollback is 'one'\); re"):
        metrics_log.MetricsLog(tmp_path, 10)


def test_a_log_that_cannot_be_read_is_not_lost(tf, tmp_path, monkeypatch):
    from gantf.runs import metrics_log

    def fail(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 5}\n')
    monkeypatch.setattr(Path, "read_text", fail)
    with pytest.raises(InputError, match=f"{path} cannot be read .Permission denied.; make it rea"):
        metrics_log.MetricsLog(tmp_path, 10)
    monkeypatch.undo()
    assert path.read_text() == '{"step": 5}\n'


@pytest.mark.parametrize("open_ends", [os.openpty, os.pipe], ids=["terminal", "pipe"])
@pytest.mark.parametrize("environment", [SCREEN, NOTEBOOK, COLORED, {"TERM": "dumb"}], ids=str)
def test_a_bar_moves_on_a_screen_alone(tf, monkeypatch, open_ends, environment):
    message = output(monkeypatch, *open_ends(), environment)
    assert message.startswith("training\n")
    if open_ends is os.openpty and environment in (SCREEN, COLORED):
        assert "\x1b[" in message
        assert "images/s, " not in message
    else:
        assert not CONTROL.search(message)
        assert message.count("\n") == 12
        assert "step 10/10, 1,234 images/s, 0 s left\ndone\n" in message

"""The weights' download, from a server that the test starts, and the directory that it fills."""

import errno
import hashlib
import http.server
import os
import threading

import numpy as np
import pytest

import evaluation
from evaluation import InputError
from evaluation.features import inception, inception_weights
from evaluation.features.files import inception as inception_files

CONTENT = np.random.default_rng(0).bytes(700_000)
NAME = inception_files.NAMES[0]


@pytest.fixture
def published(monkeypatch, tmp_path):
    """The cache in a directory of its own, and CONTENT as what the published file holds."""
    monkeypatch.setenv("GANTF_CACHE", str(tmp_path / "cache"))
    expected_names = {hashlib.sha256(CONTENT).hexdigest(): "PyTorch port"}
    monkeypatch.setattr(inception_weights, "PUBLISHED", expected_names)
    return tmp_path / "cache" / "weights"


@pytest.fixture
def server(monkeypatch):
    """server(answer, ...) serves those answers in turn, the last for good; returns what was asked.

    An answer is the bytes sent, or (bytes sent, length announced), or an error's number, or the
    address that it redirects to.
    """
    running = []

    def start(*answers, names=(NAME,)):
        asked, left = [], list(answers)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                answer = left.pop(0) if len(left) > 1 else left[0]
                if isinstance(answer, int):
                    self.send_error(answer)
                    return
                if isinstance(answer, str):
                    self.send_response(302)
                    self.send_header("Location", answer)
                    self.end_headers()
                    return
                content, length = answer if isinstance(answer, tuple) else (answer, len(answer))
                self.send_response(200)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        running.append(serving)
        addresses = [f"http://127.0.0.1:{serving.server_port}/{name}" for name in names]
        monkeypatch.setattr(inception_files, "ADDRESSES", tuple(addresses))
        return asked

    yield start
    for serving in running:
        serving.shutdown()
        serving.server_close()


def refused(line):
    with pytest.raises(InputError, match=line) as caught:
        inception_files.find()
    assert "\n" not in str(caught.value)


def test_the_directory_is_filled_once_with_progress(published, server):
    asked, calls = server(CONTENT), []
    path = inception_files.find(lambda *call: calls.append(call))
    assert path == published / NAME
    assert path.read_bytes() == CONTENT
    assert calls[-1] == (inception_files.STAGE, len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in calls] == sorted({done for _, done, _ in calls})
    assert len(calls) >= len(CONTENT) / inception_files.CHUNK
    assert inception_files.find() == path
    assert len(asked) == 1
    assert os.listdir(published) == [NAME]


@pytest.mark.parametrize("name", inception_files.NAMES)
def test_files_that_were_brought_need_no_download(name, published, monkeypatch):
    monkeypatch.setattr(inception_files, "ADDRESSES", ())
    published.mkdir(parents=True)
    (published / name).write_bytes(CONTENT)
    assert inception_files.find() == published / name


def test_a_truncated_transfer_is_refused_and_leaves_nothing(published, server):
    server((CONTENT[:-100], len(CONTENT)))
    refused(r"the download stopped after 699900 of 700000 bytes\); put pt_inception")
    assert os.listdir(published) == []


def test_a_wrong_file_is_refused_and_leaves_nothing(published, server):
    server(CONTENT[::-1])
    wrong, right = (hashlib.sha256(content).hexdigest() for content in (CONTENT[::-1], CONTENT))
    refused(rf"its SHA-256 is {wrong}, not {right}\); put pt_inception")
    assert os.listdir(published) == []


def test_a_damaged_archive_is_refused(published, server):
    server(b"\x1f\x8b" + CONTENT)
    refused(rf"{NAME}: it is damaged\); put pt_inception")


def test_the_next_address_is_asked_where_one_fails(published, server):
    asked = server(404, CONTENT, names=("first.pth", "second.pth"))
    assert inception_files.find() == published / "second.pth"
    assert asked == ["/first.pth", "/second.pth"]


def test_an_error_of_the_server_is_said(published, server):
    server(503)
    refused(rf"{NAME}: 503 Service Unavailable\)")


def test_a_redirection_to_no_address_is_said(published, server):
    server("http://[nowhere")
    refused(rf"{NAME}: Invalid IPv6 URL\)")


def test_a_length_that_is_no_number_is_not_held_against_the_file(published, server):
    server((CONTENT, "many"))
    assert inception_files.find() == published / NAME


def test_offline_one_line_says_which_file_to_bring_and_where_to(published, server):
    server(CONTENT)
    address = inception_files.ADDRESSES[0]
    inception_files.ADDRESSES = (address.replace(address.split(":")[2].split("/")[0], "9"),)
    refused(
        rf"Inception's weights are not in {published} and could not be downloaded \(http://127"
        rf"\.0\.0\.1:9/{NAME}: .*refused\); put {NAME} or inception-2015-12-05\.tgz there, which "
        r"these addresses publish, or name such a file with --weights"
    )


def test_a_damaged_file_in_the_directory_is_refused_and_named(published, server):
    asked = server(CONTENT)
    published.mkdir(parents=True)
    (published / NAME).write_bytes(CONTENT[:1000])
    refused(rf"{published / NAME} is truncated or another file \(its SHA-256 is .*\); delete it")
    assert asked == []


def test_a_directory_that_cannot_be_made(published, server):
    server(CONTENT)
    published.parent.write_text("a file")
    refused(rf"{published} cannot be written \(.*\); make room there, or set GANTF_CACHE")


def test_a_full_disk(published, server, monkeypatch):
    server(CONTENT)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("evaluation.runtime.files.os.replace", full)
    refused(rf"{published} cannot be written \(No space left on device\); make room there")
    assert os.listdir(published) == []


def test_several_may_fill_one_directory_at_once(published, server):
    server(CONTENT)
    result = []
    threads = [
        threading.Thread(target=lambda: result.append(inception_files.find())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert result == [published / NAME] * 4
    assert (published / NAME).read_bytes() == CONTENT
    assert os.listdir(published) == [NAME]


def test_extract_downloads_with_its_progress(tf, published, server, noise_images):
    """What came is no network here, and is refused as such after its transfer."""
    server(CONTENT)
    stages = []
    with pytest.raises(InputError, match=rf"{NAME} is truncated or another file: its SHA-256 be"):
        evaluation.extract(
            noise_images(1, channels=3), "inception", progress=lambda *call: stages.append(call[0])
        )
    assert stages[0] == inception_files.STAGE


def test_nothing_is_downloaded_beside_weights_of_ones_own(published, server):
    asked = server(CONTENT)
    inception.fetch("own.pth")
    assert asked == []
    inception.fetch(None)
    inception.fetch(None)
    assert len(asked) == 1

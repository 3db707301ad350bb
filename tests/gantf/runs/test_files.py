"""A file is written whole and read back, or what was there before stays; by path and by URL."""

import errno
import os
from pathlib import Path

import pytest

from evaluation import InputError
from gantf.runs import files

OLD, NEW = b"what was saved before" * 100, os.urandom(3 * files.CHUNK + 5)


@pytest.fixture
def path(tmp_path):
    """A file that is there, in a folder of its own."""
    path = tmp_path / "folder" / "file"
    files.write(path, OLD)
    return path


def assert_untouched(path, content=OLD):
    assert path.read_bytes() == content
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("content", [b"", b"x", NEW])
def test_what_is_written_takes_the_place_of_what_was_there(path, content):
    files.write(path, content)
    assert_untouched(path, content)


@pytest.mark.parametrize("where", ["fsync", "write", "replace", "open"])
@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space there"),
        (errno.EDQUOT, "free some space there"),
        (errno.EROFS, "make that place writable"),
        (errno.EACCES, "make that place writable"),
        (errno.EIO, "mend that"),
    ],
)
def test_whatever_fails_keeps_what_was_there(path, monkeypatch, where, number, remedy):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    if where == "write":
        put = files._put
        monkeypatch.setattr(
            files, "_put", lambda p, content, durable: (put(p, content[:99], durable), fail())
        )
    else:
        monkeypatch.setattr(*{"fsync": (os, "fsync")}.get(where, (Path, where)), fail)
    with pytest.raises(InputError, match=f"{os.strerror(number)}; .*; {remedy}, and the same"):
        files.write(path, NEW)
    monkeypatch.undo()
    assert_untouched(path)


def test_a_folder_that_cannot_be_written():
    """Linux lets nobody make files in /sys."""
    with pytest.raises(InputError, match=r"/sys/file cannot be written: .* make that place writab"):
        files.write(Path("/sys/file"), NEW)


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "folder").write_bytes(OLD)
    with pytest.raises(InputError, match=r"folder/file cannot be written: File exists"):
        files.write(tmp_path / "folder" / "file", NEW)
    assert (tmp_path / "folder").read_bytes() == OLD


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content + b"x",
        lambda content: content[:7] + bytes([content[7] ^ 1]) + content[8:],
        lambda content: content[:-1] + bytes([content[-1] ^ 128]),
    ],
)
def test_a_disk_that_keeps_something_else_is_found_out(path, monkeypatch, spoil):
    put = files._put
    monkeypatch.setattr(
        files, "_put", lambda path, content, durable: put(path, spoil(content), durable)
    )
    with pytest.raises(InputError, match="what is read back differs from what was written"):
        files.write(path, NEW)
    assert_untouched(path)


def test_ctrl_c_leaves_nothing_half_written(path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write(path, NEW)
    assert_untouched(path)


def test_the_content_lasts_before_its_name_and_the_name_before_the_end(path, monkeypatch):
    """The file's fsync, the read-back, the new name, the folder's fsync: in this order."""
    done = []

    def noted(what, function):
        return lambda *words, **named: (done.append(what), function(*words, **named))[1]

    monkeypatch.setattr(os, "fsync", noted("fsync", os.fsync))
    monkeypatch.setattr(files, "_holds", noted("read back", files._holds))
    monkeypatch.setattr(files, "rename", noted("name", files.rename))
    files.write(path, NEW)
    assert done == ["fsync", "read back", "name", "fsync"]


class TestUrl:
    """TensorFlow's file system in memory, as one that is not a local disk."""

    @pytest.fixture
    def url(self, tf, tmp_path):
        return files.place(f"ram://{tmp_path}/") / "file"

    def test_what_is_written_is_read(self, url):
        files.write(url, OLD)
        files.write(url, NEW)
        assert url.read_bytes() == NEW
        assert url.open().read() == NEW
        assert [str(entry) for entry in url.parent.iterdir()] == [str(url)]

    def test_names(self, url, tmp_path):
        assert (str(url), url.name) == (f"ram://{tmp_path}/file", "file")
        assert url.with_name("other") == url.parent / "other"

    def test_a_file_that_is_not_there(self, url):
        for look in (url.read_bytes, url.unlink, lambda: files.stamp(url)):
            with pytest.raises(FileNotFoundError, match="No such file") as caught:
                look()
            assert caught.value.filename == str(url)
        with pytest.raises(FileNotFoundError):
            list(url.parent.iterdir())
        url.unlink(missing_ok=True)

    def test_a_new_content_has_a_new_stamp(self, url):
        files.write(url, OLD)
        before = files.stamp(url)
        assert files.stamp(url) == before
        files.write(url, NEW)
        assert files.stamp(url) != before

    def test_another_name(self, url):
        files.write(url, OLD)
        files.rename(url, "other")
        assert [entry.name for entry in url.parent.iterdir()] == ["other"]

    def test_what_is_read_back_differs(self, url, monkeypatch):
        files.write(url, OLD)
        put = files._put
        monkeypatch.setattr(
            files, "_put", lambda path, content, durable: put(path, content[:-1] + b"?", durable)
        )
        with pytest.raises(InputError, match=r"ram://.*/file cannot be written: what is read back"):
            files.write(url, NEW)
        assert_untouched(url)

    @pytest.mark.parametrize(
        ("error", "message"),
        [
            ("ResourceExhaustedError", "no room; .*; free some space there"),
            ("PermissionDeniedError", "no room; .*; make that place writable"),
            ("UnavailableError", "no room; .*; mend that"),
        ],
    )
    def test_what_the_server_says_is_said(self, tf, url, monkeypatch, error, message):
        def fail(*_, **__):
            raise getattr(tf.errors, error)(None, None, "no room\nmore")

        files.write(url, OLD)
        monkeypatch.setattr(tf.io.gfile, "rename", fail)
        with pytest.raises(InputError, match=message):
            files.write(url, NEW)
        assert_untouched(url)


def test_a_url_that_tensorflow_does_not_reach(tf):
    with pytest.raises(InputError, match=r"does not reach ftp:// here; .* gs://, ram://"):
        files.place("ftp://host/x")


@pytest.mark.parametrize("text", ["checkpoints", "/a/b", "a:b", "./x//y"])
def test_what_is_no_url_is_a_path(text):
    assert files.place(text) == Path(text)

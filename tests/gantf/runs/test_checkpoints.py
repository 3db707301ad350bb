"""Checkpoints are whole or not there, and the best outlives the newest."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import InputError
from gantf.runs import archive, checkpoints, files
from gantf.runs.checkpoints import Checkpoint


def save(run_dir, step, **metrics):
    values = {"network/000/kernel": np.full((3, 2), step, np.float32)}
    return checkpoints.save(run_dir, Checkpoint(step, values, {"metrics": metrics}))


def test_what_is_saved_is_read_back(tmp_path):
    path = save(tmp_path, 7, fid=1.5)
    read = checkpoints.read(path)
    assert read.step == 7
    assert read.meta == {"metrics": {"fid": 1.5}}
    np.testing.assert_array_equal(read.values["network/000/kernel"], np.full((3, 2), 7))


def test_no_single_byte_of_damage_goes_unnoticed(tmp_path):
    """Every byte of the file in turn: read as damaged, or as exactly what was saved."""
    path = save(tmp_path, 1)
    whole, content = checkpoints.read(path), path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        try:
            read = checkpoints.read(path)
        except checkpoints.DamagedError:
            continue
        assert read.step == whole.step
        assert list(read.values) == list(whole.values)
        np.testing.assert_array_equal(*[c.values["network/000/kernel"] for c in (read, whole)])


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    """A checkpoint of several arrays, its file, and a place for damaged copies."""
    noise = np.random.default_rng(0)
    values = {
        "network/kernel": noise.standard_normal((31, 17)).astype(np.float32),
        "network/bias": np.zeros(17, np.float32),
        "optimizer/iterations": np.array(3, np.int64),
        "pool/images": noise.integers(0, 256, (5, 7, 3), np.uint8),
    }
    checkpoint = Checkpoint(3, values, {"metrics": {"fid": 2.5}})
    run_dir = tmp_path_factory.mktemp("larger")
    path = checkpoints.save(run_dir, checkpoint)
    return checkpoint, path.read_bytes(), run_dir / "damaged.npz"


def assert_damaged_or_the_same(larger, content):
    checkpoint, _, path = larger
    path.write_bytes(content)
    try:
        result = checkpoints.read(path)
    except checkpoints.DamagedError:
        return True
    assert (result.step, result.meta) == (checkpoint.step, checkpoint.meta)
    assert list(result.values) == list(checkpoint.values)
    for name, value in checkpoint.values.items():
        assert result.values[name].dtype == value.dtype
        np.testing.assert_array_equal(result.values[name], value)
    return False


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=200, deadline=None)
def test_a_truncated_file_is_never_good(larger, share):
    whole = larger[1]
    assert assert_damaged_or_the_same(larger, whole[: int(share * len(whole))])


@given(flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), min_size=1))
@settings(max_examples=300, deadline=None)
def test_flipped_bits_are_never_read_as_something_else(larger, flips):
    content = bytearray(larger[1])
    for place, bit in flips:
        content[int(place * len(content))] ^= 1 << bit
    assert_damaged_or_the_same(larger, bytes(content))


@given(start=st.floats(0, 1), length=st.integers(1, 4096), filler=st.sampled_from([0, 255]))
@settings(max_examples=200, deadline=None)
def test_a_lost_block_is_never_read_as_something_else(larger, start, length, filler):
    """As a disk leaves it that had reserved the place and not written."""
    content = bytearray(larger[1])
    place = int(start * (len(content) - 1))
    length = min(length, len(content) - place)
    content[place : place + length] = bytes([filler]) * length
    assert_damaged_or_the_same(larger, bytes(content))


def test_the_same_checkpoint_is_the_same_bytes(larger):
    checkpoint, whole, _ = larger
    assert archive.pack(checkpoint) == whole


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "text"])
def test_a_damaged_newest_falls_back_to_the_one_before(tmp_path, damage):
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    content = bytearray(path.read_bytes())
    middle = content.index(np.full(2, 2, np.float32).tobytes())
    content[middle] ^= 1
    path.write_bytes(
        {
            "truncated": path.read_bytes()[:-40],
            "flipped": bytes(content),
            "empty": b"",
            "text": b"no checkpoint",
        }[damage]
    )
    newest, damaged = checkpoints.newest(tmp_path)
    assert newest.step == 1
    assert [name for name, _ in damaged] == [path]


def test_nothing_is_left_half_written_and_nothing_not_finite_is_saved(tmp_path):
    save(tmp_path, 1)
    with pytest.raises(FloatingPointError, match="kernel is not finite at step 2"):
        checkpoints.save(tmp_path, Checkpoint(2, {"kernel": np.array([np.nan])}, {}))
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step-00000001.npz"]


def test_keep_spares_the_newest_and_the_best(tmp_path):
    for step, fid in enumerate([5.0, 1.0, 4.0, 3.0, 2.0]):
        save(tmp_path, step, fid=fid)
    checkpoints.prune(tmp_path, keep=2, metric="fid")
    assert list(checkpoints.paths(tmp_path)) == [1, 3, 4]
    assert checkpoints.best(tmp_path, "fid") == 1


def damage(path):
    """Flips a bit of the weights; the metrics can still be read."""
    content = bytearray(path.read_bytes())
    content[content.rindex(b"NUMPY") + 130] ^= 1
    path.write_bytes(content)


def test_keep_never_deletes_the_last_good_one(tmp_path):
    """Of five, the three newest are damaged: the second is what a run goes on from."""
    saved = [save(tmp_path, step) for step in range(1, 6)]
    for path in saved[2:]:
        damage(path)
    checkpoints.prune(tmp_path, keep=1, metric="fid")
    assert list(checkpoints.paths(tmp_path)) == [2, 5]
    assert checkpoints.newest(tmp_path)[0].step == 2


def test_where_none_is_whole_none_is_deleted(tmp_path):
    for step in range(1, 4):
        damage(save(tmp_path, step))
    checkpoints.prune(tmp_path, keep=1, metric="fid")
    assert list(checkpoints.paths(tmp_path)) == [1, 2, 3]


def test_the_best_is_the_best_of_the_whole_ones(tmp_path):
    saved = [save(tmp_path, step, fid=fid) for step, fid in enumerate([3.0, 1.0, 2.0, 4.0, 5.0])]
    assert checkpoints.best(tmp_path, "fid") == 1
    damage(saved[1])
    assert checkpoints.best(tmp_path, "fid") == 2
    checkpoints.prune(tmp_path, keep=1, metric="fid")
    assert list(checkpoints.paths(tmp_path)) == [2, 4]


def test_what_this_process_saved_is_not_opened_to_prune(tmp_path, monkeypatch):
    """What another one saved is read once."""
    opened = []
    for module, name in ((archive, "read_meta"), (checkpoints, "read")):
        usual = getattr(module, name)
        noted = lambda path, usual=usual: (opened.append(path.name), usual(path))[1]  # noqa: E731
        monkeypatch.setattr(module, name, noted)
    for step, fid in enumerate([1.0, 2.0, 3.0, 4.0]):
        save(tmp_path, step, fid=fid)
        checkpoints.prune(tmp_path, keep=2, metric="fid")
    assert opened == []
    checkpoints._seen.clear()
    for _ in range(3):
        checkpoints.prune(tmp_path, keep=2, metric="fid")
    assert sorted(opened) == [f"step-{step:08d}.npz" for step in (0, 0, 2, 3, 3)]
    assert checkpoints.best(tmp_path, "fid") == 0
    save(tmp_path, 0, fid=9.0)
    assert checkpoints.best(tmp_path, "fid") == 2


def test_what_a_killed_process_had_begun_goes(tmp_path):
    path = save(tmp_path, 1)
    (path.parent / ".step-00000002.npz.tmp").write_bytes(b"half")
    (path.parent / "step-00000003.npz.damaged").write_bytes(b"kept for its owner")
    checkpoints.prune(tmp_path, keep=1, metric="fid")
    assert sorted(entry.name for entry in path.parent.iterdir()) == [
        "step-00000001.npz",
        "step-00000003.npz.damaged",
    ]


def test_a_bad_sector_is_damage_and_a_missing_right_is_not(tmp_path, monkeypatch):
    """What cannot be reached may be whole: it is not set aside, nor is another taken."""
    save(tmp_path, 1)
    path, usual = save(tmp_path, 2), Path.read_bytes
    for number in (errno.EIO, errno.EACCES):

        def fail(self, number=number):
            if self != path:
                return usual(self)
            raise OSError(number, os.strerror(number), str(self))

        monkeypatch.setattr(Path, "read_bytes", fail)
        if number == errno.EIO:
            assert checkpoints.newest(tmp_path)[0].step == 1
        else:
            with pytest.raises(PermissionError, match="step-00000002"):
                checkpoints.newest(tmp_path)


class TestElsewhere:
    """The run's config.yaml names a folder behind a URL, or another local one."""

    @pytest.fixture(params=["url", "path"])
    def run_dir(self, request, tf, tmp_path):
        run_dir, scheme = tmp_path / "run", "ram://" if request.param == "url" else ""
        run_dir.mkdir()
        (run_dir / "config.yaml").write_text(f"checkpoint_dir: {scheme}{tmp_path}/kept/here\n")
        return run_dir

    def test_all_that_is_done_with_checkpoints(self, run_dir, tmp_path):
        assert checkpoints.paths(run_dir) == {}
        assert checkpoints.newest(run_dir) == (None, [])
        for step, fid in enumerate([2.0, 1.0, 3.0, 4.0]):
            path = save(run_dir, step, fid=fid)
        assert str(path).endswith(f"{tmp_path}/kept/here/step-00000003.npz")
        assert [entry.name for entry in run_dir.iterdir()] == ["config.yaml"]
        read = checkpoints.read(path)
        assert (read.step, read.meta) == (3, {"metrics": {"fid": 4.0}})
        np.testing.assert_array_equal(read.values["network/000/kernel"], np.full((3, 2), 3))
        checkpoints._seen.clear()
        assert checkpoints.best(run_dir, "fid") == 1
        checkpoints.prune(run_dir, keep=1, metric="fid")
        assert list(checkpoints.paths(run_dir)) == [1, 3]
        assert checkpoints.choose(run_dir, "last", "fid").step == 3
        assert checkpoints.choose(run_dir, "best", "fid").step == 1

    def test_a_damaged_newest_falls_back(self, run_dir):
        save(run_dir, 1)
        path = save(run_dir, 2)
        damage(path)
        newest, damaged = checkpoints.newest(run_dir)
        assert (newest.step, damaged) == (
            1,
            [(path, "Bad CRC-32 for file 'network/000/kernel.npy'")],
        )
        files.rename(path, f"{path.name}.damaged")
        assert list(checkpoints.paths(run_dir)) == [1]

    def test_the_same_bytes_as_in_the_run_directory(self, run_dir, tmp_path):
        assert save(run_dir, 1).read_bytes() == save(tmp_path, 1).read_bytes()

    def test_a_server_that_does_not_answer_is_no_damage(self, tf, run_dir, monkeypatch):
        if not isinstance(checkpoints.folder(run_dir), files.Url):
            return
        save(run_dir, 1)
        checkpoints._seen.clear()

        def fail(*_):
            raise tf.errors.UnavailableError(None, None, "try again later")

        monkeypatch.setattr(tf.io.gfile, "GFile", fail)
        for look in (
            lambda: checkpoints.newest(run_dir),
            lambda: checkpoints.best(run_dir, "fid"),
            lambda: checkpoints.prune(run_dir, 1, "fid"),
        ):
            with pytest.raises(OSError, match="try again later"):
                look()


@pytest.mark.parametrize("text", ["checkpoint_dir: [", "- a", "checkpoint_dir: \x00"])
def test_a_damaged_configuration_is_not_guessed_at(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(InputError, match=r"config.yaml is damaged .*; restore it"):
        checkpoints.folder(tmp_path)


def test_choosing_by_name(tmp_path):
    save(tmp_path, 10, fid=1.0)
    save(tmp_path, 20, fid=2.0)
    assert checkpoints.choose(tmp_path, "last", "fid").step == 20
    assert checkpoints.choose(tmp_path, "best", "fid").step == 10
    assert checkpoints.choose(tmp_path, "10", "fid").step == 10
    with pytest.raises(InputError, match="choose from last, best, 10, 20"):
        checkpoints.choose(tmp_path, "15", "fid")
    with pytest.raises(InputError, match=r"no checkpoint .* tells its kid"):
        checkpoints.choose(tmp_path, "best", "kid")
    with pytest.raises(InputError, match="has no checkpoint"):
        checkpoints.choose(tmp_path / "none", "last", "fid")


def test_another_networks_checkpoint_is_refused(tf):
    from gantf.runs import restore

    class Variable:
        shape = (4, 4)

    checkpoint = Checkpoint(3, {"a": np.zeros((2, 2))}, {})
    with pytest.raises(
        InputError, match=r"step 3 is of another network: it has a of shape \(2, 2\)"
    ):
        restore.assign(checkpoint, {"a": Variable()})
    with pytest.raises(InputError, match="it has no b"):
        restore.assign(checkpoint, {"b": Variable()})

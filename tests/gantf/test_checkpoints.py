"""Checkpoints are whole or not there, and the best outlives the newest."""

import numpy as np
import pytest

from evaluation import InputError
from gantf import checkpoints
from gantf.checkpoints import Checkpoint


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


def test_another_networks_checkpoint_is_refused():
    class Variable:
        shape = (4, 4)

    checkpoint = Checkpoint(3, {"a": np.zeros((2, 2))}, {})
    with pytest.raises(
        InputError, match=r"step 3 is of another network: it has a of shape \(2, 2\)"
    ):
        checkpoints.restore(checkpoint, {"a": Variable()})
    with pytest.raises(InputError, match="it has no b"):
        checkpoints.restore(checkpoint, {"b": Variable()})

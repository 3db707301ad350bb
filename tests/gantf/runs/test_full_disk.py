"""A disk that is really full: what was there is whole, and one line says what to do."""

import os
import subprocess
import sys

import numpy as np
import pytest

from evaluation import InputError
from gantf.generation import image_grid
from gantf.runs import checkpoints, files

OLD, NEW = b"what was saved before" * 100, os.urandom(2**22 + 5)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no right to mount a file system")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_what_was_there_stays(small_disk):
    path = small_disk / "folder" / "file"
    files.write(path, OLD)
    with pytest.raises(InputError) as caught:
        files.write(path, NEW)
    assert str(caught.value) == (
        f"{path} cannot be written: No space left on device; what was saved before it is whole; "
        "free some space there, and the same command goes on."
    )
    assert path.read_bytes() == OLD
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]
    files.write(path, NEW[: 2**21])
    assert path.read_bytes() == NEW[: 2**21]


def test_a_grid_that_does_not_fit_is_named(small_disk):
    """Pillow's own error does not say which file it was."""
    (small_disk / "rest").write_bytes(NEW[: 2**22 - 2**15])
    path, images = small_disk / "grid.png", np.random.default_rng(0).normal(size=(16, 99, 99, 3))
    with pytest.raises(InputError, match=f"{path} cannot be written: No space left on device"):
        image_grid.save(images, path)
    assert [entry.name for entry in small_disk.iterdir()] == ["rest"]


@pytest.mark.slow
def test_a_run_ends_with_its_previous_checkpoint_whole_and_goes_on_once_there_is_space(small_disk):
    words = ["--steps", "60", "--batch-size", "8", "--eval-every", "0", "--checkpoint-every", "5"]
    words += ["--set", "generator_channels=8", "--set", "discriminator_channels=8"]
    words += ["--keep", "99", "--run-dir", str(small_disk / "run")]
    command = [sys.executable, "-c", "from gantf.cli import main; main()", "train", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    result, damaged = checkpoints.newest(small_disk / "run")
    path = checkpoints.folder(small_disk / "run") / f"step-{result.step + 5:08d}.npz"
    assert done.stderr.splitlines()[-1] == (
        f"Error: {path} cannot be written: No space left on device; what was saved before it is "
        "whole; free some space there, and the same command goes on."
    )
    assert not damaged
    assert {entry.suffix for entry in path.parent.iterdir()} == {".npz"}
    for old in list(checkpoints.paths(small_disk / "run").values())[:-1]:
        old.unlink()
    again = subprocess.run(
        [*command, "--steps", str(result.step + 5)], capture_output=True, text=True
    )
    assert again.returncode == 0, again.stderr
    assert f"going on from step {result.step} of" in again.stderr
    assert path.is_file()

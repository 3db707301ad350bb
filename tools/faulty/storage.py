"""Faults of storage: a full disk; damaged, missing or stalled files."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from faulty.runs import DONE, FOLDER, STEPS, Row, Training, failed, loss
from faulty.signals import ended

from gantf.runs import checkpoints

SHARDS = 4
READ_SECONDS = 10


def truncated(model: str, whole: Path, kills: int, seed: int) -> Row:
    """The newest checkpoint is truncated: the run reports it and uses the one before."""
    return _damaged(model, whole, "cut", lambda path: os.truncate(path, path.stat().st_size // 2))


def flipped(model: str, whole: Path, kills: int, seed: int) -> Row:
    """A bit of the newest checkpoint is flipped: the run reports it and uses the one before."""

    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[len(content) // 2 + seed] ^= 1
        path.write_bytes(content)

    return _damaged(model, whole, "flipped", flip)


def _damaged(model: str, whole: Path, name: str, damage: Callable[[Path], None]) -> Row:
    """Damages the newest checkpoint half-way through a run."""
    training = Training(model, name)
    training.finish("--steps", str(STEPS // 2))
    damage(list(checkpoints.paths(training.run_dir).values())[-1])
    code, output = training.finish()
    good = code == DONE and "is damaged" in output
    return loss(training.run_dir, whole).row(1, int(good))


def out_of_space(model: str, whole: Path, kills: int, seed: int) -> Row:
    """The disk is full in mid-run: exit code 2; with free space the same command resumes."""
    training = Training(model, "disk/run")
    disk = training.run_dir.parent
    disk.mkdir(parents=True, exist_ok=True)
    half = sum(file.stat().st_size for file in whole.rglob("*") if file.is_file()) // 2
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={half}", "tmpfs", str(disk)], check=True)
    try:
        code, output = training.finish()
        full = code == 2 and "No space left" in output and len(output.split("Error: ")[-1]) < 400
        kept, _ = checkpoints.newest(training.run_dir)
        subprocess.run(["mount", "-o", "remount,size=300m", str(disk)], check=True)
        row = ended(training, whole, 1, int(full and kept is not None))
        return row if row["survived"] else failed(row, output)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def file_missing(model: str, whole: Path, kills: int, seed: int) -> Row:
    """A data file is missing: the error names it, exit code 2; once it is back, the run resumes."""
    return _without_a_file(model, whole, "missing", Path.unlink)


def file_damaged(model: str, whole: Path, kills: int, seed: int) -> Row:
    """A data file is truncated: the error names it, exit code 2; once repaired, the run resumes."""
    return _without_a_file(
        model, whole, "damaged", lambda path: os.truncate(path, path.stat().st_size // 2)
    )


def file_stalls(model: str, whole: Path, kills: int, seed: int) -> Row:
    """A data file stalls for a while: the run names it and reads it again."""
    files = _in_files(model)
    content = files[1].read_bytes()
    files[1].unlink()
    os.mkfifo(files[1])

    training = _of_files(model, "stalls", files)
    process, output = training.start(), ""
    assert process.stderr is not None
    for line in process.stderr:
        output += line
        if "nothing came for" in line and files[1].is_fifo():
            files[1].unlink()
            files[1].write_bytes(content)
    code = process.wait()
    good = code == DONE and f"{files[1]}: nothing came for" in output
    return loss(training.run_dir, whole).row(1, int(good))


def _without_a_file(model: str, whole: Path, name: str, damage: Callable[[Path], None]) -> Row:
    """Damages a data file half-way through a run."""
    files = _in_files(model)
    content = files[2].read_bytes()
    training = _of_files(model, name, files)
    training.finish("--steps", str(STEPS // 2))
    damage(files[2])
    code, output = training.finish()
    named = code == 2 and f"{files[2]} cannot be read after" in output
    files[2].write_bytes(content)
    return ended(training, whole, 1, int(named))


def _in_files(model: str) -> list[Path]:
    """Writes the digits to several files in a separate folder; returns those of "train"."""
    home = FOLDER / Path(model).stem / "data"
    shutil.rmtree(home, ignore_errors=True)
    make = (
        "import tensorflow_datasets as tfds, evaluation.datasets.digits\n"
        f"config = tfds.download.DownloadConfig(num_shards={SHARDS})\n"
        f"tfds.builder('digits', data_dir={str(home)!r})"
        ".download_and_prepare(download_config=config)"
    )
    subprocess.run([sys.executable, "-c", make], check=True, capture_output=True)
    return sorted(home.absolute().glob("digits/*/*train*"))


def _of_files(model: str, name: str, files: list[Path]) -> Training:
    home = {"TFDS_DATA_DIR": str(files[0].parents[2])}
    return Training(model, name, "--data-timeout", str(READ_SECONDS), environment=home)

"""The checkpoint files of a run: save, list, read the newest, the best or another one, prune.

`checkpoints/step-00002000.npz` holds every variable of the game (see `archive`), and `restore`
brings it back on any number of replicas. `--checkpoint-dir` may put the folder elsewhere, also
behind a URL.
"""

import contextlib
import dataclasses
import functools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from evaluation import InputError
from gantf.runs import archive, files
from gantf.runs.archive import Checkpoint, DamagedError, read
from gantf.runs.files import Place
from gantf.runs.scores import deciding_score, sort_key


@dataclasses.dataclass
class _Seen:
    """A file that this process has looked at: its metrics, and whether it is intact.

    Attributes:
      metrics: scores at the checkpoint's step.
      intact: whether the whole file was read without damage; None if it was not read yet.
    """

    metrics: Mapping[str, float]
    intact: bool | None = None


_seen: dict[tuple[Place, tuple[int, ...]], _Seen] = {}  # by path and stamp (see `files.stamp`)


def folder(run_dir: Path) -> Place:
    """Returns the folder of a run's checkpoints: in its directory, or as config.yaml says.

    Raises:
      InputError: config.yaml is damaged, or names a URL that TensorFlow does not reach.
    """
    file = run_dir / "config.yaml"
    try:
        elsewhere = _elsewhere(file, files.stamp(file))
    except (FileNotFoundError, NotADirectoryError):
        elsewhere = ""
    return files.place(elsewhere) if elsewhere else run_dir / "checkpoints"


@functools.lru_cache(maxsize=8)
def _elsewhere(file: Path, _stamp: tuple[int, ...]) -> str:
    try:
        fields = yaml.safe_load(file.read_text())
        return fields.get("checkpoint_dir") or ""
    except (yaml.YAMLError, UnicodeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{file} is damaged ({reason}); restore it or start a new run.") from None


def save(run_dir: Path, checkpoint: Checkpoint) -> Place:
    """Writes a checkpoint, reads it back, and then gives it its name.

    Raises:
      FloatingPointError: a value is not finite; nothing is written.
      InputError: it cannot be written; earlier checkpoints stay intact.
    """
    for name, value in checkpoint.values.items():
        if not np.all(np.isfinite(value)):
            raise FloatingPointError(f"{name} is not finite at step {checkpoint.step}")
    path = folder(run_dir) / f"step-{checkpoint.step:08d}.npz"
    files.write(path, archive.pack(checkpoint))
    _seen[path, files.stamp(path)] = _Seen(checkpoint.meta.get("metrics", {}), intact=True)
    return path


def paths(run_dir: Path) -> dict[int, Place]:
    """Returns the checkpoints of a run by step, oldest first."""
    return paths_in(folder(run_dir))


def paths_in(place: Place) -> dict[int, Place]:
    """Returns the checkpoints in a folder by step, oldest first."""
    by_step: dict[int, Place] = {}
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for path in place.iterdir():
            if match := re.fullmatch(r"step-(\d+)\.npz", path.name):
                by_step[int(match[1])] = path
    return dict(sorted(by_step.items()))


def newest(run_dir: Path) -> tuple[Checkpoint | None, list[tuple[Place, str]]]:
    """Returns the newest intact checkpoint, and the damaged ones after it with the reasons.

    Raises:
      InputError: there are checkpoints, but all are damaged.
    """
    damaged: list[tuple[Place, str]] = []
    for path in reversed(paths(run_dir).values()):
        try:
            return read(path), damaged
        except DamagedError as error:
            damaged.append((path, str(error)))
    if damaged:
        raise InputError(
            f"all checkpoints of {run_dir} are damaged ({damaged[0][0].name}: {damaged[0][1]}); "
            "restore one from a copy, or train anew in another --run-dir."
        )
    return None, damaged


def choose(run_dir: Path, which: str, best_by: str) -> Checkpoint:
    """Reads the checkpoint that a user names.

    Args:
      run_dir: the run's directory.
      which: "last", "best" or a step.
      best_by: the score that decides which checkpoint is the best.

    Raises:
      InputError: there is no such checkpoint, or it is damaged.
    """
    if which == "last" and (checkpoint := newest(run_dir)[0]):
        return checkpoint
    by_step = paths(run_dir)
    if not by_step:
        raise InputError(f"{run_dir} has no checkpoint; train it first.")
    if which == "best":
        step = best(run_dir, best_by)
        if step is None:
            raise InputError(f"--checkpoint best: no checkpoint of {run_dir} tells its {best_by}.")
    elif which.isascii() and which.isdigit() and int(which) in by_step:
        step = int(which)
    else:
        steps = ", ".join(map(str, by_step))
        raise InputError(f"--checkpoint {which}: choose from last, best, {steps}.")
    try:
        return read(by_step[step])
    except DamagedError as error:
        raise InputError(f"{by_step[step]} is damaged ({error}); choose another.") from None


def best(run_dir: Path, metric: str) -> int | None:
    """Returns the step of the intact checkpoint with the best `metric`; None if none has it.

    "auto" is the first metric of each checkpoint.
    """
    by_step = paths(run_dir)
    scores = {}
    for step, path in by_step.items():
        metrics = _look(path).metrics
        name = deciding_score(metrics, metric)
        if name in metrics:
            scores[step] = sort_key(metrics, name)
    return _first_intact(by_step, sorted(scores, key=lambda step: scores[step]))


def prune(run_dir: Path, keep: int, metric: str) -> None:
    """Deletes all checkpoints but the newest `keep`, the newest intact one, and the best one.

    Also deletes the temporary files of killed processes.

    Args:
      run_dir: the run's directory.
      keep: how many of the newest to keep.
      metric: the score that decides which checkpoint is the best.
    """
    by_step = paths(run_dir)
    newest_intact = _first_intact(by_step, reversed(by_step))
    if newest_intact is None:  # a user may still repair one of them
        return
    kept = {*list(by_step)[-keep:], newest_intact, best(run_dir, metric)}
    for step, path in by_step.items():
        if step not in kept:
            path.unlink(missing_ok=True)
    for path in folder(run_dir).iterdir():
        if re.fullmatch(r"\.step-\d+\.npz\.tmp", path.name):
            path.unlink(missing_ok=True)


def _first_intact(by_step: Mapping[int, Place], steps: Iterable[int]) -> int | None:
    """Returns the first of these steps with an intact file; reads each file once in a process."""
    for step in steps:
        seen = _look(by_step[step])
        if seen.intact is None:
            try:
                read(by_step[step])
                seen.intact = True
            except DamagedError:
                seen.intact = False
        if seen.intact:
            return step
    return None


def _look(path: Place) -> _Seen:
    """Returns the metrics of a file, which are read without its weights."""
    try:
        key = path, files.stamp(path)
    except FileNotFoundError:  # a training deleted it meanwhile
        return _Seen({}, intact=False)
    if key not in _seen:
        try:
            _seen[key] = _Seen(archive.read_meta(path).get("metrics", {}))
        except DamagedError:
            _seen[key] = _Seen({}, intact=False)
    return _seen[key]


def values_of(variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns the values of variables, by their names in the `Game`."""
    return {name: variable.numpy() for name, variable in variables.items()}

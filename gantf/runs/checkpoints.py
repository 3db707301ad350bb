"""The checkpoints of a run: which there are, which is the best, which may go.

`checkpoints/step-00002000.npz` holds every variable of the game, see `archives`: read on any
number of replicas. The folder may be elsewhere, behind a URL: see `folder`.
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
from gantf.runs.scores import HIGHER_IS_BETTER


@dataclasses.dataclass
class _Seen:
    """What this process has found in a file: its metrics, and whether it is whole, if it looked."""

    metrics: Mapping[str, float]
    whole: bool | None = None


_seen: dict[tuple[Place, tuple[int, ...]], _Seen] = {}  # by file, and what changes when it does


def folder(run_dir: Path) -> Place:
    """Where a run's checkpoints are: in its directory, or where its config.yaml says.

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
    """Writes a checkpoint, reads it back, then moves it to its name in one step.

    Raises:
      FloatingPointError: a value is not finite; nothing is written.
      InputError: it cannot be written; the checkpoints before it are whole.
    """
    for name, value in checkpoint.values.items():
        if not np.all(np.isfinite(value)):
            raise FloatingPointError(f"{name} is not finite at step {checkpoint.step}")
    path = folder(run_dir) / f"step-{checkpoint.step:08d}.npz"
    files.write(path, archive.pack(checkpoint))
    _seen[path, files.stamp(path)] = _Seen(checkpoint.meta.get("metrics", {}), whole=True)
    return path


def paths(run_dir: Path) -> dict[int, Place]:
    """The checkpoints of a run by step, oldest first."""
    return paths_in(folder(run_dir))


def paths_in(place: Place) -> dict[int, Place]:
    """The checkpoints in a folder by step, oldest first."""
    found: dict[int, Place] = {}
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for path in place.iterdir():
            if match := re.fullmatch(r"step-(\d+)\.npz", path.name):
                found[int(match[1])] = path
    return dict(sorted(found.items()))


def newest(run_dir: Path) -> tuple[Checkpoint | None, list[tuple[Place, str]]]:
    """The newest whole checkpoint, and the newer ones that are damaged, with what is wrong."""
    damaged: list[tuple[Place, str]] = []
    for path in reversed(paths(run_dir).values()):
        try:
            return read(path), damaged
        except DamagedError as error:
            damaged.append((path, str(error)))
    return None, damaged


def choose(run_dir: Path, which: str, best_by: str) -> Checkpoint:
    """A checkpoint by what a user calls it: "last", "best" or a step.

    Raises:
      InputError: there is none such, or it is damaged.
    """
    found = paths(run_dir)
    if not found:
        raise InputError(f"{run_dir} has no checkpoint; train it first.")
    if which == "last":
        checkpoint, damaged = newest(run_dir)
        if checkpoint is None:
            raise InputError(f"{damaged[0][0]} and all before it are damaged; train again.")
        return checkpoint
    if which == "best":
        step = best(run_dir, best_by)
        if step is None:
            raise InputError(f"--checkpoint best: no checkpoint of {run_dir} tells its {best_by}.")
    elif which.isascii() and which.isdigit() and int(which) in found:
        step = int(which)
    else:
        steps = ", ".join(map(str, found))
        raise InputError(f"--checkpoint {which}: choose from last, best, {steps}.")
    try:
        return read(found[step])
    except DamagedError as error:
        raise InputError(f"{found[step]} is damaged ({error}); choose another.") from None


def best(run_dir: Path, metric: str) -> int | None:
    """The step whose checkpoint is whole and has the best `metric`, None if none tells it.

    "auto" is the first metric that the checkpoints tell.
    """
    found = paths(run_dir)
    scores = {}
    for step, path in found.items():
        metrics = _look(path).metrics
        name = next(iter(metrics), "") if metric == "auto" else metric
        if name in metrics:
            scores[step] = -metrics[name] if name in HIGHER_IS_BETTER else metrics[name]
    return _first_whole(found, sorted(scores, key=lambda step: scores[step]))


def prune(run_dir: Path, keep: int, metric: str) -> None:
    """Deletes all but the newest `keep`, the newest whole one, and the best by `metric`.

    What a killed process had begun to write goes too.
    """
    found = paths(run_dir)
    whole = _first_whole(found, reversed(found))
    if whole is None:  # nothing to go on from but what a user may mend
        return
    spared = {*list(found)[-keep:], whole, best(run_dir, metric)}
    for step, path in found.items():
        if step not in spared:
            path.unlink(missing_ok=True)
    for path in folder(run_dir).iterdir():
        if re.fullmatch(r"\.step-\d+\.npz\.tmp", path.name):
            path.unlink(missing_ok=True)


def _first_whole(found: Mapping[int, Place], steps: Iterable[int]) -> int | None:
    """The first of these steps whose file is whole; each file is read once in a process."""
    for step in steps:
        seen = _look(found[step])
        if seen.whole is None:
            try:
                read(found[step])
                seen.whole = True
            except DamagedError:
                seen.whole = False
        if seen.whole:
            return step
    return None


def _look(path: Place) -> _Seen:
    """What this process knows of a file: its metrics, read without its weights."""
    try:
        key = path, files.stamp(path)
    except FileNotFoundError:  # deleted meanwhile by a training
        return _Seen({}, whole=False)
    if key not in _seen:
        try:
            _seen[key] = _Seen(archive.read_meta(path).get("metrics", {}))
        except DamagedError:
            _seen[key] = _Seen({}, whole=False)
    return _seen[key]


def values_of(variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The variables' values, by their names in a `Game`."""
    return {name: variable.numpy() for name, variable in variables.items()}


def restore(checkpoint: Checkpoint, variables: Mapping[str, Any]) -> None:
    """Puts a checkpoint's values into the variables.

    Raises:
      InputError: the names or shapes are those of another game.
    """
    for name, variable in variables.items():
        value = checkpoint.values.get(name)
        if value is None or value.shape != tuple(variable.shape):
            raise InputError(
                f"the checkpoint of step {checkpoint.step} is of another network: it has "
                f"{'no ' + name if value is None else f'{name} of shape {value.shape}'}, "
                f"the model wants {tuple(variable.shape)}; use the version that wrote it."
            )
        variable.assign(value)

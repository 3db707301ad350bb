"""Checkpoints: one checked file each, written whole or not at all, read on any number of replicas.

`checkpoints/step-00002000.npz` holds every variable of the game under its name, and a JSON text
"meta". NumPy opens it without gantf.
"""

import dataclasses
import json
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluation import InputError

META = "meta"
HIGHER_IS_BETTER = ("coverage", "psnr", "ssim")  # of the scores that choose checkpoints


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What one file holds.

    Attributes:
      step: steps done.
      values: arrays by the variables' names.
      meta: JSON: the metrics at this step, the open log window.
    """

    step: int
    values: Mapping[str, np.ndarray]
    meta: Mapping[str, Any]


class DamagedError(Exception):
    """A checkpoint's file is truncated, altered, or no checkpoint."""


def save(run_dir: Path, checkpoint: Checkpoint) -> Path:
    """Writes a checkpoint, then moves it to its name in one step.

    Raises:
      FloatingPointError: a value is not finite; nothing is written.
    """
    for name, value in checkpoint.values.items():
        if not np.all(np.isfinite(value)):
            raise FloatingPointError(f"{name} is not finite at step {checkpoint.step}")
    folder = run_dir / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{checkpoint.step:08d}.npz"
    temporary = folder / f".{path.name}.tmp"
    meta = json.dumps(
        {"step": checkpoint.step, "arrays": len(checkpoint.values), **checkpoint.meta}
    )
    with open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, **{META: np.array(meta), **checkpoint.values})
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    return path


def paths(run_dir: Path) -> dict[int, Path]:
    """The checkpoints of a run by step, oldest first."""
    found = {}
    for path in (run_dir / "checkpoints").glob("step-*.npz"):
        if match := re.fullmatch(r"step-(\d+)\.npz", path.name):
            found[int(match[1])] = path
    return dict(sorted(found.items()))


def read(path: Path) -> Checkpoint:
    """Reads and verifies one file: each array carries a CRC-32.

    Raises:
      DamagedError: the file is not whole.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if (bad := archive.testzip()) is not None:
                raise DamagedError(f"checksum of {bad} is wrong")
        with np.load(path, allow_pickle=False) as arrays:
            meta = json.loads(str(arrays[META]))
            values = {name: arrays[name] for name in arrays.files if name != META}
        if meta.pop("arrays") != len(values):
            raise DamagedError("arrays are missing")
        return Checkpoint(meta.pop("step"), values, meta)
    except DamagedError:
        raise
    except Exception as error:  # a damaged archive fails in any of a dozen ways
        raise DamagedError(str(error) or type(error).__name__) from error


def newest(run_dir: Path) -> tuple[Checkpoint | None, list[tuple[Path, str]]]:
    """The newest whole checkpoint, and the newer ones that are damaged, with what is wrong."""
    damaged: list[tuple[Path, str]] = []
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
    """The step whose checkpoint has the best `metric`, None if none tells it.

    "auto" is the first metric that the checkpoints tell.
    """
    scores = {}
    for step, path in paths(run_dir).items():
        try:
            with np.load(path, allow_pickle=False) as arrays:
                metrics = json.loads(str(arrays[META])).get("metrics", {})
        except Exception:  # damaged, see `read`
            continue
        name = next(iter(metrics), "") if metric == "auto" else metric
        if name in metrics:
            scores[step] = -metrics[name] if name in HIGHER_IS_BETTER else metrics[name]
    return min(scores, key=lambda step: scores[step]) if scores else None


def prune(run_dir: Path, keep: int, metric: str) -> None:
    """Deletes all but the newest `keep` and the best by `metric`."""
    found = paths(run_dir)
    spared = {*list(found)[-keep:], best(run_dir, metric)}
    for step, path in found.items():
        if step not in spared:
            path.unlink()


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

"""A run's directory: who may train in it, where the run stands, and how that is kept."""

import dataclasses
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from evaluation import InputError
from gantf import checkpoints, config, logs
from gantf.checkpoints import Checkpoint
from gantf.game import DataSpec, Game
from gantf.step import LOG_WIDTH

LOCK_FILE = ".lock"


@dataclasses.dataclass
class Progress:
    """Where a run is: what changes from visit to visit and is not a variable of the game.

    Attributes:
      step: steps done.
      window_steps: of them, in the log window that is open.
      window_seconds: that those took.
      window_sums: of what they logged, shape (LOG_WIDTH,).
      metrics: scores at this very step, if it was scored.
      stopped_early: whether its score no longer improved.
    """

    step: int = 0
    window_steps: int = 0
    window_seconds: float = 0.0
    window_sums: np.ndarray = dataclasses.field(
        default_factory=lambda: np.zeros(LOG_WIDTH, np.float32)
    )
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    stopped_early: bool = False


@contextmanager
def claimed(run: config.RunConfig, run_dir: Path) -> Iterator[None]:
    """Holds a directory for this run and this process alone while the block runs.

    Raises:
      InputError: another process trains in it, or it holds another run or other things.
    """
    has_run = (run_dir / "config.yaml").exists()
    if has_run and checkpoints.paths(run_dir):  # without a checkpoint there is nothing to lose
        config.check_same_run(config.load(run_dir), run, run_dir)
    elif not has_run and run_dir.exists() and _holds_things(run_dir):
        raise InputError(f"--run-dir {run_dir} holds other things; give a new or empty directory.")
    run_dir.mkdir(parents=True, exist_ok=True)
    with open(run_dir / LOCK_FILE, "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"--run-dir {run_dir} is in use by another training; wait for it, or give another."
            ) from None
        yield


def resume(
    run_dir: Path, game: Game, terminal: logs.Terminal, stop_early: bool = False
) -> Progress:
    """Puts the newest whole checkpoint into the game.

    Args:
      run_dir: of the run.
      game: whose variables are set.
      terminal: where to tell what was found.
      stop_early: whether a run that has stopped early is to stay so.

    Raises:
      InputError: there are checkpoints, and all are damaged.
    """
    checkpoint, damaged = checkpoints.newest(run_dir)
    if checkpoint is None:
        if damaged:
            raise InputError(
                f"all checkpoints of {run_dir} are damaged ({damaged[0][0].name}: "
                f"{damaged[0][1]}); restore one from a copy, or train anew in another --run-dir."
            )
        if any(line["step"] > 0 for line in logs.read(run_dir)):
            terminal.say(f"{run_dir} has a log but no checkpoint: starting over at step 0")
        return Progress()
    for path, reason in damaged:
        terminal.say(f"{path} is damaged ({reason}); falling back to the checkpoint before it")
        path.rename(path.with_suffix(".npz.damaged"))
    checkpoints.restore(checkpoint, game.variables())
    terminal.say(f"going on from step {checkpoint.step} of {run_dir}")
    return Progress(
        checkpoint.step,
        checkpoint.meta["window_steps"],
        checkpoint.meta["window_seconds"],
        np.array(checkpoint.meta["window_sums"], np.float32),
        stopped_early=stop_early and checkpoint.meta["stopped_early"],
    )


def save(run_dir: Path, game: Game, data: DataSpec, progress: Progress) -> None:
    """Writes a checkpoint of the game and of where the run is.

    Raises:
      FloatingPointError: a variable is not finite; nothing is written.
    """
    meta = {
        "window_steps": progress.window_steps,
        "window_seconds": progress.window_seconds,
        "window_sums": [float(value) for value in progress.window_sums],
        "metrics": progress.metrics,
        "stopped_early": progress.stopped_early,
        "data": dataclasses.asdict(data),
    }
    values = checkpoints.values_of(game.variables())
    checkpoints.save(run_dir, Checkpoint(progress.step, values, meta))


def _holds_things(path: Path) -> bool:
    return not path.is_dir() or any(entry.name != LOCK_FILE for entry in path.iterdir())

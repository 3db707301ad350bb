"""Brings a checkpoint back: into a game that is built for it, or into the game of a training."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evaluation import InputError
from gantf import config, models
from gantf.console import Terminal
from gantf.game import DataSpec, Game, build_game
from gantf.runs import checkpoints, config_file, files, metrics_log
from gantf.runs.checkpoints import Checkpoint
from gantf.runs.train_state import TrainState


@dataclasses.dataclass(frozen=True)
class Restored:
    """The game of `run` at `step`, and the form of the data it was built for."""

    run: config.RunConfig
    game: Game
    data: DataSpec
    step: int


def load(run_dir: Path, checkpoint: str) -> Restored:
    """Builds a run's game on one device, with the weights of one of its checkpoints.

    Args:
      run_dir: the run's directory.
      checkpoint: "last", "best" or a step.

    Raises:
      InputError: there is no such run or checkpoint, or it is damaged.
    """
    run = config_file.load(run_dir)
    restored = checkpoints.choose(run_dir, checkpoint, run.best_by)
    model = models.load(run.model)
    settings = config.make_model_config(model.Config, run.settings, models.title(run.model))
    data = _spec(restored.meta["data"])
    game = build_game(model, settings, data, run.seed)
    assign(restored, game.variables())
    return Restored(run, game, data, restored.step)


def resume(run_dir: Path, run: config.RunConfig, game: Game, terminal: Terminal) -> TrainState:
    """Restores the newest intact checkpoint of a run, and renames the damaged ones after it.

    Args:
      run_dir: the run's directory.
      run: the configuration; a run that stopped early stays so if `stop_after` is set.
      game: its variables take the checkpoint's values.
      terminal: prints which checkpoint is restored, and which are damaged.

    Raises:
      InputError: all checkpoints are damaged, or the newest belongs to another run.
    """
    checkpoint, damaged = checkpoints.newest(run_dir)
    if checkpoint is None:
        if any(record["step"] > 0 for record in metrics_log.read(run_dir)):
            terminal.say(f"{run_dir} has a log but no checkpoint: starting over at step 0")
        return TrainState()
    identity = config_file.identity(run)
    if checkpoint.meta.get("run", identity) != identity:
        raise InputError(
            f"{checkpoints.folder(run_dir)} holds checkpoints of another run (that of step "
            f"{checkpoint.step}); give each run a --checkpoint-dir of its own."
        )
    for path, reason in damaged:
        terminal.say(f"{path} is damaged ({reason}); falling back to the checkpoint before it")
        files.rename(path, f"{path.name}.damaged")
    assign(checkpoint, game.variables())
    terminal.say(f"going on from step {checkpoint.step} of {run_dir}")
    state = TrainState.from_dict(checkpoint.step, checkpoint.meta)
    state.stopped_early = bool(run.stop_after) and state.stopped_early
    return state


def roll_back(
    run_dir: Path, game: Game, initial: Checkpoint | None, terminal: Terminal
) -> TrainState:
    """Restores the newest intact checkpoint of a run that trains in this process.

    Arguments, return and errors as for `resume`, but damaged checkpoints keep their names, and
    `initial` is the state at step 0 as long as the run has no checkpoint.
    """
    checkpoint, damaged = checkpoints.newest(run_dir)
    for path, reason in damaged:
        terminal.say(f"{path} is damaged ({reason}); passing it over")
    checkpoint = checkpoint or initial
    assert checkpoint is not None  # a run that has dropped its initial weights has saved others
    assign(checkpoint, game.variables())
    return TrainState.from_dict(checkpoint.step, checkpoint.meta)


@contextlib.contextmanager
def temporarily(checkpoint: Checkpoint, game: Game) -> Iterator[None]:
    """Gives the game a checkpoint's weights while the block runs, and then its own again.

    Raises:
      InputError: the checkpoint is of another network.
    """
    own = Checkpoint(0, checkpoints.values_of(game.variables()), {})
    try:
        assign(checkpoint, game.variables())
        yield
    finally:
        assign(own, game.variables())


def assign(checkpoint: Checkpoint, variables: Mapping[str, Any]) -> None:
    """Assigns a checkpoint's values to the variables, by their names in the `Game`.

    Raises:
      InputError: a name is missing or a shape differs, so that it is of another network.
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


def _spec(fields: dict) -> DataSpec:
    """Reads a `DataSpec` from JSON, which has no tuples; "class_shares" is a former name."""
    return DataSpec(
        **{
            "class_fractions" if name == "class_shares" else name: (
                tuple(value) if isinstance(value, list) else value
            )
            for name, value in fields.items()
        }
    )

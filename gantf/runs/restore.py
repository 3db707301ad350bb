"""Rebuilds the game of a run on one device, with the weights of one checkpoint."""

import dataclasses
from pathlib import Path

from gantf import config, models
from gantf.game import DataSpec, Game, build_game
from gantf.runs import checkpoints, config_file


@dataclasses.dataclass(frozen=True)
class Restored:
    """The game of `run` at `step`, and the form of the data it was built for."""

    run: config.RunConfig
    game: Game
    data: DataSpec
    step: int


def load(run_dir: Path, checkpoint: str) -> Restored:
    """Builds a run's game and restores one of its checkpoints.

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
    checkpoints.restore(restored, game.variables())
    return Restored(run, game, data, restored.step)


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

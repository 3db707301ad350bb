"""A run directory -> its game with the weights of one checkpoint, on one device."""

import dataclasses
from pathlib import Path

from gantf import config, models
from gantf.game import DataSpec, Game, build_game
from gantf.runs import checkpoints, config_file


@dataclasses.dataclass(frozen=True)
class Restored:
    """A game as it was at `step` of `run`, and the data that it was built for."""

    run: config.RunConfig
    game: Game
    data: DataSpec
    step: int


def load(run_dir: Path, checkpoint: str) -> Restored:
    """Builds the run's model and restores "last", "best" or a step.

    Raises:
      InputError: no such run or checkpoint.
    """
    run = config_file.load(run_dir)
    chosen = checkpoints.choose(run_dir, checkpoint, run.best_by)
    model = models.load(run.model)
    settings = config.make_model_config(model.Config, run.settings, models.title(run.model))
    data = _spec(chosen.meta["data"])
    game = build_game(model, settings, data, run.seed)
    checkpoints.restore(chosen, game.variables())
    return Restored(run, game, data, chosen.step)


def _spec(fields: dict) -> DataSpec:
    """A `DataSpec` from JSON, which has no tuples; "class_shares" is a former name."""
    return DataSpec(
        **{
            "class_fractions" if name == "class_shares" else name: (
                tuple(value) if isinstance(value, list) else value
            )
            for name, value in fields.items()
        }
    )

"""A run directory -> its game with the weights of one checkpoint, on one device."""

import dataclasses
from pathlib import Path

from gantf import checkpoints, config, models, trainer
from gantf.game import DataSpec, Game


@dataclasses.dataclass(frozen=True)
class Restored:
    """A game as it was at `step` of `run`."""

    run: config.RunConfig
    game: Game
    step: int


def load(run_dir: Path, checkpoint: str) -> Restored:
    """Builds the run's model and restores "last", "best" or a step.

    Raises:
      InputError: no such run or checkpoint.
    """
    run = config.load(run_dir)
    chosen = checkpoints.choose(run_dir, checkpoint, run.best_by)
    model = models.load(run.model)
    settings = config.make_model_config(model.Config, run.settings, run.model)
    data = DataSpec(**chosen.meta["data"])
    game = trainer.build(model, settings, data, run.seed)
    checkpoints.restore(chosen, game.variables())
    return Restored(run, game, chosen.step)

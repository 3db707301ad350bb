"""The state of a training beside its variables: saved in checkpoints, sent to all workers."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gantf import config
from gantf.distribute.workers import Workers
from gantf.game import LOG_WIDTH, DataSpec, Game
from gantf.runs import checkpoints, config_file
from gantf.runs.checkpoints import Checkpoint


@dataclasses.dataclass
class TrainState:
    """Everything that changes during a training and is no variable of the game.

    Attributes:
      step: steps done.
      window_steps: steps in the open log window.
      window_seconds: training time of the open log window.
      window_sums: sums of the values that the open log window's steps logged, shape (LOG_WIDTH,).
      metrics: scores at this step; empty if it was not scored.
      stopped_early: whether the score no longer improved.
      pending_evaluation: whether samples and scores of this step are still to be made.
      rollbacks: how often the run restored a checkpoint and reshuffled the data.
    """

    step: int = 0
    window_steps: int = 0
    window_seconds: float = 0.0
    window_sums: np.ndarray = dataclasses.field(
        default_factory=lambda: np.zeros(LOG_WIDTH, np.float32)
    )
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    stopped_early: bool = False
    pending_evaluation: bool = False
    rollbacks: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Returns every field but the step as plain JSON; float32 numbers survive bit for bit."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        fields["window_sums"] = [float(value) for value in self.window_sums]
        return {name: value for name, value in fields.items() if name != "step"}

    @classmethod
    def from_dict(cls, step: int, fields: Mapping[str, Any]) -> "TrainState":
        """Reads what `to_dict` wrote; missing fields take their defaults, others are ignored."""
        fields = {"pending_evaluation": fields.get("owed", False), **fields}  # its former name
        names = {field.name for field in dataclasses.fields(cls)} - {"step"}
        values = {name: value for name, value in fields.items() if name in names}
        values["window_sums"] = np.array(values["window_sums"], np.float32)
        return cls(step, **values)


def broadcast_state(workers: Workers, game: Game, state: TrainState) -> TrainState:
    """Copies the chief's variables to all workers, and returns the chief's state on each."""
    workers.broadcast_variables(game.variables())
    step, fields = workers.broadcast([state.step, state.to_dict()])
    return TrainState.from_dict(step, fields)


def save(
    run_dir: Path, run: config.RunConfig, game: Game, data: DataSpec, state: TrainState
) -> None:
    """Writes a checkpoint: the variables, the state, the data's form, the run's identity.

    Raises:
      FloatingPointError: a variable is not finite; nothing is written.
      InputError: the checkpoint cannot be written.
    """
    origin = {"data": dataclasses.asdict(data), "run": config_file.identity(run)}
    values = checkpoints.values_of(game.variables())
    checkpoints.save(run_dir, Checkpoint(state.step, values, state.to_dict() | origin))

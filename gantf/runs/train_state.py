"""Where a run stands: its state, saved with each checkpoint and sent to all workers."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluation import InputError
from gantf import config
from gantf.console import Terminal
from gantf.distribute.workers import Workers
from gantf.game import LOG_WIDTH, DataSpec, Game
from gantf.runs import checkpoints, config_file, files, metrics_log
from gantf.runs.checkpoints import Checkpoint


@dataclasses.dataclass
class TrainState:
    """Where a run is: what changes from visit to visit and is not a variable of the game.

    Attributes:
      step: steps done.
      window_steps: of them, in the log window that is open.
      window_seconds: that those took.
      window_sums: of what they logged, shape (LOG_WIDTH,).
      metrics: scores at this very step, if it was scored.
      stopped_early: whether its score no longer improved.
      pending_evaluation: whether samples and scores of this very step are still to be made.
      rollbacks: how often the run went back to a checkpoint and took a new order of the data.
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
        """All but the step, in plain JSON types; float32 numbers come back bit for bit."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        fields["window_sums"] = [float(value) for value in self.window_sums]
        return {name: value for name, value in fields.items() if name != "step"}

    @classmethod
    def from_dict(cls, step: int, fields: Mapping[str, Any]) -> "TrainState":
        """What `to_dict` gave; what it does not name is as at the start, other names are passed."""
        fields = {"pending_evaluation": fields.get("owed", False), **fields}  # its former name
        known = {field.name for field in dataclasses.fields(cls)} - {"step"}
        values = {name: value for name, value in fields.items() if name in known}
        values["window_sums"] = np.array(values["window_sums"], np.float32)
        return cls(step, **values)


def restore_newest(
    run_dir: Path, run: config.RunConfig, game: Game, terminal: Terminal
) -> TrainState:
    """Puts the newest whole checkpoint into the game.

    Args:
      run_dir: of the run.
      run: what is trained; one that has stopped early stays so if `stop_after` asks for it.
      game: whose variables are set.
      terminal: where to tell what was found.

    Raises:
      InputError: there are checkpoints, and all are damaged, or the newest is of another run.
    """
    checkpoint, damaged = checkpoints.newest(run_dir)
    if checkpoint is None:
        if damaged:
            raise InputError(
                f"all checkpoints of {run_dir} are damaged ({damaged[0][0].name}: "
                f"{damaged[0][1]}); restore one from a copy, or train anew in another --run-dir."
            )
        if any(line["step"] > 0 for line in metrics_log.read(run_dir)):
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
    checkpoints.restore(checkpoint, game.variables())
    terminal.say(f"going on from step {checkpoint.step} of {run_dir}")
    state = TrainState.from_dict(checkpoint.step, checkpoint.meta)
    state.stopped_early = bool(run.stop_after) and state.stopped_early
    return state


def broadcast_state(workers: Workers, game: Game, state: TrainState) -> TrainState:
    """The chief's variables, and where it says that the run is, on all workers."""
    workers.broadcast_variables(game.variables())
    step, fields = workers.broadcast([state.step, state.to_dict()])
    return TrainState.from_dict(step, fields)


def save(
    run_dir: Path, run: config.RunConfig, game: Game, data: DataSpec, state: TrainState
) -> None:
    """Writes a checkpoint of the game, and of which run it is and where that stands.

    Raises:
      FloatingPointError: a variable is not finite; nothing is written.
    """
    identified = {"data": dataclasses.asdict(data), "run": config_file.identity(run)}
    meta = state.to_dict() | identified
    values = checkpoints.values_of(game.variables())
    checkpoints.save(run_dir, Checkpoint(state.step, values, meta))

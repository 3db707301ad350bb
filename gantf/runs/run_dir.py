"""A run's directory: who may train in it, where the run stands, and how that is kept."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluation import InputError
from gantf import config
from gantf.distribute.workers import Team
from gantf.game import DataSpec, Game
from gantf.runs import checkpoints, files, locks, metrics_log
from gantf.runs.checkpoints import Checkpoint
from gantf.training.step import LOG_WIDTH


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
      owed: whether samples and scores of this very step are still to be made.
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
    owed: bool = False
    rollbacks: int = 0

    def to_dict(self) -> dict[str, Any]:
        """All but the step, in plain JSON types; float32 numbers come back bit for bit."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        fields["window_sums"] = [float(value) for value in self.window_sums]
        return {name: value for name, value in fields.items() if name != "step"}

    @classmethod
    def of(cls, step: int, fields: Mapping[str, Any]) -> "Progress":
        """What `to_dict` gave; what it does not name is as at the start, other names are passed."""
        known = {field.name for field in dataclasses.fields(cls)} - {"step"}
        values = {name: value for name, value in fields.items() if name in known}
        values["window_sums"] = np.array(values["window_sums"], np.float32)
        return cls(step, **values)


@contextlib.contextmanager
def claimed(
    run: config.RunConfig, run_dir: Path, terminal: metrics_log.Terminal | None = None
) -> Iterator[None]:
    """Holds a directory for this run and this process alone while the block runs.

    Args:
      run: what is to be trained in it.
      run_dir: the directory; made if it is not there.
      terminal: where to tell that a dead process had left it locked; None for stderr.

    Raises:
      InputError: another process trains in it, or it holds another run or other things.
    """
    has_run = (run_dir / "config.yaml").exists()
    if has_run and checkpoints.paths(run_dir):  # without a checkpoint there is nothing to lose
        config.check_same_run(config.load(run_dir), run, run_dir)
    elif run.checkpoint_dir and checkpoints.paths_in(files.place(run.checkpoint_dir)):
        raise InputError(
            f"--checkpoint-dir {run.checkpoint_dir} holds checkpoints of another run; give an "
            f"empty one, or put that run's config.yaml into {run_dir} to go on with it."
        )
    elif not has_run and run_dir.exists() and _holds_things(run_dir):
        raise InputError(f"--run-dir {run_dir} holds other things; give a new or empty directory.")
    say = (terminal or metrics_log.Terminal()).say
    with contextlib.ExitStack() as locked:
        for place, option in _places(run, run_dir):
            place.mkdir(parents=True, exist_ok=True)
            locked.enter_context(locks.held(place, say, option))
        yield


def _places(run: config.RunConfig, run_dir: Path) -> list[tuple[Path, str]]:
    """The directories that only one run may use at a time, each once, and what gives them."""
    places = [(run_dir, "--run-dir")]
    other = files.place(run.checkpoint_dir) if run.checkpoint_dir else None
    if isinstance(other, Path) and other.resolve() != run_dir.resolve():
        places.append((other, "--checkpoint-dir"))
    return places


def resume(
    run_dir: Path, run: config.RunConfig, game: Game, terminal: metrics_log.Terminal
) -> Progress:
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
        return Progress()
    identity = config.identity(run)
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
    progress = Progress.of(checkpoint.step, checkpoint.meta)
    progress.stopped_early = bool(run.stop_after) and progress.stopped_early
    return progress


def shared(team: Team, game: Game, progress: Progress) -> Progress:
    """The chief's variables, and where it says that the run is, on all processes of the team."""
    team.copy(game.variables())
    step, fields = team.told([progress.step, progress.to_dict()])
    return Progress.of(step, fields)


def save(
    run_dir: Path, run: config.RunConfig, game: Game, data: DataSpec, progress: Progress
) -> None:
    """Writes a checkpoint of the game, and of which run it is and where that stands.

    Raises:
      FloatingPointError: a variable is not finite; nothing is written.
    """
    told = {"data": dataclasses.asdict(data), "run": config.identity(run)}
    meta = progress.to_dict() | told
    values = checkpoints.values_of(game.variables())
    checkpoints.save(run_dir, Checkpoint(progress.step, values, meta))


def _holds_things(path: Path) -> bool:
    return not path.is_dir() or any(entry.name != locks.FILE for entry in path.iterdir())

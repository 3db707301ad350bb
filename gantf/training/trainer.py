"""A training from its configuration to the exported generator: begin, go on, end."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import tensorflow as tf

from evaluation import InputError, Patience
from gantf import building, config, models
from gantf.data import loading
from gantf.data.loading import TrainingData
from gantf.distribute import strategies
from gantf.distribute.workers import Team
from gantf.game import Game
from gantf.generation import export
from gantf.runs import run_dir as rundir
from gantf.runs.metrics_log import Terminal
from gantf.runs.run_dir import Progress
from gantf.training import final_evaluation
from gantf.training.loop import Visits
from gantf.training.preemption import BrokenOff, watched


@dataclasses.dataclass(frozen=True)
class Ready:
    """A run that can start: its whole configuration, where it trains, and on what."""

    run: config.RunConfig
    strategy: tf.distribute.Strategy
    team: Team
    settings: Any
    game: Game
    data: TrainingData


def train(
    run: config.RunConfig, run_dir: Path, model: ModuleType, settings, terminal: Terminal
) -> int:
    """Trains, or goes on with, the run of a directory; exports the generator at the end.

    Args:
      run: the checked configuration; `settings` resolved in it.
      run_dir: where the run lives.
      model: the module of the model.
      settings: its `Config`.
      terminal: where to tell how it goes.

    Returns:
      0 where all steps are done; otherwise the signal that asked to stop: SIGINT or SIGTERM.

    Raises:
      InputError: the data, the strategy or the directory do not fit.
      DivergedError: a loss or a gradient is not finite, whatever the order of the data.
      WorkerLostError: another process of the team is gone; the same command goes on.
    """
    ready = prepare(run, model, settings)
    team = ready.team
    terminal = terminal if team.is_chief else Terminal(muted=True)
    for skipped in ready.data.all_skipped:
        terminal.say(f"left out, since it cannot be read: {skipped}")
    with strategies.losses_named(team), _claimed(ready, run_dir, terminal):
        return _train(ready, run_dir, terminal)


def _train(ready: Ready, run_dir: Path, terminal: Terminal) -> int:
    """The same in a directory that is this run's alone."""
    run, team = ready.run, ready.team
    progress = _resume(ready, run_dir, terminal)
    stopped = 0
    if (progress.step < run.steps and not progress.stopped_early) or progress.owed:
        if team.is_chief:
            config.save(run, run_dir)
        terminal.say(
            f"training {run.model} on {ready.data.described()} in batches of {run.batch_size}, "
            f"{run.batch_size // ready.strategy.num_replicas_in_sync} on each of "
            f"{ready.strategy.num_replicas_in_sync}; run directory {run_dir}"
        )
        _warn_of_schedule(ready.settings, run, terminal)
        stopped = _go_on(ready, run_dir, progress, terminal)
    elif progress.stopped_early:
        terminal.say(f"{run_dir} stopped early at step {progress.step}; --stop-after 0 goes on")
    else:
        terminal.say(f"{run_dir} is at step {progress.step} already; a larger --steps goes on")
    stopped = stopped or _finish(ready, run_dir, progress, terminal)
    if stopped:
        terminal.say(
            f"stopped and saved at step {progress.step}; the same command goes on from there"
        )
    return stopped


def prepare(run: config.RunConfig, model: ModuleType, settings) -> Ready:
    """Reads the data and builds the game; arguments and errors as for `train`."""
    strategy = strategies.make(run.strategy, run.logical_cpus, run.worker_timeout_seconds)
    team = strategies.team(strategy)
    _check_batch(run.batch_size, strategy.num_replicas_in_sync)
    with strategies.losses_named(team):
        team.check_alike(config.shared_by_workers(run) | {"tensorflow": tf.__version__})
        read = team.chief_first(
            lambda: loading.load(
                run.data,
                models.needs(model),
                run.size_px,
                run.skip_corrupt,
                Patience(seconds=run.data_timeout_seconds),
            )
        )
        team.check_alike({"the data's SHA-256": read.sha256})
        with strategy.scope():
            game = building.build(model, settings, read.spec, run.seed)
        _check_parts(run.batch_size // strategy.num_replicas_in_sync, game.accumulation)
    run = run.model_copy(update={"data_sha256": read.sha256})
    return Ready(run, strategy, team, settings, game, read)


@contextlib.contextmanager
def _claimed(ready: Ready, run_dir: Path, terminal: Terminal) -> Iterator[None]:
    """The run's directory for this process alone; only the chief writes there."""
    team = ready.team
    with contextlib.ExitStack() as held:
        claim = rundir.claimed(ready.run, run_dir, terminal)
        team.chief_first(lambda: held.enter_context(claim) if team.is_chief else None)
        yield


def _resume(ready: Ready, run_dir: Path, terminal: Terminal) -> Progress:
    """Where the run is, on all processes alike, with the chief's checkpoint in the game."""
    team, progress = ready.team, Progress()
    if team.is_chief:
        progress = rundir.resume(run_dir, ready.run, ready.game, terminal)
    return rundir.shared(team, ready.game, progress)


def _go_on(ready: Ready, run_dir: Path, progress: Progress, terminal: Terminal) -> int:
    """Trains until all steps are done or a stop is asked for; gives the signal, or 0."""
    with (
        watched(terminal) as stop,
        terminal.progress(progress.step, ready.run.steps),
        Visits(ready, run_dir, progress, stop, terminal) as visits,
    ):
        return visits.run()


def _finish(ready: Ready, run_dir: Path, progress: Progress, terminal: Terminal) -> int:
    """The best checkpoint's scores, and the generator; gives the signal that broke it off, or 0."""
    run, game, team, stopped = ready.run, ready.game, ready.team, 0
    with watched(terminal) as stop:
        try:
            with stop.breakable():
                if team.is_chief:
                    if run.evaluate_every_steps and not final_evaluation.is_current(
                        run_dir, run.best_by
                    ):
                        final_evaluation.best(run, run_dir, game, ready.data, terminal)
                    if not export.is_current(run_dir, game, progress.step):
                        export.save(game, run, ready.data.spec, progress.step, run_dir)
        except BrokenOff:
            stopped = stop.signal
        return team.told(stopped)  # nobody leaves before the chief has written


def _check_batch(batch_size: int, replicas: int) -> None:
    if batch_size % replicas:
        below = batch_size - batch_size % replicas
        near = " or ".join(str(size) for size in (below, below + replicas) if size)
        raise InputError(
            f"--batch-size {batch_size} does not divide among {replicas} replicas; use {near}."
        )


def _check_parts(local_batch: int, parts: int) -> None:
    if local_batch % parts:
        raise InputError(
            f"--set accumulation={parts} does not divide the {local_batch} images of a replica; "
            f"use one that does, such as {math.gcd(local_batch, parts)}."
        )


def _warn_of_schedule(settings, run, terminal: Terminal) -> None:
    """Says so when the learning rates reach 0 before the steps are done."""
    if getattr(settings, "schedule", "constant") == "constant":
        return
    if settings.final_learning_rate_share == 0 and settings.schedule_until_step < run.steps:
        terminal.say(
            f"warning: learning rates reach 0 at step {settings.schedule_until_step}, before "
            f"--steps {run.steps}; --set schedule_until_step={run.steps} stretches them"
        )

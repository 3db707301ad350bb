"""The loop of a training: data, steps, log, samples, checkpoints, resume."""

import dataclasses
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import tensorflow as tf

from evaluation import InputError
from gantf import (
    batches,
    building,
    checkpoints,
    config,
    data,
    diagnostics,
    export,
    grids,
    models,
    previews,
    rescoring,
    rundir,
    scoring,
    stopping,
    strategies,
)
from gantf import step as steps_of
from gantf.data import TrainingData
from gantf.game import Game
from gantf.logs import RunLog, Terminal
from gantf.rundir import Progress

VISIT_SECONDS = 5.0  # how long the compiled loop may run before the host looks in


class DivergedError(Exception):
    """A loss or gradient is no longer finite; the message names the step and the player."""


@dataclasses.dataclass(frozen=True)
class Ready:
    """A run that can start: its whole configuration, where it trains, and on what."""

    run: config.RunConfig
    strategy: tf.distribute.Strategy
    game: Game
    data: TrainingData


class Stop:
    """Set by the first Ctrl-C (SIGINT); the second stops at once."""

    requested = False


def train(
    run: config.RunConfig, run_dir: Path, model: ModuleType, settings, terminal: Terminal
) -> bool:
    """Trains, or goes on with, the run of a directory; exports the generator at the end.

    Args:
      run: the checked configuration; `settings` resolved in it.
      run_dir: where the run lives.
      model: the module of the model.
      settings: its `Config`.
      terminal: where to tell how it goes.

    Returns:
      Whether all steps are done: False after Ctrl-C.

    Raises:
      InputError: the data, the strategy or the directory do not fit.
      DivergedError: a loss or a gradient is not finite.
    """
    ready = prepare(run, model, settings)
    run, strategy, game, read = ready.run, ready.strategy, ready.game, ready.data
    for skipped in read.skipped:
        terminal.say(f"skipped corrupt file {skipped}")
    with rundir.claimed(run, run_dir):
        progress = rundir.resume(run_dir, game, terminal, bool(run.stop_after))
        if progress.step < run.steps and not progress.stopped_early:
            config.save(run, run_dir)
            terminal.say(
                f"training {run.model} on {read.described()} in batches of {run.batch_size}, "
                f"{run.batch_size // strategy.num_replicas_in_sync} on each of "
                f"{strategy.num_replicas_in_sync}; run directory {run_dir}"
            )
            _warn_of_schedule(settings, run, terminal)
            _go_on(run, run_dir, strategy, game, read, progress, terminal)
        elif progress.stopped_early:
            terminal.say(f"{run_dir} stopped early at step {progress.step}; --stop-after 0 goes on")
        else:
            terminal.say(f"{run_dir} is at step {progress.step} already; a larger --steps goes on")
        if progress.step < run.steps and not progress.stopped_early:
            terminal.say(
                f"stopped and saved at step {progress.step}; the same command goes on from there"
            )
            return False
        if run.evaluate_every_steps and not rescoring.is_current(run_dir, run.best_by):
            rescoring.best(run, run_dir, game, read, terminal)
        if not export.is_current(run_dir, game, progress.step):
            export.save(game, run, read.spec, progress.step, run_dir)
    return True


def prepare(run: config.RunConfig, model: ModuleType, settings) -> Ready:
    """Reads the data and builds the game; arguments and errors as for `train`."""
    strategy = strategies.make(run.strategy, run.logical_cpus)
    _check_batch(run.batch_size, strategy.num_replicas_in_sync)
    read = data.load(run.data, models.needs(model), run.size_px, run.skip_corrupt)
    with strategy.scope():
        game = building.build(model, settings, read.spec, run.seed)
    _check_parts(run.batch_size // strategy.num_replicas_in_sync, game.accumulation)
    run = run.model_copy(update={"data_sha256": read.sha256})
    return Ready(run, strategy, game, read)


def _go_on(run, run_dir, strategy, game, read, progress, terminal) -> None:
    """Trains until all steps are done or Ctrl-C; `progress` tells how far it came."""
    log = RunLog(run_dir, progress.step)
    try:
        with _interruptible(terminal) as stop, terminal.progress(progress.step, run.steps):
            _loop(run, run_dir, strategy, game, read, progress, log, terminal, stop)
    finally:
        log.close()


def _loop(run, run_dir, strategy, game, read: TrainingData, progress, log, terminal, stop) -> None:
    """Visits the compiled loop until all steps are done or a stop is asked for."""
    compiled = steps_of.make_steps(game, strategy, run.batch_size, run.seed)
    first_batch = progress.step * game.batches_per_step
    dataset = batches.make_dataset(read.sets, run.seed, run.batch_size, first_batch)
    iterator = iter(strategy.distribute_datasets_from_function(dataset))
    score = _scorer(run, game, read, log, progress, terminal)
    draw, columns = previews.make(game, read, run.seed)
    if progress.step == 0:
        grids.save(draw(), _grid_path(run_dir, 0), columns)
    seconds_per_step, saved_step = VISIT_SECONDS, progress.step
    while progress.step < run.steps and not stop.requested and not progress.stopped_early:
        count = min(_until_next_event(run, progress.step), int(VISIT_SECONDS / seconds_per_step))
        count = max(count, 1)
        started = time.perf_counter()
        _visit(compiled, game, iterator, progress, count)
        elapsed = time.perf_counter() - started
        seconds_per_step = elapsed / count
        progress.window_seconds += elapsed
        done = progress.step
        terminal.advance(done, run.steps, run.batch_size / seconds_per_step, run.batch_size)
        if done % run.log_every_steps == 0:
            _log_window(compiled.names, progress, run, log, terminal)
        if _due(done, run.sample_every_steps, run.steps):
            grids.save(draw(), _grid_path(run_dir, done), columns)
        progress.metrics = {}
        if score and _due(done, run.evaluate_every_steps, run.steps):
            _score(score, run, progress, log, terminal)
        if _due(done, run.checkpoint_every_steps, run.steps) or progress.stopped_early:
            _save(run, run_dir, game, read, progress, log)
            saved_step = done
    if progress.step != saved_step:  # a stop was asked for
        _save(run, run_dir, game, read, progress, log)


def _visit(compiled, game: Game, iterator, progress: Progress, count: int) -> None:
    """Runs `count` steps on the devices and takes in what they logged."""
    sums, fault = compiled.run(
        iterator,
        tf.constant(progress.step, tf.int64),
        tf.constant(count, tf.int64),
        tf.constant(progress.window_sums, tf.float32),
        tf.constant(steps_of.ALL_FINITE, tf.int64),
    )
    if int(fault) != steps_of.ALL_FINITE:
        step, player = steps_of.where(int(fault), game)
        raise DivergedError(
            f"the loss or gradient of the {player} was not finite at step {step + 1}; "
            "checkpoints from before it are kept; try a lower learning rate or a larger penalty "
            "weight in a new --run-dir"
        )
    progress.step += count
    progress.window_steps += count
    progress.window_sums = sums.numpy()


def _scorer(run, game: Game, read: TrainingData, log: RunLog, progress, terminal):
    """What scores the generator, None if that is not wanted or the data do not allow it."""
    if not run.evaluate_every_steps:
        return None
    try:
        score = scoring.make_scorer(game, read, run.seed)
        if progress.step == 0:
            log.write_scores(0, score())
    except InputError as error:
        terminal.say(f"no scores while training ({error}); --eval-every 0 asks for none")
        return None
    return score


def _score(score, run, progress: Progress, log: RunLog, terminal: Terminal) -> None:
    """Scores the game as it is now; says what is wrong with it, and whether to stop early."""
    try:
        scores = score()
    except InputError as error:  # of a generator that has collapsed to one image, say
        terminal.say(f"no score at step {progress.step}: {error}")
        return
    log.write_scores(progress.step, scores)
    progress.metrics = {name: found.value for name, found in scores.items()}
    alarms = diagnostics.score_alarms(log.scores, log.windows, tuple(run.settings))
    _sound(alarms, progress.step, log, terminal)
    name = stopping.chosen(scores, run.best_by)
    if run.stop_after and stopping.is_over(log.scores, name, run.stop_after):
        progress.stopped_early = True
        terminal.say(
            f"stopping early at step {progress.step}: {name} has not improved beyond its interval "
            f"in {run.stop_after} scores; --stop-after 0 goes on"
        )


def _sound(alarms, step: int, log: RunLog, terminal: Terminal) -> None:
    for alarm in alarms:
        log.write(step, {"warning": alarm.message})
        terminal.say(f"warning at step {step}: {alarm.message}")


def _log_window(names, progress: Progress, run, log: RunLog, terminal) -> None:
    means = progress.window_sums[: len(names)] / progress.window_steps
    values = {name: float(mean) for name, mean in zip(names, means, strict=True)}
    images_seen = progress.window_steps * run.batch_size
    values["images_per_second"] = images_seen / max(progress.window_seconds, 1e-9)
    log.write_window(progress.step, values)
    alarms = diagnostics.alarms(log.windows, tuple(run.settings))
    _sound(alarms, progress.step, log, terminal)
    progress.window_steps, progress.window_seconds = 0, 0.0
    progress.window_sums = np.zeros_like(progress.window_sums)


def _save(run, run_dir: Path, game: Game, read: TrainingData, progress, log: RunLog) -> None:
    log.flush()
    try:
        rundir.save(run_dir, game, read.spec, progress)
    except FloatingPointError as error:
        raise DivergedError(f"{error}; checkpoints from before it are kept") from None
    checkpoints.prune(run_dir, run.keep, run.best_by)


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


def _due(step: int, every: int, last: int) -> bool:
    return step % every == 0 or step == last


def _until_next_event(run: config.RunConfig, step: int) -> int:
    periods = (
        run.log_every_steps,
        run.checkpoint_every_steps,
        run.sample_every_steps,
        run.evaluate_every_steps or run.steps,
    )
    return min(run.steps - step, *(every - step % every for every in periods))


def _grid_path(run_dir: Path, step: int) -> Path:
    return run_dir / "samples" / f"step-{step:08d}.png"


@contextmanager
def _interruptible(terminal: Terminal) -> Iterator[Stop]:
    stop = Stop()

    def handle(signum, frame):
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True
        terminal.say("stopping after the steps under way; Ctrl-C again stops at once, unsaved")

    usual = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, usual)

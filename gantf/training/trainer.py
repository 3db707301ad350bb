"""A training from its configuration to the exported generator: begin, go on, end."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from gantf import config
from gantf.console import Terminal
from gantf.distribute import strategies
from gantf.generation import export
from gantf.runs import config_file, train_state
from gantf.runs.run_dir import exclusive
from gantf.runs.train_state import TrainState
from gantf.training import final_evaluation
from gantf.training.loop import TrainingLoop
from gantf.training.preemption import Interrupted, stop_on_signals
from gantf.training.setup import Ready, prepare


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
      WorkerLostError: another worker is gone; the same command goes on.
    """
    ready = prepare(run, model, settings)
    workers = ready.workers
    terminal = terminal if workers.is_chief else Terminal(muted=True)
    for skipped in ready.data.all_skipped:
        terminal.say(f"left out, since it cannot be read: {skipped}")
    with strategies.losses_named(workers), _claimed(ready, run_dir, terminal):
        return _train(ready, run_dir, terminal)


def _train(ready: Ready, run_dir: Path, terminal: Terminal) -> int:
    """The same in a directory that is this run's alone."""
    run, workers = ready.run, ready.workers
    state = _resume(ready, run_dir, terminal)
    stopped = 0
    if (state.step < run.steps and not state.stopped_early) or state.pending_evaluation:
        if workers.is_chief:
            config_file.save(run, run_dir)
        terminal.say(
            f"training {run.model} on {ready.data.described()} in batches of {run.batch_size}, "
            f"{run.batch_size // ready.strategy.num_replicas_in_sync} on each of "
            f"{ready.strategy.num_replicas_in_sync}; run directory {run_dir}"
        )
        _warn_of_schedule(ready.settings, run, terminal)
        stopped = _go_on(ready, run_dir, state, terminal)
    elif state.stopped_early:
        terminal.say(f"{run_dir} stopped early at step {state.step}; --stop-after 0 goes on")
    else:
        terminal.say(f"{run_dir} is at step {state.step} already; a larger --steps goes on")
    stopped = stopped or _finish(ready, run_dir, state, terminal)
    if stopped:
        terminal.say(f"stopped and saved at step {state.step}; the same command goes on from there")
    return stopped


@contextlib.contextmanager
def _claimed(ready: Ready, run_dir: Path, terminal: Terminal) -> Iterator[None]:
    """The run's directory for this process alone; only the chief writes there."""
    workers = ready.workers
    with contextlib.ExitStack() as held:
        claim = exclusive(ready.run, run_dir, terminal)
        workers.chief_first(lambda: held.enter_context(claim) if workers.is_chief else None)
        yield


def _resume(ready: Ready, run_dir: Path, terminal: Terminal) -> TrainState:
    """Where the run is, on all processes alike, with the chief's checkpoint in the game."""
    workers, state = ready.workers, TrainState()
    if workers.is_chief:
        state = train_state.restore_newest(run_dir, ready.run, ready.game, terminal)
    return train_state.broadcast_state(workers, ready.game, state)


def _go_on(ready: Ready, run_dir: Path, state: TrainState, terminal: Terminal) -> int:
    """Trains until all steps are done or a stop is asked for; gives the signal, or 0."""
    with (
        stop_on_signals(terminal) as stop,
        terminal.progress(state.step, ready.run.steps),
        TrainingLoop(ready, run_dir, state, stop, terminal) as visits,
    ):
        return visits.run()


def _finish(ready: Ready, run_dir: Path, state: TrainState, terminal: Terminal) -> int:
    """The best checkpoint's scores, and the generator; gives the signal that broke it off, or 0."""
    run, game, workers, stopped = ready.run, ready.game, ready.workers, 0
    with stop_on_signals(terminal) as stop:
        try:
            with stop.interruptible():
                if workers.is_chief:
                    if run.evaluate_every_steps and not final_evaluation.is_current(
                        run_dir, run.best_by
                    ):
                        final_evaluation.best(run, run_dir, game, ready.data, terminal)
                    if not export.is_current(run_dir, game, state.step):
                        export.save(game, run, ready.data.spec, state.step, run_dir)
        except Interrupted:
            stopped = stop.signal
        return workers.broadcast(stopped)  # nobody leaves before the chief has written


def _warn_of_schedule(settings, run, terminal: Terminal) -> None:
    """Says so when the learning rates reach 0 before the steps are done."""
    if getattr(settings, "schedule", "constant") == "constant":
        return
    if settings.final_learning_rate_fraction == 0 and settings.schedule_until_step < run.steps:
        terminal.say(
            f"warning: learning rates reach 0 at step {settings.schedule_until_step}, before "
            f"--steps {run.steps}; --set schedule_until_step={run.steps} stretches them"
        )

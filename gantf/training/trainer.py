"""Trains a run from its configuration to the exported generator."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from gantf import config
from gantf.console import Terminal
from gantf.data import loading
from gantf.distribute import strategies
from gantf.generation import export
from gantf.runs import config_file, restore, train_state
from gantf.runs.run_dir import exclusive
from gantf.runs.train_state import TrainState
from gantf.training import final_evaluation
from gantf.training.loop import TrainingLoop
from gantf.training.preemption import Interrupted, stop_on_signals
from gantf.training.setup import Ready, prepare


def train(
    run: config.RunConfig, run_dir: Path, model: ModuleType, settings: Any, terminal: Terminal
) -> int:
    """Trains a run, or resumes it; exports the generator at the end.

    Args:
      run: the checked configuration, with the resolved settings of the model.
      run_dir: the run's directory; made if it does not exist.
      model: the model's module.
      settings: its `Config`.
      terminal: prints progress and messages.

    Returns:
      0 when all steps are done; otherwise the signal that stopped the training: SIGINT or SIGTERM.

    Raises:
      InputError: the data, the strategy or the directory do not fit.
      DivergedError: a loss or a gradient is not finite in any order of the data.
      WorkerLostError: another worker is gone; the same command resumes the run.
    """
    ready = _with_former_hash(prepare(run, model, settings), run_dir)
    terminal = terminal if ready.workers.is_chief else Terminal(muted=True)
    for skipped in ready.data.all_skipped:
        terminal.say(f"left out, since it cannot be read: {skipped}")
    with strategies.detect_lost_workers(ready.workers), _exclusive(ready, run_dir, terminal):
        return _train(ready, run_dir, terminal)


def _with_former_hash(ready: Ready, run_dir: Path) -> Ready:
    """Lets a run go on that recorded the hash of all images, before images were read on demand."""
    if not (ready.workers.is_chief and ready.data.sha256.startswith(loading.LISTING)):
        return ready
    path = run_dir / config_file.FILE
    recorded = config_file.load(run_dir).data_sha256 if path.is_file() else ""
    if not recorded or recorded.startswith(loading.LISTING):
        return ready
    if recorded != ready.data.content_sha256():
        return ready
    return dataclasses.replace(ready, run=ready.run.model_copy(update={"data_sha256": recorded}))


def _train(ready: Ready, run_dir: Path, terminal: Terminal) -> int:
    """Trains in a directory that no other process uses; arguments and return as for `train`."""
    run, game, workers, stopped = ready.run, ready.game, ready.workers, 0
    state = restore.resume(run_dir, run, game, terminal) if workers.is_chief else TrainState()
    state = train_state.broadcast_state(workers, game, state)
    if (state.step < run.steps and not state.stopped_early) or state.pending_evaluation:
        if workers.is_chief:
            config_file.save(run, run_dir)
        replicas = ready.strategy.num_replicas_in_sync
        terminal.say(
            f"training {run.model} on {ready.data.described()} in batches of {run.batch_size}, "
            f"{run.batch_size // replicas} on each of {replicas}; run directory {run_dir}"
        )
        _warn_of_schedule(ready.settings, run, terminal)
        stopped = _run_loop(ready, run_dir, state, terminal)
    elif state.stopped_early:
        terminal.say(f"{run_dir} stopped early at step {state.step}; --stop-after 0 goes on")
    else:
        terminal.say(f"{run_dir} is at step {state.step} already; a larger --steps goes on")
    stopped = stopped or _finish(ready, run_dir, state, terminal)
    if stopped:
        terminal.say(f"stopped and saved at step {state.step}; the same command goes on from there")
    return stopped


@contextlib.contextmanager
def _exclusive(ready: Ready, run_dir: Path, terminal: Terminal) -> Iterator[None]:
    """Locks the run's directory on the chief, the only process that writes there."""
    workers = ready.workers
    with contextlib.ExitStack() as stack:
        lock = exclusive(ready.run, run_dir, terminal)
        workers.chief_first(lambda: stack.enter_context(lock) if workers.is_chief else None)
        yield


def _run_loop(ready: Ready, run_dir: Path, state: TrainState, terminal: Terminal) -> int:
    """Trains until all steps are done or a stop is requested; returns the signal, or 0."""
    with (
        stop_on_signals(terminal) as stop,
        terminal.progress(state.step, ready.run.steps),
        TrainingLoop(ready, run_dir, state, stop, terminal) as loop,
    ):
        return loop.run()


def _finish(ready: Ready, run_dir: Path, state: TrainState, terminal: Terminal) -> int:
    """Scores the best checkpoint and exports the generator, both where that is not done yet.

    Returns:
      The signal that interrupted this, or 0.
    """
    run, game, workers, stopped = ready.run, ready.game, ready.workers, 0
    with stop_on_signals(terminal) as stop:
        try:
            with stop.interruptible():
                if workers.is_chief:
                    scored = final_evaluation.is_current(run_dir, run.best_by)
                    if run.evaluate_every_steps and not scored:
                        final_evaluation.score_best(run, run_dir, game, ready.data, terminal)
                    if not export.is_current(run_dir, game, state.step):
                        export.save(game, run, ready.data.spec, state.step, run_dir)
        except Interrupted:
            stopped = stop.signal
        return workers.broadcast(stopped)  # all workers wait here until the chief has written


def _warn_of_schedule(settings: Any, run: config.RunConfig, terminal: Terminal) -> None:
    """Warns if the learning rates reach 0 before the last step."""
    if getattr(settings, "schedule", "constant") == "constant":
        return
    if settings.final_learning_rate_fraction == 0 and settings.schedule_until_step < run.steps:
        terminal.say(
            f"warning: learning rates reach 0 at step {settings.schedule_until_step}, before "
            f"--steps {run.steps}; --set schedule_until_step={run.steps} stretches them"
        )

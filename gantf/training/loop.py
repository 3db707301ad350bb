"""The loop of a training: visits to the compiled steps, and what the host does between them."""

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from gantf.data import pipeline
from gantf.errors import RESTARTS, DivergedError
from gantf.runs import checkpoints
from gantf.runs import run_dir as rundir
from gantf.runs.metrics_log import Terminal
from gantf.runs.run_dir import Progress
from gantf.training import recovery
from gantf.training import step as steps_of
from gantf.training.periodic_actions import Chief
from gantf.training.preemption import Stop

if TYPE_CHECKING:
    from gantf.training.trainer import Ready

VISIT_SECONDS = 5.0  # how long the compiled loop may run before the host looks in


class Visits:
    """A run between two starts of the program.

    All processes make the same visits; the chief says how long each is, and the chief alone writes.
    """

    def __init__(
        self, ready: "Ready", run_dir: Path, progress: Progress, stop: Stop, terminal: Terminal
    ):
        """Nothing is done yet.

        Args:
          ready: the run.
          run_dir: where the chief writes.
          progress: where the run stands; is kept up to date.
          stop: what is asked for.
          terminal: where to tell how it goes.
        """
        self._ready, self._run, self._game = ready, ready.run, ready.game
        self._team, self._run_dir, self._progress = ready.team, run_dir, progress
        self._stop, self._terminal, self._signal = stop, terminal, 0
        self._chief: Chief | None = None

    def __enter__(self) -> "Visits":
        """Opens the log."""
        if self._team.is_chief:
            self._chief = Chief(
                self._ready, self._run_dir, self._progress, self._stop, self._terminal
            )
        return self

    def __exit__(self, *_) -> None:
        """Closes the log."""
        if self._chief:
            self._chief.close()

    def run(self) -> int:
        """Trains until all steps are done or a stop is asked for; gives the signal, or 0."""
        run, progress, chief = self._run, self._progress, self._chief
        if chief:
            chief.begin()
        self._compile()
        seconds_per_step = VISIT_SECONDS
        while plan := self._planned(int(VISIT_SECONDS / seconds_per_step)):
            started = time.perf_counter()
            fault = self._visit(plan)
            os.environ.pop(RESTARTS, None)  # all workers are here
            if fault is not None:
                self._roll_back(*fault)
                continue
            elapsed = time.perf_counter() - started
            seconds_per_step = elapsed / plan
            progress.window_seconds += elapsed
            self._terminal.advance(
                progress.step, run.steps, run.batch_size / seconds_per_step, run.batch_size
            )
            good = chief.attend(self._compiled.names) if chief else True
            if not self._team.told(good):
                self._roll_back(progress.step, "")
        return self._signal

    def _planned(self, count: int) -> int:
        """How many steps the next visit makes, on all processes alike; 0 for no more."""
        run, progress = self._run, self._progress
        count = max(min(_until_next_event(run, progress.step), count), 1)
        over = progress.step >= run.steps or progress.stopped_early
        mine = [0 if over else count, int(progress.owed)] if self._chief else [0, 0]
        asked = int(self._stop.signal != 0)
        plan, owed, asked = self._team.total(np.array([*mine, asked], np.int32)).tolist()
        if not asked or not (plan or owed):
            return plan
        self._signal = self._stop.signal or signal.SIGTERM  # which another process got
        if self._chief:
            self._chief.leave()
        return 0

    def _compile(self) -> None:
        """The steps and their data, in the order that belongs to the number of rollbacks."""
        run, game = self._run, self._game
        seed = recovery.seed_of(run.seed, self._progress.rollbacks)
        strategy = self._ready.strategy
        self._compiled = steps_of.make_steps(game, strategy, run.batch_size, seed)
        first_batch = self._progress.step * game.batches_per_step
        dataset = pipeline.make_dataset(self._ready.data.sets, seed, run.batch_size, first_batch)
        self._iterator = iter(strategy.distribute_datasets_from_function(dataset))

    def _visit(self, count: int) -> tuple[int, str] | None:
        """Runs `count` steps on the devices and takes in what they logged.

        Returns:
          The step, from 1, and the player of the first loss or gradient that was not finite; None
          if all were.
        """
        progress = self._progress
        sums, fault = self._compiled.run(
            self._iterator,
            tf.constant(progress.step, tf.int64),
            tf.constant(count, tf.int64),
            tf.constant(progress.window_sums, tf.float32),
            tf.constant(steps_of.ALL_FINITE, tf.int64),
        )
        if int(fault) != steps_of.ALL_FINITE:
            step, player = steps_of.where(int(fault), self._game)
            return step + 1, player
        progress.step += count
        progress.window_steps += count
        progress.window_sums = sums.numpy()
        return None

    def _roll_back(self, step: int, player: str) -> None:
        """Goes back to the last good checkpoint and takes another order of the data.

        Args:
          step: where it was not finite.
          player: whose loss or gradient, or "" where a variable was found so.

        Raises:
          DivergedError: it has gone back often enough.
        """
        progress = self._progress
        tried = progress.rollbacks
        self._restore()
        if tried >= self._run.max_rollbacks:
            raise DivergedError(self._where_it_began(step, player, tried))
        progress.rollbacks = tried + 1
        self._terminal.say(
            f"the loss or gradient of the {player or 'game'} was not finite at step {step}: back "
            f"to step {progress.step} with a new order of the data, rollback {progress.rollbacks} "
            f"of {self._run.max_rollbacks}"
        )
        if self._chief:
            self._chief.note_rollback(step, player)
        self._compile()

    def _restore(self) -> None:
        """The last good checkpoint, or the start, in the game of all processes."""
        team, game, found = self._team, self._game, Progress()
        if self._chief:
            checkpoint = self._chief.last_good()
            checkpoints.restore(checkpoint, game.variables())
            found = Progress.of(checkpoint.step, checkpoint.meta)
        for name, value in vars(rundir.shared(team, game, found)).items():
            setattr(self._progress, name, value)

    def _where_it_began(self, step: int, player: str, tried: int) -> str:
        """Makes the steps up to the fault once more, the last of them alone."""
        self._progress.rollbacks = tried
        self._compile()
        before = step - 1 - self._progress.step
        if before > 0:
            self._visit(before)
        self._visit(1)
        return recovery.report(self._game, step, player or "game", tried)


def _until_next_event(run, step: int) -> int:
    periods = (
        run.log_every_steps,
        run.checkpoint_every_steps,
        run.sample_every_steps,
        run.evaluate_every_steps or run.steps,
    )
    return min(run.steps - step, *(every - step % every for every in periods))

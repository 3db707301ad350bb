"""The loop of a training: visits to the compiled steps, and what the host does between them."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from gantf.console import Terminal
from gantf.data import pipeline
from gantf.errors import RESTARTS, DivergedError
from gantf.runs import checkpoints, train_state
from gantf.runs.train_state import TrainState
from gantf.training import recovery
from gantf.training import step as steps_of
from gantf.training.periodic_actions import PeriodicActions
from gantf.training.preemption import StopRequest
from gantf.training.setup import Ready

VISIT_SECONDS = 5.0  # how long the compiled loop may run before the host looks in


class TrainingLoop:
    """A run between two starts of the program.

    All workers run the same inner loops; the chief decides their length, and only the chief writes.
    """

    def __init__(
        self,
        ready: Ready,
        run_dir: Path,
        state: TrainState,
        stop: StopRequest,
        terminal: Terminal,
    ):
        """Nothing is done yet.

        Args:
          ready: the run.
          run_dir: where the actions writes.
          state: where the run stands; is kept up to date.
          stop: what is asked for.
          terminal: where to tell how it goes.
        """
        self._ready, self._run, self._game = ready, ready.run, ready.game
        self._workers, self._run_dir, self._state = ready.workers, run_dir, state
        self._stop, self._terminal, self._signal = stop, terminal, 0
        self._actions: PeriodicActions | None = None

    def __enter__(self) -> "TrainingLoop":
        """Opens the log."""
        if self._workers.is_chief:
            self._actions = PeriodicActions(
                self._ready, self._run_dir, self._state, self._stop, self._terminal
            )
        return self

    def __exit__(self, *_) -> None:
        """Closes the log."""
        if self._actions:
            self._actions.close()

    def run(self) -> int:
        """Trains until all steps are done or a stop is asked for; gives the signal, or 0."""
        run, state, actions = self._run, self._state, self._actions
        if actions:
            actions.on_train_begin()
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
            state.window_seconds += elapsed
            self._terminal.advance(
                state.step, run.steps, run.batch_size / seconds_per_step, run.batch_size
            )
            good = actions.run_due_actions(self._compiled.names) if actions else True
            if not self._workers.broadcast(good):
                self._roll_back(state.step, "")
        return self._signal

    def _planned(self, count: int) -> int:
        """How many steps the next visit makes, on all processes alike; 0 for no more."""
        run, state = self._run, self._state
        count = max(min(_until_next_event(run, state.step), count), 1)
        over = state.step >= run.steps or state.stopped_early
        mine = [0 if over else count, int(state.pending_evaluation)] if self._actions else [0, 0]
        asked = int(self._stop.signal != 0)
        plan, pending, asked = self._workers.all_reduce_sum(
            np.array([*mine, asked], np.int32)
        ).tolist()
        if not asked or not (plan or pending):
            return plan
        self._signal = self._stop.signal or signal.SIGTERM  # which another process got
        if self._actions:
            self._actions.save_before_exit()
        return 0

    def _compile(self) -> None:
        """The steps and their data, in the order that belongs to the number of rollbacks."""
        run, game = self._run, self._game
        seed = recovery.seed_of(run.seed, self._state.rollbacks)
        strategy = self._ready.strategy
        self._compiled = steps_of.make_steps(game, strategy, run.batch_size, seed)
        first_batch = self._state.step * game.batches_per_step
        dataset = pipeline.make_dataset(self._ready.data.sets, seed, run.batch_size, first_batch)
        self._iterator = iter(strategy.distribute_datasets_from_function(dataset))

    def _visit(self, count: int) -> tuple[int, str] | None:
        """Runs `count` steps on the devices and takes in what they logged.

        Returns:
          The step, from 1, and the player of the first loss or gradient that was not finite; None
          if all were.
        """
        state = self._state
        sums, fault = self._compiled.run(
            self._iterator,
            tf.constant(state.step, tf.int64),
            tf.constant(count, tf.int64),
            tf.constant(state.window_sums, tf.float32),
            tf.constant(steps_of.ALL_FINITE, tf.int64),
        )
        if int(fault) != steps_of.ALL_FINITE:
            step, player = steps_of.where(int(fault), self._game)
            return step + 1, player
        state.step += count
        state.window_steps += count
        state.window_sums = sums.numpy()
        return None

    def _roll_back(self, step: int, player: str) -> None:
        """Goes back to the last good checkpoint and takes another order of the data.

        Args:
          step: where it was not finite.
          player: whose loss or gradient, or "" where a variable was found so.

        Raises:
          DivergedError: it has gone back often enough.
        """
        state = self._state
        tried = state.rollbacks
        self._restore()
        if tried >= self._run.max_rollbacks:
            raise DivergedError(self._where_it_began(step, player, tried))
        state.rollbacks = tried + 1
        self._terminal.say(
            f"the loss or gradient of the {player or 'game'} was not finite at step {step}: back "
            f"to step {state.step} with a new order of the data, rollback {state.rollbacks} "
            f"of {self._run.max_rollbacks}"
        )
        if self._actions:
            self._actions.log_rollback(step, player)
        self._compile()

    def _restore(self) -> None:
        """The last good checkpoint, or the start, in the game of all processes."""
        workers, game, found = self._workers, self._game, TrainState()
        if self._actions:
            checkpoint = self._actions.last_good_checkpoint()
            checkpoints.restore(checkpoint, game.variables())
            found = TrainState.from_dict(checkpoint.step, checkpoint.meta)
        for name, value in vars(train_state.broadcast_state(workers, game, found)).items():
            setattr(self._state, name, value)

    def _where_it_began(self, step: int, player: str, tried: int) -> str:
        """Makes the steps up to the fault once more, the last of them alone."""
        self._state.rollbacks = tried
        self._compile()
        before = step - 1 - self._state.step
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

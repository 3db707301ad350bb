"""The training loop: an outer loop on the host around an inner loop of compiled steps."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from evaluation import InputError
from gantf import config
from gantf.console import Terminal
from gantf.data import pipeline
from gantf.errors import RESTARTS, DivergedError
from gantf.runs import train_state
from gantf.runs.train_state import TrainState
from gantf.training import recovery
from gantf.training import step as compiled_step
from gantf.training.periodic_actions import PeriodicActions
from gantf.training.preemption import StopRequest
from gantf.training.setup import Ready

INNER_LOOP_SECONDS = 5.0  # the longest time on the devices between two looks at the host


class TrainingLoop:
    """Trains until all steps are done, the score stops improving, or a stop is requested.

    All workers run inner loops of the same length. The chief decides the length, and only the
    chief logs, samples, scores and saves.
    """

    def __init__(
        self,
        ready: Ready,
        run_dir: Path,
        state: TrainState,
        stop: StopRequest,
        terminal: Terminal,
    ):
        """Stores the arguments; `run` trains.

        Args:
          ready: the prepared run.
          run_dir: the run's directory.
          state: the state of the run, updated in place.
          stop: the user's or the scheduler's request to stop.
          terminal: prints progress and messages.
        """
        self._ready, self._run, self._game = ready, ready.run, ready.game
        self._workers, self._run_dir, self._state = ready.workers, run_dir, state
        self._stop, self._terminal, self._signal = stop, terminal, 0
        self._actions: PeriodicActions | None = None

    def __enter__(self) -> "TrainingLoop":
        """Opens the chief's log."""
        if self._workers.is_chief:
            self._actions = PeriodicActions(
                self._ready, self._run_dir, self._state, self._stop, self._terminal
            )
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the chief's log."""
        if self._actions:
            self._actions.close()

    def run(self) -> int:
        """Trains; returns the signal that stopped the training, or 0."""
        state, actions, batch_size = self._state, self._actions, self._run.batch_size
        if actions:
            actions.on_train_begin()
        self._compile()
        seconds_per_step = INNER_LOOP_SECONDS
        while steps := self._next_length(int(INNER_LOOP_SECONDS / seconds_per_step)):
            started = time.perf_counter()
            fault = self._run_steps(steps)
            os.environ.pop(RESTARTS, None)  # all workers are connected: count restarts anew
            if fault is not None:
                self._roll_back(*fault)
                continue
            elapsed = time.perf_counter() - started
            seconds_per_step = elapsed / steps
            state.window_seconds += elapsed
            self._terminal.advance(
                state.step, self._run.steps, batch_size / seconds_per_step, batch_size
            )
            finite = actions.run_due_actions(self._compiled.names) if actions else True
            if not self._workers.broadcast(finite):
                self._roll_back(state.step, "")
        return self._signal

    def _next_length(self, longest: int) -> int:
        """Returns the number of steps of the next inner loop on all workers; 0 to stop."""
        run, state = self._run, self._state
        length = max(min(_steps_until_action(run, state.step), longest), 1)
        done = state.step >= run.steps or state.stopped_early
        mine = [0 if done else length, int(state.pending_evaluation)] if self._actions else [0, 0]
        stops = int(self._stop.signal != 0)
        length, pending, stops = self._workers.all_reduce_sum(
            np.array([*mine, stops], np.int32)
        ).tolist()
        if not stops or not (length or pending):
            return length
        self._signal = self._stop.signal or signal.SIGTERM  # another worker received the signal
        if self._actions:
            self._actions.save_before_exit()
        return 0

    def _compile(self) -> None:
        """Compiles the steps and opens the data, in the order for this number of rollbacks."""
        run, game, strategy = self._run, self._game, self._ready.strategy
        seed = recovery.seed_after(run.seed, self._state.rollbacks)
        self._compiled = compiled_step.make_steps(game, strategy, run.batch_size, seed)
        first_batch = self._state.step * game.batches_per_step
        self._read_errors: list[InputError] = []
        dataset = pipeline.make_dataset(
            self._ready.data.sets, seed, run.batch_size, first_batch, self._read_errors.append
        )
        self._iterator = iter(strategy.distribute_datasets_from_function(dataset))

    def _run_steps(self, count: int) -> tuple[int, str] | None:
        """Runs `count` steps on the devices and adds what they logged to the state.

        Returns:
          None if all losses and gradients were finite; otherwise the number of the first step
          where one was not, from 1, and the name of its player.

        Raises:
          InputError: an image cannot be decoded.
        """
        state = self._state
        try:
            sums, nonfinite = self._compiled.run(
                self._iterator,
                tf.constant(state.step, tf.int64),
                tf.constant(count, tf.int64),
                tf.constant(state.window_sums, tf.float32),
                tf.constant(compiled_step.ALL_FINITE, tf.int64),
            )
        except tf.errors.OpError:
            if self._read_errors:  # TensorFlow's error holds it, among a traceback
                raise self._read_errors[0] from None
            raise
        if int(nonfinite) != compiled_step.ALL_FINITE:
            step, player = compiled_step.decode_nonfinite(int(nonfinite), self._game)
            return step + 1, player
        state.step += count
        state.window_steps += count
        state.window_sums = sums.numpy()
        return None

    def _roll_back(self, step: int, player: str) -> None:
        """Restores the last finite checkpoint, or the initial weights; reshuffles the data.

        Args:
          step: the step with a number that is not finite.
          player: the player whose loss or gradient it is; "" for a variable.

        Raises:
          DivergedError: the run has rolled back `max_rollbacks` times already.
        """
        state, most = self._state, self._run.max_rollbacks
        rollbacks = state.rollbacks
        restored = self._actions.restore_last_finite() if self._actions else TrainState()
        restored = train_state.broadcast_state(self._workers, self._game, restored)
        for name, value in vars(restored).items():
            setattr(state, name, value)
        if rollbacks >= most:
            raise DivergedError(self._locate_fault(step, player, rollbacks))
        state.rollbacks = rollbacks + 1
        self._terminal.say(
            f"the loss or gradient of the {player or 'game'} was not finite at step {step}: back "
            f"to step {state.step} with a new order of the data, rollback {state.rollbacks} "
            f"of {most}"
        )
        if self._actions:
            self._actions.log_rollback(step, player)
        self._compile()

    def _locate_fault(self, step: int, player: str, rollbacks: int) -> str:
        """Repeats the steps up to the fault, the last of them alone, and describes the fault."""
        self._state.rollbacks = rollbacks
        self._compile()
        before = step - 1 - self._state.step
        if before > 0:
            self._run_steps(before)
        self._run_steps(1)
        return recovery.describe_fault(self._game, step, player or "game", rollbacks)


def _steps_until_action(run: config.RunConfig, step: int) -> int:
    """Returns how many steps are left until the next log line, checkpoint, grid or score."""
    periods = (
        run.log_every_steps,
        run.checkpoint_every_steps,
        run.sample_every_steps,
        run.evaluate_every_steps or run.steps,
    )
    return min(run.steps - step, *(every - step % every for every in periods))

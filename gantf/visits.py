"""The loop of a training: visits to the compiled steps, and what the host does between them."""

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from evaluation import InputError
from gantf import (
    batches,
    checkpoints,
    diagnostics,
    grids,
    locks,
    logs,
    previews,
    rollbacks,
    rundir,
    scoring,
    stopping,
)
from gantf import step as steps_of
from gantf.endings import RESTARTS, DivergedError
from gantf.interruptions import BrokenOff, Stop
from gantf.logs import ROLLBACK_MARK, RunLog, Terminal
from gantf.rundir import Progress

if TYPE_CHECKING:
    from gantf.trainer import Ready

SKIPPED, RETRIED = "data_skipped", "data_retried"  # in the log
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
        self._stop, self._terminal = stop, terminal
        self._saved_step, self._signal = progress.step, 0
        self._initial = None if progress.step else checkpoints.values_of(self._game.variables())

    def __enter__(self) -> "Visits":
        """Opens the log, and begins with the first samples and scores."""
        if self._team.is_chief:
            self._open_log()
            self._count_data_faults()
            self._score = self._scorer()
            self._draw, self._columns = previews.make(self._game, self._ready.data, self._run.seed)
        return self

    def __exit__(self, *_) -> None:
        """Closes the log."""
        if self._team.is_chief:
            self._log.close()

    def run(self) -> int:
        """Trains until all steps are done or a stop is asked for; gives the signal, or 0."""
        run, progress = self._run, self._progress
        if self._team.is_chief and (progress.step == 0 or progress.owed):
            self._look(progress.step)
            if progress.step:
                self._save()
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
            good = self._attend() if self._team.is_chief else True
            if not self._team.told(good):
                self._roll_back(progress.step, "")
        return self._signal

    def _planned(self, count: int) -> int:
        """How many steps the next visit makes, on all processes alike; 0 for no more."""
        run, progress = self._run, self._progress
        count = max(min(_until_next_event(run, progress.step), count), 1)
        over = progress.step >= run.steps or progress.stopped_early
        mine = [0 if over else count, int(progress.owed)] if self._team.is_chief else [0, 0]
        asked = int(self._stop.signal != 0)
        plan, owed, asked = self._team.total(np.array([*mine, asked], np.int32)).tolist()
        if not asked or not (plan or owed):
            return plan
        self._signal = self._stop.signal or signal.SIGTERM  # which another process got
        if self._team.is_chief and progress.step != self._saved_step:
            locks.check(self._run_dir)
            self._save()
        return 0

    def _compile(self) -> None:
        """The steps and their data, in the order that belongs to the number of rollbacks."""
        run, game = self._run, self._game
        seed = rollbacks.seed_of(run.seed, self._progress.rollbacks)
        strategy = self._ready.strategy
        self._compiled = steps_of.make_steps(game, strategy, run.batch_size, seed)
        first_batch = self._progress.step * game.batches_per_step
        dataset = batches.make_dataset(self._ready.data.sets, seed, run.batch_size, first_batch)
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

    def _attend(self) -> bool:
        """What the chief does after a visit; False if a variable is not finite."""
        locks.check(self._run_dir)
        run, progress = self._run, self._progress
        done = progress.step
        if done % run.log_every_steps == 0:
            self._log_window()
        progress.metrics = {}
        self._look(done)
        if _due(done, run.checkpoint_every_steps, run.steps) or progress.stopped_early:
            return self._save()
        return True

    def _look(self, step: int) -> None:
        """Draws and scores what is due at a step; if a stop is asked for, later."""
        run, progress = self._run, self._progress
        progress.owed = True
        try:
            if _due(step, run.sample_every_steps, run.steps):
                with self._stop.breakable():
                    images = self._draw()
                grids.save(images, _grid_path(self._run_dir, step), self._columns)
            if self._score and _due(step, run.evaluate_every_steps, run.steps):
                self._scored(step)
        except BrokenOff:
            return
        progress.owed = False

    def _scored(self, step: int) -> None:
        """Scores the game as it is now; says what is wrong with it, and whether to stop early."""
        if any(line["step"] == step for line in self._log.scores):
            return
        try:
            with self._stop.breakable():
                scores = self._score()
        except InputError as error:  # of a generator that has collapsed to one image, say
            if step == 0:
                self._no_scores(error)
            else:
                self._terminal.say(f"no score at step {step}: {error}")
            return
        run, progress, log = self._run, self._progress, self._log
        log.write_scores(step, scores)
        if step == 0:
            return
        progress.metrics = {name: found.value for name, found in scores.items()}
        self._sound(diagnostics.score_alarms(log.scores, log.windows, tuple(run.settings)))
        name = stopping.chosen(scores, run.best_by)
        if run.stop_after and stopping.is_over(log.scores, name, run.stop_after):
            progress.stopped_early = True
            self._terminal.say(
                f"stopping early at step {step}: {name} has not improved beyond its interval "
                f"in {run.stop_after} scores; --stop-after 0 goes on"
            )

    def _scorer(self):
        """What scores the generator, None if that is not wanted or the data do not allow it."""
        if not self._run.evaluate_every_steps:
            return None
        try:
            return scoring.make_scorer(self._game, self._ready.data, self._run.seed)
        except InputError as error:
            self._no_scores(error)
            return None

    def _no_scores(self, error: InputError) -> None:
        self._score = None
        self._terminal.say(f"no scores while training ({error}); --eval-every 0 asks for none")

    def _log_window(self) -> None:
        """Writes the means of the open window, and sounds the alarms."""
        progress, run = self._progress, self._run
        names = self._compiled.names
        means = progress.window_sums[: len(names)] / progress.window_steps
        values = {name: float(mean) for name, mean in zip(names, means, strict=True)}
        images_seen = progress.window_steps * run.batch_size
        values["images_per_second"] = images_seen / max(progress.window_seconds, 1e-9)
        self._log.write_window(progress.step, values)
        self._sound(diagnostics.alarms(self._log.windows, tuple(run.settings)))
        progress.window_steps, progress.window_seconds = 0, 0.0
        progress.window_sums = np.zeros_like(progress.window_sums)

    def _sound(self, alarms) -> None:
        step = self._progress.step
        for alarm in alarms:
            self._log.write(step, {"warning": alarm.message})
            self._terminal.say(f"warning at step {step}: {alarm.message}")

    def _save(self) -> bool:
        """Writes a checkpoint; False if a variable is not finite, when nothing is written."""
        self._log.flush()
        try:
            rundir.save(self._run_dir, self._game, self._ready.data.spec, self._progress)
        except FloatingPointError:
            return False
        self._saved_step, self._initial = self._progress.step, None
        checkpoints.prune(self._run_dir, self._run.keep, self._run.best_by)
        return True

    def _open_log(self) -> None:
        self._log = RunLog(self._run_dir, self._progress.step, self._progress.rollbacks)

    def _count_data_faults(self) -> None:
        """Counts in the log what of the data was left out, once for a run, and what was retried."""
        data, step = self._ready.data, self._progress.step
        if data.all_skipped and not any(SKIPPED in line for line in logs.read(self._run_dir)):
            self._log.write(step, {SKIPPED: len(data.all_skipped)})
        if data.retried:
            self._log.write(step, {RETRIED: len(data.retried)})

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
        if tried >= self._run.max_rollbacks:
            self._restore()
            raise DivergedError(self._where_it_began(step, player, tried))
        self._restore()
        progress.rollbacks = tried + 1
        self._terminal.say(
            f"the loss or gradient of the {player or 'game'} was not finite at step {step}: back "
            f"to step {progress.step} with a new order of the data, rollback {progress.rollbacks} "
            f"of {self._run.max_rollbacks}"
        )
        if self._team.is_chief:
            self._log.close()
            self._open_log()
            told = {ROLLBACK_MARK: progress.rollbacks, "fault_step": step, "player": player}
            self._log.write(progress.step, told)
            self._save()
        self._compile()

    def _restore(self) -> None:
        """The last good checkpoint, or the start, in the game of all processes."""
        team, game = self._team, self._game
        found = Progress()
        if team.is_chief:
            checkpoint, damaged = checkpoints.newest(self._run_dir)
            for path, reason in damaged:
                self._terminal.say(f"{path} is damaged ({reason}); passing it over")
            if checkpoint is None:
                assert self._initial is not None
                checkpoint = checkpoints.Checkpoint(0, self._initial, found.to_dict())
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
        return rollbacks.report(self._game, step, player or "game", tried)


def _due(step: int, every: int, last: int) -> bool:
    return every > 0 and (step % every == 0 or step == last)


def _until_next_event(run, step: int) -> int:
    periods = (
        run.log_every_steps,
        run.checkpoint_every_steps,
        run.sample_every_steps,
        run.evaluate_every_steps or run.steps,
    )
    return min(run.steps - step, *(every - step % every for every in periods))


def _grid_path(run_dir: Path, step: int) -> Path:
    return run_dir / "samples" / f"step-{step:08d}.png"

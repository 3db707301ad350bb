"""The chief's work between inner loops: log, alarms, samples, scores, checkpoints."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from evaluation import InputError
from gantf.console import Terminal
from gantf.generation import image_grid
from gantf.runs import checkpoints, locks, metrics_log, restore, train_state
from gantf.runs.checkpoints import Checkpoint
from gantf.runs.metrics_log import ROLLBACK_MARK, MetricsLog
from gantf.runs.scores import Scores, deciding_score
from gantf.runs.train_state import TrainState
from gantf.training import diagnostics, early_stopping, evaluator, sample_grid
from gantf.training.preemption import Interrupted, StopRequest
from gantf.training.setup import Ready

SKIPPED, RETRIED = "data_skipped", "data_retried"  # keys of the log


class PeriodicActions:
    """Runs the actions that are due at a step; exists on the chief only."""

    def __init__(
        self,
        ready: Ready,
        run_dir: Path,
        state: TrainState,
        stop: StopRequest,
        terminal: Terminal,
    ):
        """Opens the log; arguments as for `TrainingLoop`."""
        self._run, self._game, self._data = ready.run, ready.game, ready.data
        self._run_dir, self._state, self._stop = run_dir, state, stop
        self._terminal, self._saved_step = terminal, state.step
        self._active_alarms: dict[str, set[str]] = {}  # names by source: "windows" or "scores"
        self._initial: Checkpoint | None = None
        if not state.step:
            values = checkpoints.values_of(self._game.variables())
            self._initial = Checkpoint(0, values, TrainState().to_dict())
        self._open_log()
        self._log_data_faults()
        self._compute_scores = self._make_scorer()
        self._draw, self._columns = sample_grid.make(self._game, self._data, self._run.seed)

    def close(self) -> None:
        """Closes the log."""
        self._log.close()

    def on_train_begin(self) -> None:
        """Draws and scores the untrained game, or makes up for an evaluation that was deferred."""
        step = self._state.step
        if step == 0 or self._state.pending_evaluation:
            self._sample_and_score(step)
            if step:
                self._save()

    def run_due_actions(self, names: Sequence[str]) -> bool:
        """Logs, samples, scores and saves what is due at this step.

        Args:
          names: of the values that the steps log.

        Returns:
          False if a variable is not finite, so that no checkpoint was written; otherwise True.
        """
        locks.check(self._run_dir)
        run, state = self._run, self._state
        if state.step % run.log_every_steps == 0:
            self._log_window(names)
        state.metrics = {}
        self._sample_and_score(state.step)
        if _is_due(state.step, run.checkpoint_every_steps, run.steps) or state.stopped_early:
            return self._save()
        return True

    def save_before_exit(self) -> None:
        """Saves the state unless the newest checkpoint holds it already."""
        if self._state.step != self._saved_step:
            locks.check(self._run_dir)
            self._save()

    def restore_last_finite(self) -> TrainState:
        """Restores the newest intact checkpoint, or the initial weights; returns the state."""
        return restore.roll_back(self._run_dir, self._game, self._initial, self._terminal)

    def log_rollback(self, step: int, player: str) -> None:
        """Logs a rollback and saves it.

        Args:
          step: the step that was not finite.
          player: the player whose loss or gradient was not finite.
        """
        self._log.close()
        self._open_log()
        record = {ROLLBACK_MARK: self._state.rollbacks, "fault_step": step, "player": player}
        self._log.write(self._state.step, record)
        self._save()

    def _sample_and_score(self, step: int) -> None:
        """Draws samples and computes scores if they are due; defers them if a stop is requested."""
        run, state = self._run, self._state
        state.pending_evaluation = True
        try:
            if _is_due(step, run.sample_every_steps, run.steps):
                with self._stop.interruptible():
                    images = self._draw()
                path = self._run_dir / "samples" / f"step-{step:08d}.png"
                image_grid.save(images, path, self._columns)
            if self._compute_scores and _is_due(step, run.evaluate_every_steps, run.steps):
                self._log_scores(step)
        except Interrupted:
            return
        state.pending_evaluation = False

    def _log_scores(self, step: int) -> None:
        """Scores the game and logs the result, unless the log holds this step's scores already.

        Reports alarms, and decides whether the run stops early.
        """
        if any(record["step"] == step for record in self._log.scores):
            return
        assert self._compute_scores is not None
        try:
            with self._stop.interruptible():
                scores = self._compute_scores()
        except InputError as error:  # the generator has collapsed to one image, for example
            if step == 0:
                self._disable_scores(error)
            else:
                self._terminal.say(f"no score at step {step}: {error}")
            return
        run, state, log = self._run, self._state, self._log
        log.write_scores(step, scores)
        if step == 0:
            return
        state.metrics = {name: score.value for name, score in scores.items()}
        alarms = diagnostics.score_alarms(log.scores, log.windows, tuple(run.settings))
        self._report_alarms("scores", alarms)
        name = deciding_score(scores, run.best_by)
        if run.stop_after and early_stopping.is_over(log.scores, name, run.stop_after):
            state.stopped_early = True
            self._terminal.say(
                f"stopping early at step {step}: {name} has not improved beyond its interval "
                f"in {run.stop_after} scores; --stop-after 0 goes on"
            )

    def _make_scorer(self) -> Callable[[], Scores] | None:
        """Returns the function that scores the game; None if no scores are wanted or possible."""
        if not self._run.evaluate_every_steps:
            return None
        try:
            return evaluator.make_scorer(self._game, self._data, self._run.seed)
        except InputError as error:
            self._disable_scores(error)
            return None

    def _disable_scores(self, error: InputError) -> None:
        self._compute_scores = None
        self._terminal.say(f"no scores while training ({error}); --eval-every 0 asks for none")

    def _log_window(self, names: Sequence[str]) -> None:
        """Writes the means of the open log window, reports alarms, and opens the next window."""
        state, run = self._state, self._run
        means = state.window_sums[: len(names)] / state.window_steps
        values = {name: float(mean) for name, mean in zip(names, means, strict=True)}
        images = state.window_steps * run.batch_size
        values["images_per_second"] = images / max(state.window_seconds, 1e-9)
        self._log.write_window(state.step, values)
        alarms = diagnostics.alarms(self._log.windows, tuple(run.settings))
        self._report_alarms("windows", alarms)
        state.window_steps, state.window_seconds = 0, 0.0
        state.window_sums = np.zeros_like(state.window_sums)

    def _report_alarms(self, source: str, alarms: Sequence[diagnostics.Alarm]) -> None:
        """Logs the active alarms; prints those that were not active the last time."""
        step, before = self._state.step, self._active_alarms.get(source, set())
        self._active_alarms[source] = {alarm.name for alarm in alarms}
        for alarm in alarms:
            self._log.write(step, {"warning": alarm.message})
            if alarm.name not in before:
                self._terminal.say(f"warning at step {step}: {alarm.message}")

    def _save(self) -> bool:
        """Writes a checkpoint; returns False, and writes nothing, if a variable is not finite."""
        self._log.flush()
        try:
            train_state.save(self._run_dir, self._run, self._game, self._data.spec, self._state)
        except FloatingPointError:
            return False
        self._saved_step, self._initial = self._state.step, None
        checkpoints.prune(self._run_dir, self._run.keep, self._run.best_by)
        return True

    def _open_log(self) -> None:
        self._log = MetricsLog(self._run_dir, self._state.step, self._state.rollbacks)

    def _log_data_faults(self) -> None:
        """Logs how many images were left out, once in a run, and how many reads were retried."""
        data, step = self._data, self._state.step
        logged = any(SKIPPED in record for record in metrics_log.read(self._run_dir))
        if data.all_skipped and not logged:
            self._log.write(step, {SKIPPED: len(data.all_skipped)})
        if data.retried:
            self._log.write(step, {RETRIED: len(data.retried)})


def _is_due(step: int, every: int, last: int) -> bool:
    return every > 0 and (step % every == 0 or step == last)

"""What the chief alone does between visits: log, alarms, samples, scores, checkpoints."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluation import InputError
from gantf.generation import image_grid
from gantf.runs import checkpoints, locks, metrics_log
from gantf.runs import run_dir as rundir
from gantf.runs.checkpoints import Checkpoint
from gantf.runs.metrics_log import ROLLBACK_MARK, RunLog, Terminal
from gantf.runs.run_dir import Progress
from gantf.training import diagnostics, early_stopping, evaluator, sample_grid
from gantf.training.preemption import BrokenOff, Stop

if TYPE_CHECKING:
    from gantf.training.trainer import Ready

SKIPPED, RETRIED = "data_skipped", "data_retried"  # in the log


class Chief:
    """The one process that writes."""

    def __init__(
        self, ready: "Ready", run_dir: Path, progress: Progress, stop: Stop, terminal: Terminal
    ):
        """Opens the log; arguments as for `Visits`."""
        self._run, self._game, self._data = ready.run, ready.game, ready.data
        self._run_dir, self._progress, self._stop = run_dir, progress, stop
        self._terminal, self._saved_step = terminal, progress.step
        self._sounding: dict[str, set[str]] = {}  # the alarms that hold, by what they judge
        self._initial = None if progress.step else checkpoints.values_of(self._game.variables())
        self._open_log()
        self._count_data_faults()
        self._score = self._scorer()
        self._draw, self._columns = sample_grid.make(self._game, self._data, self._run.seed)

    def close(self) -> None:
        """Closes the log."""
        self._log.close()

    def begin(self) -> None:
        """The first samples and scores, or those of a run that goes on and still owes them."""
        step = self._progress.step
        if step == 0 or self._progress.owed:
            self._look(step)
            if step:
                self._save()

    def attend(self, names: Sequence[str]) -> bool:
        """All that is due after a visit; False if a variable is not finite.

        Args:
          names: of what the steps log.
        """
        locks.check(self._run_dir)
        run, progress = self._run, self._progress
        done = progress.step
        if done % run.log_every_steps == 0:
            self._log_window(names)
        progress.metrics = {}
        self._look(done)
        if _is_due(done, run.checkpoint_every_steps, run.steps) or progress.stopped_early:
            return self._save()
        return True

    def leave(self) -> None:
        """Saves before a stop, if that is not done."""
        if self._progress.step != self._saved_step:
            locks.check(self._run_dir)
            self._save()

    def last_good(self) -> Checkpoint:
        """The newest whole checkpoint, or the start of the run."""
        checkpoint, damaged = checkpoints.newest(self._run_dir)
        for path, reason in damaged:
            self._terminal.say(f"{path} is damaged ({reason}); passing it over")
        if checkpoint is None:
            assert self._initial is not None
            checkpoint = Checkpoint(0, self._initial, Progress().to_dict())
        return checkpoint

    def note_rollback(self, step: int, player: str) -> None:
        """Logs and saves that the run has gone back, of a fault at a step and of a player."""
        self._log.close()
        self._open_log()
        told = {ROLLBACK_MARK: self._progress.rollbacks, "fault_step": step, "player": player}
        self._log.write(self._progress.step, told)
        self._save()

    def _look(self, step: int) -> None:
        """Draws and scores what is due at a step; if a stop is asked for, later."""
        run, progress = self._run, self._progress
        progress.owed = True
        try:
            if _is_due(step, run.sample_every_steps, run.steps):
                with self._stop.breakable():
                    images = self._draw()
                path = self._run_dir / "samples" / f"step-{step:08d}.png"
                image_grid.save(images, path, self._columns)
            if self._score and _is_due(step, run.evaluate_every_steps, run.steps):
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
        alarms = diagnostics.score_alarms(log.scores, log.windows, tuple(run.settings))
        self._sound("scores", alarms)
        name = early_stopping.chosen(scores, run.best_by)
        if run.stop_after and early_stopping.is_over(log.scores, name, run.stop_after):
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
            return evaluator.make_scorer(self._game, self._data, self._run.seed)
        except InputError as error:
            self._no_scores(error)
            return None

    def _no_scores(self, error: InputError) -> None:
        self._score = None
        self._terminal.say(f"no scores while training ({error}); --eval-every 0 asks for none")

    def _log_window(self, names: Sequence[str]) -> None:
        """Writes the means of the open window, and sounds the alarms."""
        progress, run = self._progress, self._run
        means = progress.window_sums[: len(names)] / progress.window_steps
        values = {name: float(mean) for name, mean in zip(names, means, strict=True)}
        images_seen = progress.window_steps * run.batch_size
        values["images_per_second"] = images_seen / max(progress.window_seconds, 1e-9)
        self._log.write_window(progress.step, values)
        self._sound("windows", diagnostics.alarms(self._log.windows, tuple(run.settings)))
        progress.window_steps, progress.window_seconds = 0, 0.0
        progress.window_sums = np.zeros_like(progress.window_sums)

    def _sound(self, source: str, alarms: Sequence[diagnostics.Alarm]) -> None:
        """Logs the alarms that hold; says those that did not the last time."""
        step, before = self._progress.step, self._sounding.get(source, set())
        self._sounding[source] = {alarm.name for alarm in alarms}
        for alarm in alarms:
            self._log.write(step, {"warning": alarm.message})
            if alarm.name not in before:
                self._terminal.say(f"warning at step {step}: {alarm.message}")

    def _save(self) -> bool:
        """Writes a checkpoint; False if a variable is not finite, when nothing is written."""
        self._log.flush()
        try:
            rundir.save(self._run_dir, self._run, self._game, self._data.spec, self._progress)
        except FloatingPointError:
            return False
        self._saved_step, self._initial = self._progress.step, None
        checkpoints.prune(self._run_dir, self._run.keep, self._run.best_by)
        return True

    def _open_log(self) -> None:
        self._log = RunLog(self._run_dir, self._progress.step, self._progress.rollbacks)

    def _count_data_faults(self) -> None:
        """Counts in the log what of the data was left out, once for a run, and what was retried."""
        data, step = self._data, self._progress.step
        if data.all_skipped and not any(
            SKIPPED in line for line in metrics_log.read(self._run_dir)
        ):
            self._log.write(step, {SKIPPED: len(data.all_skipped)})
        if data.retried:
            self._log.write(step, {RETRIED: len(data.retried)})


def _is_due(step: int, every: int, last: int) -> bool:
    return every > 0 and (step % every == 0 or step == last)

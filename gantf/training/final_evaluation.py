"""Scores the best checkpoint again, on samples that did not help to choose it.

The best of several scores is too good: part of it is the luck of the latents that chose it.
`best.json` holds both scores, when chosen and on fresh samples. The generator of the checkpoint is
exported to `best/`.
"""

import json
from pathlib import Path

from evaluation import InputError
from gantf import config
from gantf.console import Terminal
from gantf.data.loading import TrainingData
from gantf.game import Game
from gantf.generation import export
from gantf.runs import checkpoints, files, restore
from gantf.runs.scores import Scores, deciding_score, to_record
from gantf.training import evaluator

FILE = "best.json"


def is_current(run_dir: Path, best_by: str) -> bool:
    """Returns whether `best.json` describes the run's best checkpoint, or none has a score."""
    step = checkpoints.best(run_dir, best_by)
    try:
        return step is None or json.loads((run_dir / FILE).read_text())["step"] == step
    except (OSError, ValueError, KeyError, TypeError):
        return False


def score_best(
    run: config.RunConfig, run_dir: Path, game: Game, data: TrainingData, terminal: Terminal
) -> None:
    """Scores the best checkpoint on fresh latents and real images, and exports its generator.

    Args:
      run: the configuration; its `best_by` decides which checkpoint is the best.
      run_dir: the run's directory.
      game: the game; its variables take the checkpoint's values and then their own again.
      data: the training data.
      terminal: prints both scores.
    """
    best = checkpoints.choose(run_dir, "best", run.best_by)
    try:
        with restore.temporarily(best, game):
            export.save(game, run, data.spec, best.step, export.export_dir(run_dir, "best"))
            scores = evaluator.make_scorer(game, data, run.seed, fresh=True)()
    except InputError as error:
        terminal.say(f"the best checkpoint, step {best.step}, has no fresh score: {error}")
        return
    name = deciding_score(scores, run.best_by)
    _write(run_dir / FILE, best, name, scores)
    before, after = best.meta["metrics"].get(name), scores.get(name)
    if before is None or after is None:
        return
    interval = f" [{after.low:.4g}, {after.high:.4g}]" if after.has_interval else ""
    terminal.say(
        f"best checkpoint, step {best.step}: {name} {before:.4g} when it was chosen, "
        f"{after.value:.4g}{interval} on fresh samples"
    )


def _write(path: Path, best: checkpoints.Checkpoint, name: str, scores: Scores) -> None:
    content = {
        "step": best.step,
        "best_by": name,
        "when_chosen": dict(best.meta["metrics"]),
        "fresh_samples": to_record(scores),
    }
    files.write(path, f"{json.dumps(content, indent=1)}\n".encode())

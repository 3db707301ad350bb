"""The best checkpoint, scored again on samples that had no part in choosing it.

The best of several scores is too good: some of it is luck of the latents by which it was chosen.
`best.json` keeps both: what it had when it was chosen, and what it has on fresh latents. Its
generator is exported to `best/`.
"""

import json
import os
from pathlib import Path
from typing import Any

from evaluation import InputError
from gantf import config
from gantf.console import Terminal
from gantf.data.loading import TrainingData
from gantf.game import Game
from gantf.generation import export
from gantf.runs import checkpoints
from gantf.runs.scores import Scores
from gantf.training import evaluator

FILE = "best.json"


def is_current(run_dir: Path, best_by: str) -> bool:
    """Whether `best.json` is of the run's best checkpoint, or no checkpoint has a score."""
    step = checkpoints.best(run_dir, best_by)
    try:
        return step is None or json.loads((run_dir / FILE).read_text())["step"] == step
    except (OSError, ValueError, KeyError, TypeError):
        return False


def best(
    run: config.RunConfig, run_dir: Path, game: Game, data: TrainingData, terminal: Terminal
) -> None:
    """Scores the best checkpoint on fresh latents and real images, and exports it; tells of it.

    Args:
      run: whose `best_by` says which checkpoint is the best.
      run_dir: where the checkpoints are.
      game: whose variables are set to the checkpoint's for the while, and then set back.
      data: of the run.
      terminal: where to tell it.
    """
    chosen = checkpoints.choose(run_dir, "best", run.best_by)
    now = checkpoints.Checkpoint(0, checkpoints.values_of(game.variables()), {})
    try:
        checkpoints.restore(chosen, game.variables())
        export.save(game, run, data.spec, chosen.step, export.home(run_dir, "best"))
        scores = evaluator.make_scorer(game, data, run.seed, fresh=True)()
    except InputError as error:
        terminal.say(f"the best checkpoint, step {chosen.step}, has no fresh score: {error}")
        return
    finally:
        checkpoints.restore(now, game.variables())
    name = chosen(scores, run.best_by)
    _write(run_dir / FILE, chosen, name, scores)
    before, after = chosen.meta["metrics"].get(name), scores.get(name)
    if before is None or after is None:
        return
    low, high = after.low, after.high
    interval = "" if low is None or high is None else f" [{low:.4g}, {high:.4g}]"
    terminal.say(
        f"best checkpoint, step {chosen.step}: {name} {before:.4g} when it was chosen, "
        f"{after.value:.4g}{interval} on fresh samples"
    )


def _write(path: Path, chosen: checkpoints.Checkpoint, name: str, scores: Scores) -> None:
    fresh: dict[str, Any] = {}
    for metric, score in scores.items():
        fresh[metric] = score.value
        if score.low is not None and score.high is not None:
            fresh |= {f"{metric}_low": score.low, f"{metric}_high": score.high}
    content = {
        "step": chosen.step,
        "best_by": name,
        "when_chosen": dict(chosen.meta["metrics"]),
        "fresh_samples": fresh,
    }
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(temporary, path)

"""Compares the step that is lowered for TPUs with the trainer's step, both on this CPU.

    python tools/tpu/parity.py MODEL OUT.json

The lowered step has tensors in place of variables (lowering.py). This program runs some steps of it
on the model's default data, and the same steps of `gantf.training.step.train_step` with variables.
"""

import json
import sys
from pathlib import Path

from evaluation import import_tensorflow

tf = import_tensorflow()

import lowering  # noqa: E402
import numpy as np  # noqa: E402

BATCH, STEPS, SEED = 8, 3, 0


def main(name: str, out: Path) -> None:
    """Writes the largest difference and the name of the value that has it."""
    from gantf import models
    from gantf.data import loading, pipeline
    from gantf.game import build_game
    from gantf.training import step

    model = models.load(name)
    read = loading.load(models.defaults(model).data, models.needs(model))
    game = build_game(model, model.Config(), read.spec, SEED)
    step.make_steps(game, tf.distribute.get_strategy(), BATCH, SEED)
    dataset = pipeline.make_dataset(read.sets, SEED, BATCH)(tf.distribute.InputContext())
    rows = iter(dataset)
    fed = [tuple(next(rows) for _ in range(game.batches_per_step)) for _ in range(STEPS)]

    stand_in, trainer = _with_stand_ins(game, fed), _with_variables(game, fed, step.train_step)
    differences = {key: _difference(stand_in[key], trainer[key]) for key in trainer}
    worst = max(differences, key=lambda key: differences[key])
    report = {"difference": differences[worst], "of": worst, "compared": len(trainer)}
    out.write_text(json.dumps(report | {"batch": BATCH, "steps": STEPS}, indent=1) + "\n")


def _with_stand_ins(game, fed) -> dict[str, np.ndarray]:
    """Runs the lowered function on the variables' values; the variables must not change."""
    keys = list(fed[0][0])
    names: list[str] = []
    run = tf.function(lowering.without_variables(game, keys, BATCH, names))
    before = {key: variable.numpy() for key, variable in game.variables().items()}
    values = [tf.constant(value) for value in before.values()]
    outputs: dict[str, np.ndarray] = {}
    for number, batches in enumerate(fed):
        inputs = [batch[key] for batch in batches for key in keys]
        results = run(tf.constant(number, tf.int64), *inputs, *values)
        values = results[len(names) :]
        outputs |= {
            f"{name}, step {number}": one.numpy() for name, one in zip(names, results, strict=False)
        }
    for key, variable in game.variables().items():
        np.testing.assert_array_equal(variable.numpy(), before[key], key)
    return outputs | {key: value.numpy() for key, value in zip(before, values, strict=True)}


def _with_variables(game, fed, train_step) -> dict[str, np.ndarray]:
    """Runs the trainer's step."""
    run = tf.function(lambda batches, number: train_step(game, batches, number, BATCH, SEED))
    outputs: dict[str, np.ndarray] = {}
    for number, batches in enumerate(fed):
        logged = run(batches, tf.constant(number, tf.int64))
        outputs |= {f"{name}, step {number}": value.numpy() for name, value in logged.items()}
    return outputs | {key: variable.numpy() for key, variable in game.variables().items()}


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    """Returns the largest difference, as a fraction of the largest value."""
    one, other = (np.asarray(values, np.float64) for values in (one, other))
    largest = np.abs(other).max(initial=0.0)
    return float(np.abs(one - other).max(initial=0.0) / (largest or 1.0))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

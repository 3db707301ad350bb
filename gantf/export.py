"""A trained generator -> a SavedModel that needs no gantf, with `generator.json` beside it.

`generator.json` (format 1) tells what a reader must know: the signature's name, the latents (dim,
law), labels or null, the images' size, range and layout, the data and step it was trained on.
"""

import importlib.metadata
import json
import os
import shutil
from pathlib import Path

import keras
import tensorflow as tf

from gantf.config import RunConfig
from gantf.game import Game

SIGNATURE = "serving_default"
CONTRACT_FILE = "generator.json"


def save(game: Game, config: RunConfig, step: int, run_dir: Path, checkpoint: str = "last") -> Path:
    """Writes `run_dir/generator`; an older one is moved aside first, and removed at the end.

    Args:
      game: its `generator` is what is written.
      config: of the run.
      step: steps done.
      run_dir: where.
      checkpoint: what the user called it: "last", "best" or a step.

    Returns:
      The directory of the SavedModel.
    """
    target = run_dir / "generator"
    temporary = run_dir / ".generator.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    _write_saved_model(game.generator, temporary)
    contract = describe(game, config, step) | {"checkpoint": checkpoint}
    (temporary / CONTRACT_FILE).write_text(json.dumps(contract, indent=1))
    old = run_dir / ".generator.old"
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.replace(target, old)
    os.replace(temporary, target)
    shutil.rmtree(old, ignore_errors=True)
    return target


def is_current(run_dir: Path, step: int) -> bool:
    """Whether a generator is there, and is of this step if it was to follow the training."""
    try:
        contract = json.loads((run_dir / "generator" / CONTRACT_FILE).read_text())
    except (OSError, ValueError):
        return False
    return contract.get("checkpoint") != "last" or contract.get("step") == step


def describe(game: Game, config: RunConfig, step: int) -> dict:
    """The content of `generator.json`."""
    height, width, channels = game.generator.output_shape[1:]
    is_folder = config.data.startswith("folder:")
    name, _, split = config.data.partition(":")
    return {
        "format": 1,
        "model": config.model,
        "signature": SIGNATURE,
        "latents": {"dim": game.latents.dim, "law": game.latents.law},
        "labels": None,
        "images": {
            "height": height,
            "width": width,
            "channels": channels,
            "range": [-1.0, 1.0],
            "layout": "NHWC",
        },
        "data": {
            "name": config.data if is_folder else name,
            "size_px": config.size_px,
            "split": "train" if is_folder else split or "train",
            "skip_corrupt": config.skip_corrupt,
        },
        "step": step,
        "seed": config.seed,
        "averaged": any(average.average is game.generator for average in game.averages),
        "versions": {
            name: importlib.metadata.version(name) for name in ("gantf", "tensorflow", "keras")
        },
    }


def _write_saved_model(generator: keras.Model, path: Path) -> None:
    """Exports a copy that lives on one plain device, whatever strategy trained the original."""
    copy = keras.models.clone_model(generator)
    copy.set_weights(generator.get_weights())
    module = tf.Module()
    module.variables_ = [variable.value for variable in copy.variables]

    @tf.function(input_signature=[tf.TensorSpec((None, *copy.input_shape[1:]), name="latents")])
    def sample(latents):
        return {"images": copy(latents, training=False)}

    tf.saved_model.save(module, str(path), signatures={SIGNATURE: sample})

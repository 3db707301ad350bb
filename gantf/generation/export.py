"""Exports trained generators as SavedModels that need no gantf, each with a `generator.json`.

`generator.json` (format 1) describes the generator: the signature's name, the latents (dim, law),
the labels or null, the images' size, range and layout, the training data and the step.
"""

import importlib.metadata
import json
import os
import shutil
from pathlib import Path

import keras
import tensorflow as tf

from gantf import noise
from gantf.config import RunConfig
from gantf.game import DataSpec, Game

SIGNATURE = "serving_default"
CONTRACT_FILE = "generator.json"
DTYPES = {"label": tf.int64, "tokens": tf.int64}


def export_dir(run_dir: Path, checkpoint: str = "last") -> Path:
    """Returns the directory of a checkpoint's generators: RUN, RUN/best or RUN/step-1000."""
    return run_dir / {"last": "", "best": "best"}.get(checkpoint, f"step-{checkpoint}")


def generator_dir(directory: Path, name: str) -> Path:
    """Returns the directory of one generator: generator, or generator_NAME in a game of several."""
    return directory / ("generator" if name == "generator" else f"generator_{name}")


def save(
    game: Game,
    config: RunConfig,
    data: DataSpec,
    step: int,
    directory: Path,
) -> list[Path]:
    """Writes every generator of a game, and replaces older exports of the same name.

    Args:
      game: the game with the generators.
      config: the run's configuration.
      data: the data that the game was built for.
      step: number of training steps done.
      directory: the target, created if it does not exist; see `export_dir`.

    Returns:
      The directories of the SavedModels.
    """
    targets = []
    directory.mkdir(parents=True, exist_ok=True)
    for name, network in game.generators.items():
        target = generator_dir(directory, name)
        temporary = directory / f".{target.name}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        _write_saved_model(game, network, temporary)
        contract = describe(game, network, config, data, step)
        (temporary / CONTRACT_FILE).write_text(json.dumps(contract, indent=1))
        old = directory / f".{target.name}.old"
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            os.replace(target, old)
        os.replace(temporary, target)
        shutil.rmtree(old, ignore_errors=True)
        targets.append(target)
    return targets


def is_current(directory: Path, game: Game, step: int) -> bool:
    """Whether all generators of the game are exported there at this step."""
    for name in game.generators:
        try:
            contract = json.loads((generator_dir(directory, name) / CONTRACT_FILE).read_text())
        except (OSError, ValueError):
            return False
        if contract.get("step") != step:
            return False
    return True


def describe(
    game: Game, network: keras.Model, config: RunConfig, data: DataSpec, step: int
) -> dict:
    """Returns the content of `generator.json`."""
    height, width, channels = network.output.shape[1:]
    is_path = config.data.startswith("folder:") or "," in config.data
    name, _, split = config.data.partition(":")
    latents = labels = None
    if game.latents is not None and "latents" in network.input:
        latents = {"dim": game.latents.dim, "law": game.latents.distribution}
    if "label" in network.input:
        labels = {
            "classes": len(game.label_fractions),
            "law": list(game.label_fractions),
            "names": list(data.class_names),
        }
    return {
        "format": 1,
        "model": config.model,
        "signature": SIGNATURE,
        "inputs": sorted(network.input),
        "latents": latents,
        "labels": labels,
        "tokens": _describe_tokens(game) if "tokens" in network.input else None,
        "images": {
            "height": height,
            "width": width,
            "channels": channels,
            "range": [-1.0, 1.0],
            "layout": "NHWC",
        },
        "upscaling": game.translator.upscaling if game.translator else 1,
        "data": {
            "name": config.data if is_path else name,
            "size_px": config.size_px,
            "split": "train" if is_path else split or "train",
            "skip_corrupt": config.skip_corrupt,
        },
        "step": step,
        "seed": config.seed,
        "averaged": any(average.average is network for average in game.averages),
        "versions": {
            name: importlib.metadata.version(name) for name in ("gantf", "tensorflow", "keras")
        },
    }


def _describe_tokens(game: Game) -> dict:
    """Returns all captions as texts and tokens, with their probabilities.

    The captions of a class share the probability of the class equally.
    """
    assert game.text is not None
    texts = [
        (text, len(texts), fraction)
        for texts, fraction in zip(game.text.captions, game.label_fractions, strict=True)
        for text in texts
    ]
    return {
        "texts": [text for text, _, _ in texts],
        "rows": [[int(token) for token in game.text.tokens_of(text)] for text, _, _ in texts],
        "law": [fraction / count for _, count, fraction in texts],
    }


def _write_saved_model(game: Game, network: keras.Model, path: Path) -> None:
    """Exports a copy on one plain device, whatever strategy trained the original.

    The signature clips images to [-1, 1], as 8-bit files do. It has an input "seed" if the
    generator draws noise of its own. Its input for the labels is "labels", as in `evaluation`.
    """
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    module = tf.Module()
    module.variables_ = [variable.value for variable in copy.variables]
    names = {name: "labels" if name == "label" else name for name in copy.input}
    specs = {
        names[name]: tf.TensorSpec(tensor.shape, DTYPES.get(name, tf.float32), names[name])
        for name, tensor in copy.input.items()
    }
    if game.has_test_noise:
        specs["seed"] = tf.TensorSpec((), tf.int64, "seed")

    def sample(**inputs):
        seed = inputs.pop("seed", None)
        named = {name: inputs[names[name]] for name in copy.input}
        if seed is None:
            images = copy(named, training=False)
        else:
            rows = tf.shape(next(iter(named.values())))[0]
            with noise.scope(noise.of_seed(seed, rows)):
                images = copy(named, training=False)
        return {"images": tf.clip_by_value(tf.cast(images, tf.float32), -1.0, 1.0)}

    function = tf.function(sample).get_concrete_function(**specs)
    tf.saved_model.save(module, str(path), signatures={SIGNATURE: function})

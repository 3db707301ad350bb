"""Trained generators -> SavedModels that need no gantf, each with `generator.json` beside it.

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

from gantf import noise
from gantf.config import RunConfig
from gantf.game import DataSpec, Game

SIGNATURE = "serving_default"
CONTRACT_FILE = "generator.json"
DTYPES = {"label": tf.int64, "tokens": tf.int64}


def home(run_dir: Path, checkpoint: str = "last") -> Path:
    """Where the generators of a checkpoint are exported: RUN, RUN/best or RUN/step-1000."""
    return run_dir / {"last": "", "best": "best"}.get(checkpoint, f"step-{checkpoint}")


def folder(place: Path, name: str) -> Path:
    """Where a game's generator is exported: PLACE/generator, or PLACE/generator_NAME of several."""
    return place / ("generator" if name == "generator" else f"generator_{name}")


def save(
    game: Game,
    config: RunConfig,
    data: DataSpec,
    step: int,
    place: Path,
) -> list[Path]:
    """Writes every generator; older ones are moved aside first, and removed at the end.

    Args:
      game: its `generators` are what is written.
      config: of the run.
      data: that it was built for.
      step: steps done.
      place: where, made if it is not there; see `home`.

    Returns:
      The directories of the SavedModels.
    """
    targets = []
    place.mkdir(parents=True, exist_ok=True)
    for name, network in game.generators.items():
        target = folder(place, name)
        temporary = place / f".{target.name}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        _write_saved_model(game, network, temporary)
        contract = describe(game, network, config, data, step)
        (temporary / CONTRACT_FILE).write_text(json.dumps(contract, indent=1))
        old = place / f".{target.name}.old"
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            os.replace(target, old)
        os.replace(temporary, target)
        shutil.rmtree(old, ignore_errors=True)
        targets.append(target)
    return targets


def is_current(place: Path, game: Game, step: int) -> bool:
    """Whether all generators are there, and of this step."""
    for name in game.generators:
        try:
            contract = json.loads((folder(place, name) / CONTRACT_FILE).read_text())
        except (OSError, ValueError):
            return False
        if contract.get("step") != step:
            return False
    return True


def describe(
    game: Game, network: keras.Model, config: RunConfig, data: DataSpec, step: int
) -> dict:
    """The content of `generator.json`."""
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
    """Every caption as text and as tokens, with its share: its class's, by the number of them."""
    assert game.text is not None
    texts = [
        (text, len(texts), share)
        for texts, share in zip(game.text.captions, game.label_fractions, strict=True)
        for text in texts
    ]
    return {
        "texts": [text for text, _, _ in texts],
        "rows": [[int(token) for token in game.text.tokens_of(text)] for text, _, _ in texts],
        "law": [share / count for _, count, share in texts],
    }


def _write_saved_model(game: Game, network: keras.Model, path: Path) -> None:
    """Exports a copy that lives on one plain device, whatever strategy trained the original.

    Images are cut to [-1, 1], as files of 8 bits are. A generator with noise of its own takes a
    "seed", too. The evaluation's name for labels is "labels".
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
        given = {name: inputs[names[name]] for name in copy.input}
        if seed is None:
            images = copy(given, training=False)
        else:
            rows = tf.shape(next(iter(given.values())))[0]
            with noise.scope(noise.of_seed(seed, rows)):
                images = copy(given, training=False)
        return {"images": tf.clip_by_value(tf.cast(images, tf.float32), -1.0, 1.0)}

    function = tf.function(sample).get_concrete_function(**specs)
    tf.saved_model.save(module, str(path), signatures={SIGNATURE: function})

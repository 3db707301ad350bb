"""Drawing what a game's generators are fed, and images from them."""

from collections.abc import Callable, Mapping

import keras
import numpy as np

from evaluation import InputError
from gantf import noise
from gantf.game import Game

Inputs = Mapping[str, np.ndarray]
BATCH_IMAGES = 250


def draw_inputs(
    game: Game,
    count: int,
    rng: np.random.Generator,
    labels: np.ndarray | None = None,
    prompt: str | None = None,
) -> dict[str, np.ndarray]:
    """What a game's generator is fed to draw `count` images, by the names of its inputs.

    Args:
      game: one that generates, not one that translates images.
      count: rows.
      rng: of the latents; of labels and captions too, where none are given.
      labels: of the rows, shape (count,).
      prompt: the text of all rows.

    Raises:
      InputError: labels or a prompt for a game without such an input, or such as it cannot read.
    """
    wanted = next(iter(game.generators.values())).input
    inputs: dict[str, np.ndarray] = {}
    if game.latents is not None and "latents" in wanted:
        shape = (count, game.latents.dim)
        if game.latents.distribution == "normal":
            inputs["latents"] = rng.standard_normal(shape, dtype=np.float32)
        else:
            inputs["latents"] = rng.uniform(-1.0, 1.0, shape).astype(np.float32)
    if labels is not None and not game.label_fractions:
        raise InputError("--label: the model is not conditional; leave it out.")
    if prompt is not None and game.text is None:
        raise InputError("--prompt: the model does not read texts; leave it out.")
    if "label" in wanted or "tokens" in wanted:
        if labels is None:
            shares = np.asarray(game.label_fractions) / np.sum(game.label_fractions)
            labels = rng.choice(len(shares), count, p=shares)
        labels = labels.astype(np.int64)
    if "label" in wanted:
        assert labels is not None
        inputs["label"] = labels
    if "tokens" in wanted:
        assert game.text is not None
        assert labels is not None
        texts = [prompt] * count if prompt is not None else _captions(game, labels, rng)
        inputs["tokens"] = np.array([game.text.tokens_of(text) for text in texts], np.int64)
    return inputs


def classes_in_turn(game: Game, count: int) -> np.ndarray | None:
    """Labels 0, 1, 2, ... over and over, so that each class is seen; None without labels."""
    return np.arange(count) % len(game.label_fractions) if game.label_fractions else None


def sample(
    network: keras.Model,
    inputs: Inputs,
    convert: Callable[[np.ndarray], np.ndarray] = np.asarray,
    seed: int = 0,
    batch_size: int = BATCH_IMAGES,
) -> np.ndarray:
    """Images (n, H, W, C) of a generator, in [-1, 1] before `convert` sees each batch.

    Args:
      network: one of a game's generators.
      inputs: by name, of n rows each.
      convert: what is kept of each batch.
      seed: of the noise that the generator draws of its own, if any.
      batch_size: rows at once.
    """
    count = len(next(iter(inputs.values())))
    batches = []
    for start in range(0, count, batch_size):
        part = {name: values[start : start + batch_size] for name, values in inputs.items()}
        rows = len(next(iter(part.values())))
        with noise.scope(noise.of_seed(seed * 1_000_003 + start, rows)):
            batches.append(convert(np.asarray(network(part, training=False))))
    return np.concatenate(batches)


def _captions(game: Game, labels: np.ndarray, rng: np.random.Generator) -> list[str]:
    """One of the captions of each label's class."""
    assert game.text is not None
    texts = [game.text.captions[int(label)] for label in labels]
    return [own[int(rng.integers(len(own)))] for own in texts]

"""Draws inputs for generators, and images from generators."""

import math
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from evaluation import InputError
from gantf import noise
from gantf.game import Game

Inputs = Mapping[str, np.ndarray]
BATCH_IMAGES = 250
BATCH_NUMBERS = BATCH_IMAGES * 64 * 64 * 3  # of the images in a batch; larger ones need less memory


def draw_inputs(
    game: Game,
    count: int,
    rng: np.random.Generator,
    labels: np.ndarray | None = None,
    prompt: str | None = None,
) -> dict[str, np.ndarray]:
    """Draws the inputs of a game's first generator, by their names, for `count` images.

    Args:
      game: a game whose generators do not take images.
      count: number of rows.
      rng: draws the latents, and also the labels and captions if the next arguments are None.
      labels: the classes, shape (count,).
      prompt: the text of all rows.

    Raises:
      InputError: the game has no input for the labels or the prompt, or cannot read the prompt.
    """
    input_names = next(iter(game.generators.values())).input
    inputs: dict[str, np.ndarray] = {}
    if game.latents is not None and "latents" in input_names:
        shape = (count, game.latents.dim)
        if game.latents.distribution == "normal":
            inputs["latents"] = rng.standard_normal(shape, dtype=np.float32)
        else:
            inputs["latents"] = rng.uniform(-1.0, 1.0, shape).astype(np.float32)
    if labels is not None and not game.label_fractions:
        raise InputError("--label: the model is not conditional; leave it out.")
    if prompt is not None and game.text is None:
        raise InputError("--prompt: the model does not read texts; leave it out.")
    if "label" in input_names or "tokens" in input_names:
        if labels is None:
            fractions = np.asarray(game.label_fractions) / np.sum(game.label_fractions)
            labels = rng.choice(len(fractions), count, p=fractions)
        labels = labels.astype(np.int64)
    if "label" in input_names:
        assert labels is not None
        inputs["label"] = labels
    if "tokens" in input_names:
        assert game.text is not None
        assert labels is not None
        texts = [prompt] * count if prompt is not None else _captions(game, labels, rng)
        inputs["tokens"] = np.array([game.text.tokens_of(text) for text in texts], np.int64)
    return inputs


def classes_in_turn(game: Game, count: int) -> np.ndarray | None:
    """Returns the labels 0, 1, 2, ... and again from 0; None for a game without labels."""
    return np.arange(count) % len(game.label_fractions) if game.label_fractions else None


def rows_at_once(image_shape: Sequence[int | None]) -> int:
    """Returns how many images (H, W, C) pass a network in one batch; 250 up to 64 x 64 x 3."""
    sides = [side for side in image_shape if side]
    return max(min(BATCH_NUMBERS // math.prod(sides), BATCH_IMAGES), 1)


def sample(
    network: keras.Model,
    inputs: Inputs,
    convert: Callable[[np.ndarray], np.ndarray] = np.asarray,
    seed: int = 0,
    batch_size: int | None = None,
) -> np.ndarray:
    """Returns images (n, H, W, C) of a generator, in [-1, 1] unless `convert` changes them.

    Args:
      network: one of a game's generators.
      inputs: the inputs by their names, n rows each.
      convert: applied to each batch of images.
      seed: seed of the noise inside the generator, if it has any.
      batch_size: rows per batch; None: as many as `rows_at_once` says.
    """
    batch_size = batch_size or rows_at_once(network.output.shape[1:])
    count = len(next(iter(inputs.values())))
    batches = []
    for start in range(0, count, batch_size):
        batch = {name: values[start : start + batch_size] for name, values in inputs.items()}
        rows = len(next(iter(batch.values())))
        with noise.scope(noise.of_seed(seed * 1_000_003 + start, rows)):
            batches.append(convert(np.asarray(network(batch, training=False))))
    return np.concatenate(batches)


def _captions(game: Game, labels: np.ndarray, rng: np.random.Generator) -> list[str]:
    """Draws one caption for each label from the captions of its class."""
    assert game.text is not None
    captions = [game.text.captions[int(label)] for label in labels]
    return [texts[int(rng.integers(len(texts)))] for texts in captions]

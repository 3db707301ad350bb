"""The grid that a run shows of itself: images of the same latents, or inputs, over time."""

from collections.abc import Callable

import numpy as np

from gantf.data.loading import TrainingData
from gantf.game import Game
from gantf.generation import sampling
from gantf.training import evaluator

IMAGES = 64
TRANSLATED = 8


def make(game: Game, data: TrainingData, seed: int) -> tuple[Callable[[], np.ndarray], int]:
    """A function that draws the grid's images as they are now, and the columns of the grid.

    Generators show `IMAGES` samples, of each class in turn; translators a row for each of some
    held-out images: what is given, what comes of it, and what should, where that is known.
    """
    rng = np.random.default_rng([seed, 0x641D])
    translator = game.translator
    if translator is None:
        labels = sampling.classes_in_turn(game, IMAGES)
        (network,) = game.generators.values()
        inputs = sampling.draw_inputs(game, IMAGES, rng, labels)
        columns = len(game.label_fractions) if 1 < len(game.label_fractions) <= 16 else 8
        return lambda: sampling.sample(network, inputs), columns
    pairs = translator.validation_pairs(
        evaluator.first_rows(data.held_out or data, TRANSLATED, rng)
    )

    def draw() -> np.ndarray:
        columns = []
        for name, network in game.generators.items():
            given, wanted = (np.asarray(images) for images in pairs[name])
            made = sampling.sample(network, {"image": given})
            columns += [given, made, wanted] if translator.paired else [given, made]
        return _side_by_side(columns)

    return draw, len(game.generators) * (3 if translator.paired else 2)


def _side_by_side(columns: list[np.ndarray]) -> np.ndarray:
    """Columns of images, at one size and with one number of channels, row after row."""
    height = max(images.shape[1] for images in columns)
    channels = max(images.shape[3] for images in columns)
    rows = min(len(images) for images in columns)
    fitted = []
    for images in columns:
        factor = height // images.shape[1]
        images = images[:rows].repeat(factor, axis=1).repeat(factor, axis=2)
        fitted.append(images.repeat(channels // images.shape[3], axis=3))
    return np.stack(fitted, axis=1).reshape(-1, *fitted[0].shape[1:])

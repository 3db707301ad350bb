"""The sample grid of a run: images of the same latents, or of the same inputs, over time."""

from collections.abc import Callable

import numpy as np

from gantf.data.loading import TrainingData
from gantf.game import Game
from gantf.generation import sampling
from gantf.training import evaluator

IMAGES = 64
FEWER, LARGE_PX = 16, 256  # images with larger sides are fewer
TRANSLATED = 8


def make(game: Game, data: TrainingData, seed: int) -> tuple[Callable[[], np.ndarray], int]:
    """Returns a function that draws the grid's images, and the number of its columns.

    A generator shows `IMAGES` samples, or `FEWER` large ones, with the classes in turn. A
    translator shows a row for each of some held-out images: the input, its translation, and the
    target if the data are paired.
    """
    rng = np.random.default_rng([seed, 0x641D])
    translator = game.translator
    if translator is None:
        large = max(data.spec.image_shape[:2]) > LARGE_PX
        count = FEWER if large else IMAGES
        labels = sampling.classes_in_turn(game, count)
        (network,) = game.generators.values()
        inputs = sampling.draw_inputs(game, count, rng, labels)
        columns = len(game.label_fractions)
        if large or not 1 < columns <= 16:
            columns = int(count**0.5)
        return lambda: sampling.sample(network, inputs), columns
    pairs = translator.validation_pairs(
        evaluator.first_rows(data.held_out or data, TRANSLATED, rng)
    )

    def draw() -> np.ndarray:
        columns = []
        for name, network in game.generators.items():
            inputs, targets = (np.asarray(images) for images in pairs[name])
            made = sampling.sample(network, {"image": inputs})
            columns += [inputs, made, targets] if translator.paired else [inputs, made]
        return _side_by_side(columns)

    return draw, len(game.generators) * (3 if translator.paired else 2)


def _side_by_side(columns: list[np.ndarray]) -> np.ndarray:
    """Joins columns of images row by row, at one size and with one number of channels."""
    height = max(images.shape[1] for images in columns)
    channels = max(images.shape[3] for images in columns)
    rows = min(len(images) for images in columns)
    fitted = []
    for images in columns:
        factor = height // images.shape[1]
        images = images[:rows].repeat(factor, axis=1).repeat(factor, axis=2)
        fitted.append(images.repeat(channels // images.shape[3], axis=3))
    return np.stack(fitted, axis=1).reshape(-1, *fitted[0].shape[1:])

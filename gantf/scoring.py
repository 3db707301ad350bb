"""How good the sampled generator is while it trains, by `evaluation`'s public functions."""

from collections.abc import Callable

import numpy as np

import evaluation
from gantf import grids
from gantf.game import Game

SAMPLES = 1000
METRICS = ("fid", "kid")


def make_scorer(
    game: Game, images: evaluation.Images, data: str, seed: int
) -> Callable[[], dict[str, float]]:
    """Prepares the scoring of a game against its training data.

    Args:
      game: whose `generator` is scored.
      images: the training data.
      data: its name, which chooses the features.
      seed: of the fixed latents and of the real images that are compared.

    Returns:
      A function without arguments: the metrics' values by name, e.g. {"fid": 3.1, "kid": 0.02}.

    Raises:
      InputError: too few images, or such as the metrics cannot judge; the function raises it too.
    """
    rng = np.random.default_rng([seed, 0x5C0E])
    features = evaluation.default_features(data, images.images.shape[1:])
    rows = np.sort(rng.permutation(len(images))[: 2 * SAMPLES])
    real = evaluation.extract(images.images[rows], features).features
    latents = draw_latents(game, SAMPLES, rng)

    def score() -> dict[str, float]:
        fake = evaluation.extract(sample(game, latents, grids.to_uint8), features).features
        result = evaluation.measure(real, fake, metrics=METRICS, seed=seed)
        return {name: float(result[name].value) for name in METRICS}

    return score


def draw_latents(game: Game, count: int, rng: np.random.Generator) -> np.ndarray:
    """Latents (count, dim) of the game's law, float32."""
    if game.latents.law == "normal":
        return rng.standard_normal((count, game.latents.dim), dtype=np.float32)
    return rng.uniform(-1.0, 1.0, (count, game.latents.dim)).astype(np.float32)


def sample(
    game: Game,
    latents: np.ndarray,
    convert: Callable[[np.ndarray], np.ndarray] = np.asarray,
    batch_size: int = 250,
) -> np.ndarray:
    """Images (n, H, W, C) of the sampled generator, in [-1, 1] before `convert` sees each batch."""
    batches = [
        convert(np.asarray(game.generator(latents[start : start + batch_size], training=False)))
        for start in range(0, len(latents), batch_size)
    ]
    return np.concatenate(batches)

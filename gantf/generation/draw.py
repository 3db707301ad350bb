"""`gantf sample`: samples, also of a class or a text, reconstructions and interpolations."""

from pathlib import Path

import numpy as np

import evaluation
from evaluation import InputError
from gantf.game import Game
from gantf.generation import sampling
from gantf.pixels import to_floats
from gantf.runs.restore import Restored

PAIRS_IN_A_ROW = 4


def draw(
    restored: Restored,
    count: int,
    seed: int = 0,
    label: str | None = None,
    prompt: str | None = None,
    truncation: float | None = None,
    reconstruct: Path | None = None,
    interpolate: tuple[Path, Path] | None = None,
) -> tuple[np.ndarray, int | None]:
    """Draws images for one grid.

    Args:
      restored: a run's game at a checkpoint.
      count: number of samples, steps of the interpolation, or largest number of reconstructions.
      seed: seed of the latents and the noise.
      label: a class, by its name or number.
      prompt: a text.
      truncation: see `Game.truncate`.
      reconstruct: a folder of images; each is returned beside its reconstruction.
      interpolate: two image files; returns steps from the first to the second.

    Returns:
      Images (n, H, W, C) in [-1, 1], and the number of columns of the grid; None for a square.

    Raises:
      InputError: the model lacks this ability, or the images do not fit it.
    """
    game = restored.game
    if game.translator is not None:
        raise InputError("the model translates images and draws no others; use `gantf translate`.")
    truncate(game, truncation)
    (network,) = game.generators.values()
    if reconstruct is not None or interpolate:
        _check_encoding(game, reconstruct, interpolate, label, prompt)
        if interpolate:
            return _interpolate(restored, network, interpolate, count), None
        assert reconstruct is not None
        return _reconstruct(restored, network, reconstruct, count)
    labels = None if label is None else np.full(count, label_number(restored, label))
    rng = np.random.default_rng(seed)
    inputs = sampling.draw_inputs(game, count, rng, labels, prompt)
    return sampling.sample(network, inputs, seed=seed), None


def _check_encoding(game: Game, reconstruct, interpolate, label, prompt) -> None:
    """Raises InputError if the model has no encoder, or other options exclude an encoder."""
    option = "--interpolate" if interpolate else "--reconstruct"
    if game.encoder is None:
        raise InputError(f"{option}: the model has no encoder; train vaegan.")
    if reconstruct is not None and interpolate:
        raise InputError("--reconstruct and --interpolate exclude each other; give one of them.")
    for other, value in {"--label": label, "--prompt": prompt}.items():
        if value is not None:
            raise InputError(f"{other} {value}: {option} starts from images; leave it out.")


def truncate(game: Game, truncation: float | None) -> None:
    """Sets the truncation of a game's generator, see `Game.truncate`; None changes nothing.

    Raises:
      InputError: the model has no truncation.
    """
    if truncation is None:
        return
    if game.truncate is None:
        raise InputError(f"--truncation {truncation}: the model has no truncation; use stylegan2.")
    game.truncate(truncation)


def label_number(restored: Restored, label: str) -> int:
    """Returns the number of a class from its name, or from its number if no class has that name.

    Raises:
      InputError: the class does not exist, or the model is not conditional.
    """
    names = restored.data.class_names
    if not restored.game.label_fractions:
        raise InputError(f"--label {label}: the model is not conditional; leave it out.")
    if label in names:
        return names.index(label)
    if label.isascii() and label.isdigit() and int(label) < len(names):
        return int(label)
    raise InputError(f"--label {label}: choose from {', '.join(names)}.")


def _reconstruct(restored: Restored, network, folder: Path, count: int):
    images = evaluation.load_images(f"folder:{folder}", None, restored.run.size_px).images[:count]
    images = _prepare_images(images, restored, f"--reconstruct {folder}")
    latents = _encode(restored.game, images)
    decoded = sampling.sample(network, {"latents": latents})
    pairs = np.stack([images, decoded], axis=1).reshape(-1, *images.shape[1:])
    return pairs, 2 * min(PAIRS_IN_A_ROW, len(images))


def _interpolate(restored: Restored, network, files: tuple[Path, Path], count: int) -> np.ndarray:
    """Decodes points on the line from one image's latents to the other's, both included."""
    if count < 2:
        raise InputError(f"--n {count}: --interpolate shows both ends; give at least 2.")
    images = np.concatenate(
        [
            _prepare_images(evaluation.read_image(file)[None], restored, f"--interpolate {file}")
            for file in files
        ]
    )
    first, last = _encode(restored.game, images)
    weights = np.linspace(0.0, 1.0, count, dtype=np.float32)[:, None]
    return sampling.sample(network, {"latents": (1 - weights) * first + weights * last})


def _encode(game: Game, images: np.ndarray) -> np.ndarray:
    assert game.encoder is not None
    return np.asarray(game.encoder({"image": images}, training=False))


def _prepare_images(images: np.ndarray, restored: Restored, option: str) -> np.ndarray:
    """Converts uint8 images to floats in [-1, 1] with the model's number of channels.

    Raises:
      InputError: the size differs from the model's, or the model takes gray images only.
    """
    height, width, channels = restored.data.image_shape
    if images.shape[1:3] != (height, width):
        raise InputError(
            f"{option}: images of {images.shape[1]} x {images.shape[2]}, the model takes "
            f"{height} x {width}; resize them."
        )
    if images.shape[3] == 1 < channels:
        images = np.repeat(images, 3, axis=3)
    if images.shape[3] > channels:
        raise InputError(f"{option}: images in colour, the model takes gray ones; convert them.")
    return to_floats(images)

"""What `gantf sample` draws: samples, of a class or text, reconstructions, ways between images."""

from pathlib import Path
from typing import Any

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
    """Images (n, H, W, C) in [-1, 1], and the columns to lay them in; None for a square.

    Args:
      restored: the game.
      count: samples, steps of an interpolation, or at most so many images to reconstruct.
      seed: of the latents and of the noise.
      label: a class, by its name or number.
      prompt: a text.
      truncation: see `Game.truncate`.
      reconstruct: a folder of images to encode and decode, each shown beside the result.
      interpolate: the files of two images between which to go.

    Raises:
      InputError: the model cannot do what is asked for, or the images do not fit it.
    """
    game = restored.game
    if game.translator is not None:
        raise InputError(
            "the model translates images and draws none of its own; use `gantf translate`."
        )
    truncate(game, truncation)
    (network,) = game.generators.values()
    if reconstruct is not None or interpolate:
        _check_encoding(game, reconstruct, interpolate, label, prompt)
        if interpolate:
            return _between(restored, network, interpolate, count), None
        assert reconstruct is not None
        return _reconstructions(restored, network, reconstruct, count)
    labels = None if label is None else np.full(count, label_number(restored, label))
    rng = np.random.default_rng(seed)
    inputs = sampling.draw_inputs(game, count, rng, labels, prompt)
    return sampling.sample(network, inputs, seed=seed), None


def _check_encoding(game: Game, reconstruct, interpolate, label, prompt) -> None:
    """Refuses what does not go with an image to start from."""
    option = "--interpolate" if interpolate else "--reconstruct"
    if game.encoder is None:
        raise InputError(f"{option}: the model has no encoder; train vaegan.")
    if reconstruct is not None and interpolate:
        raise InputError("--reconstruct and --interpolate make two grids; give one of them.")
    for other, value in {"--label": label, "--prompt": prompt}.items():
        if value is not None:
            raise InputError(f"{other} {value}: {option} starts from images; leave it out.")


def truncate(game: Game, truncation: float | None) -> None:
    """Sets how far samples stray from the average one.

    Raises:
      InputError: the model cannot.
    """
    if truncation is None:
        return
    if game.truncate is None:
        raise InputError("--truncation: the model has no average to draw towards; use stylegan2.")
    game.truncate(truncation)


def label_number(restored: Restored, label: str) -> int:
    """A class by its name, or by its number where no class has that name.

    Raises:
      InputError: there is no such class, or the model is not conditional.
    """
    names = restored.data.class_names
    if not restored.game.label_fractions:
        raise InputError(f"--label {label}: the model is not conditional; leave it out.")
    if label in names:
        return names.index(label)
    if label.isascii() and label.isdigit() and int(label) < len(names):
        return int(label)
    raise InputError(f"--label {label}: choose from {', '.join(names)}.")


def _reconstructions(restored: Restored, network, folder: Path, count: int):
    images = evaluation.load_images(f"folder:{folder}", None, restored.run.size_px).images[:count]
    images = _fitting(images, restored, f"--reconstruct {folder}")
    latents = _encode(restored.game, images)
    made = sampling.sample(network, {"latents": latents})
    pairs = np.stack([images, made], axis=1).reshape(-1, *images.shape[1:])
    return pairs, 2 * min(PAIRS_IN_A_ROW, len(images))


def _between(restored: Restored, network, files: tuple[Path, Path], count: int) -> np.ndarray:
    """Straight from the latents of one image to those of another, both included."""
    if count < 2:
        raise InputError(f"--n {count}: --interpolate shows both ends; give at least 2.")
    images = np.concatenate(
        [
            _fitting(evaluation.read_image(file)[None], restored, f"--interpolate {file}")
            for file in files
        ]
    )
    first, last = _encode(restored.game, images)
    shares = np.linspace(0.0, 1.0, count, dtype=np.float32)[:, None]
    return sampling.sample(network, {"latents": (1 - shares) * first + shares * last})


def _encode(game: Game, images: np.ndarray) -> np.ndarray:
    assert game.encoder is not None
    return np.asarray(game.encoder({"image": images}, training=False))


def _fitting(images: np.ndarray, restored: Restored, what: str) -> np.ndarray:
    """uint8 images as the model takes them: floats in [-1, 1] of its size and channels."""
    wanted: Any = restored.data.image_shape
    if images.shape[1:3] != wanted[:2]:
        raise InputError(
            f"{what}: images of {images.shape[1]} x {images.shape[2]}, the model takes "
            f"{wanted[0]} x {wanted[1]}; resize them."
        )
    if images.shape[3] == 1 < wanted[2]:
        images = np.repeat(images, 3, axis=3)
    if images.shape[3] > wanted[2]:
        raise InputError(f"{what}: images in colour, the model takes gray ones; convert them.")
    return to_floats(images)

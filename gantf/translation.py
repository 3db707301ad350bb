"""What `gantf translate` does: a folder of images of any size -> a folder of what a game makes."""

import os
from pathlib import Path

import keras
import numpy as np
from PIL import Image

import evaluation
from evaluation import InputError
from gantf import grids, sampling
from gantf.game import Game
from gantf.logs import Terminal

OVERLAP_PX = 16  # of a tile at each side, which is computed for what it tells the tile and dropped


def translate(
    game: Game,
    in_dir: Path,
    out_dir: Path,
    terminal: Terminal,
    direction: str | None = None,
    seed: int = 0,
    tile_px: int = 256,
) -> int:
    """Translates every image of a folder; the results are PNG files of the same names.

    Files that are there already are left, so that the same command goes on where it was stopped.

    Args:
      game: one that translates images.
      in_dir: a folder of images of any sizes; sub-folders are kept.
      out_dir: where to write.
      terminal: where to tell how it goes.
      direction: which generator, where there are several.
      seed: of the noise that the generator draws, if any.
      tile_px: side of the pieces in which larger images are translated.

    Returns:
      How many images there are.

    Raises:
      InputError: the model does not translate, an unknown direction, no or unreadable images.
    """
    network = _choose(game, direction)
    files = evaluation.find_images(in_dir)
    channels = network.input["image"].shape[-1]
    for number, file in enumerate(files):
        target = (out_dir / file.relative_to(in_dir)).with_suffix(".png")
        if not target.exists():
            image = _as_input(evaluation.read_image(file), channels)
            made = in_tiles(network, image, game.upscaling, tile_px, seed)
            _write(grids.to_uint8(made), target)
        terminal.count("translated", number + 1, len(files))
    return len(files)


def in_tiles(
    network: keras.Model, image: np.ndarray, upscaling: int, tile_px: int, seed: int = 0
) -> np.ndarray:
    """One image (H, W, C) in [-1, 1] through a translator, in tiles if it is larger than one.

    Tiles overlap by `OVERLAP_PX` at each inner side; what lies there is dropped.
    """
    height, width = image.shape[:2]
    made = None
    for top in range(0, height, tile_px):
        for left in range(0, width, tile_px):
            bottom, right = min(top + tile_px, height), min(left + tile_px, width)
            above, before = max(top - OVERLAP_PX, 0), max(left - OVERLAP_PX, 0)
            piece = image[above : bottom + OVERLAP_PX, before : right + OVERLAP_PX]
            result = sampling.sample(network, {"image": piece[None]}, seed=seed)[0]
            if made is None:
                shape = (height * upscaling, width * upscaling, result.shape[2])
                made = np.empty(shape, np.float32)
            rows = slice((top - above) * upscaling, (bottom - above) * upscaling)
            columns = slice((left - before) * upscaling, (right - before) * upscaling)
            made[
                top * upscaling : bottom * upscaling, left * upscaling : right * upscaling
            ] = result[rows, columns]
    assert made is not None
    return made


def _choose(game: Game, direction: str | None) -> keras.Model:
    if not game.translates:
        raise InputError("the model does not translate images; use `gantf sample`.")
    names = ", ".join(game.generators)
    if direction is None:
        if len(game.generators) > 1:
            raise InputError(f"the model goes several ways; give --direction, one of {names}.")
        return next(iter(game.generators.values()))
    if direction not in game.generators:
        known = f"one of {names}" if len(game.generators) > 1 else "none: the model goes one way"
        raise InputError(f"--direction {direction}: give {known}.")
    return game.generators[direction]


def _as_input(pixels: np.ndarray, channels: int) -> np.ndarray:
    """uint8 (H, W, C) as floats in [-1, 1] with as many channels as the generator takes."""
    image = pixels.astype(np.float32) / 127.5 - 1.0
    if image.shape[2] < channels:
        return np.repeat(image, channels, axis=2)
    if image.shape[2] > channels:
        return (image @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    return image


def _write(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(temporary, "PNG")
    os.replace(temporary, path)

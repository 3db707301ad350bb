"""What `gantf translate` does: a folder of images of any size -> a folder of what a game makes."""

import io
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from PIL import Image

import evaluation
from evaluation import InputError
from gantf.console import Terminal
from gantf.game import Game, Translator
from gantf.generation import sampling
from gantf.pixels import to_floats, to_uint8
from gantf.runs import files

TILE_PX = 1024


def translate(
    game: Game,
    in_dir: Path,
    out_dir: Path,
    terminal: Terminal,
    direction: str | None = None,
    seed: int = 0,
    tile_px: int = TILE_PX,
) -> int:
    """Translates every image of a folder; the results are PNG files of the same names.

    Files that are there already are left, so that the same command goes on where it was stopped.
    An image is translated whole unless it is larger than a tile: what a network of instance norm
    makes of a place depends on the whole image, so that its tiles do not quite fit together.

    Args:
      game: one that translates images.
      in_dir: a folder of images of any sizes; sub-folders are kept.
      out_dir: where to write.
      terminal: where to tell how it goes.
      direction: which generator, where there are several.
      seed: of the noise that the generator draws, if any; of an image it does not matter which
        others lie beside it.
      tile_px: side of the pieces in which larger images are translated.

    Returns:
      How many images there are.

    Raises:
      InputError: the model does not translate, or not images of that size; an unknown direction;
        no or unreadable images; two that would have one name; a folder that lies in the other.
    """
    network, translator = _choose(game, direction)
    files = evaluation.find_images(in_dir)
    targets = _targets(files, in_dir, out_dir)
    left = sum(target.exists() for target in targets)
    if left:
        terminal.say(f"{left} of {len(files)} are in {out_dir} already and stay as they are")
    for number, (file, target) in enumerate(zip(files, targets, strict=True)):
        if not target.exists():
            image = _as_input(evaluation.read_image(file), network.input["image"].shape[-1])
            _check_size(network, image, file)
            made = in_tiles(
                network,
                image,
                translator.upscaling,
                tile_px,
                seed,
                translator.receptive_field_px,
                translator.stride_px,
            )
            _write(to_uint8(made), target)
        terminal.count("translated", number + 1, len(files))
    return len(files)


def in_tiles(
    network: keras.Model,
    image: np.ndarray,
    upscaling: int,
    tile_px: int,
    seed: int = 0,
    receptive_field_px: int = 32,
    stride_px: int = 1,
) -> np.ndarray:
    """One image (H, W, C) in [-1, 1] through a translator, in tiles if it is larger than one.

    Around each tile the network sees `receptive_field_px` more pixels, whose translation is
    dropped. If no pixel depends on others that are farther away, the result is that of the whole
    image.
    """
    height, width = image.shape[:2]
    tile_px = max(tile_px // stride_px, 1) * stride_px
    around_px = -(-receptive_field_px // stride_px) * stride_px
    made = None
    for top in range(0, height, tile_px):
        for left in range(0, width, tile_px):
            bottom, right = min(top + tile_px, height), min(left + tile_px, width)
            above, before = max(top - around_px, 0), max(left - around_px, 0)
            piece = image[above : bottom + around_px, before : right + around_px]
            result = sampling.sample(network, {"image": piece[None]}, seed=seed)[0]
            if made is None:
                shape = (height * upscaling, width * upscaling, result.shape[2])
                made = np.empty(shape, np.float32)
            rows = slice((top - above) * upscaling, (bottom - above) * upscaling)
            columns = slice((left - before) * upscaling, (right - before) * upscaling)
            made[top * upscaling : bottom * upscaling, left * upscaling : right * upscaling] = (
                result[rows, columns]
            )
    assert made is not None
    return made


def _targets(files: Sequence[Path], in_dir: Path, out_dir: Path) -> list[Path]:
    """Where what is made of each file goes."""
    inside, outside = in_dir.resolve(), out_dir.resolve()
    if outside == inside or inside in outside.parents:
        raise InputError(
            f"{out_dir} lies in {in_dir}: what is written there would be translated, too; give "
            "another folder."
        )
    sources: dict[Path, Path] = {}
    for file in files:
        target = (out_dir / file.relative_to(in_dir)).with_suffix(".png")
        if target in sources:
            raise InputError(
                f"{sources[target]} and {file} would both become {target}; rename one."
            )
        sources[target] = file
    return list(sources)


def _check_size(network: keras.Model, image: np.ndarray, file: Path) -> None:
    """Raises InputError if a network takes images of one size only, and not of this one."""
    wanted, given = network.input["image"].shape[1:3], image.shape[:2]
    if any(side not in (None, here) for side, here in zip(wanted, given, strict=True)):
        raise InputError(
            f"{file} is {given[1]} x {given[0]}, and the model takes images of {wanted[1]} x "
            f"{wanted[0]} pixels only; resize it."
        )


def _choose(game: Game, direction: str | None) -> tuple[keras.Model, Translator]:
    if game.translator is None:
        raise InputError("the model does not translate images; use `gantf sample`.")
    names = ", ".join(game.generators)
    if direction is None:
        if len(game.generators) > 1:
            raise InputError(f"the model goes several ways; give --direction, one of {names}.")
        return next(iter(game.generators.values())), game.translator
    if direction not in game.generators:
        known = f"one of {names}" if len(game.generators) > 1 else "none: the model goes one way"
        raise InputError(f"--direction {direction}: give {known}.")
    return game.generators[direction], game.translator


def _as_input(pixels: np.ndarray, channels: int) -> np.ndarray:
    """uint8 (H, W, C) as floats in [-1, 1] with as many channels as the generator takes."""
    image = to_floats(pixels)
    if image.shape[2] < channels:
        return np.repeat(image, channels, axis=2)
    if image.shape[2] > channels:
        return (image @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    return image


def _write(pixels: np.ndarray, path: Path) -> None:
    encoded = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(encoded, "PNG")
    files.write(path, encoded.getvalue(), durable=False)

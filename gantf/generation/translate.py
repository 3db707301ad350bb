"""`gantf translate`: translates a folder of images of any size."""

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
    """Translates every image of a folder into a PNG file of the same name.

    Existing files stay as they are, so the same command resumes. An image larger than a tile is
    translated in tiles. The tiles match only approximately if the network has instance
    normalization, because then each pixel depends on the whole image.

    Args:
      game: a game that translates images.
      in_dir: a folder of images of any sizes; its sub-folders are kept.
      out_dir: the folder to write.
      terminal: prints the progress.
      direction: the name of the generator, if the game has several.
      seed: seed of the noise inside the generator, if it has any. The result for one image does
        not depend on the other images.
      tile_px: side of the tiles.

    Returns:
      The number of images.

    Raises:
      InputError: the model does not translate images, or not images of that size; the direction is
        unknown; there are no images, or one is unreadable; two images would get the same name; one
        folder lies in the other.
    """
    network, translator = _choose(game, direction)
    files = evaluation.find_images(in_dir)
    targets = _targets(files, in_dir, out_dir)
    done = sum(target.exists() for target in targets)
    if done:
        terminal.say(f"{done} of {len(files)} are in {out_dir} already and stay as they are")
    for number, (file, target) in enumerate(zip(files, targets, strict=True)):
        if not target.exists():
            image = _as_input(evaluation.read_image(file), network.input["image"].shape[-1])
            _check_size(network, image, file)
            translated = in_tiles(
                network,
                image,
                translator.upscaling,
                tile_px,
                seed,
                translator.receptive_field_px,
                translator.stride_px,
            )
            _write(to_uint8(translated), target)
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
    """Translates one image (H, W, C) in [-1, 1], in tiles if it is larger than one tile.

    Each tile is translated with a margin of `receptive_field_px` pixels, and the translated margin
    is dropped. If no output pixel depends on input pixels that are farther away, the result equals
    the translation of the whole image.
    """
    height, width = image.shape[:2]
    tile_px = max(tile_px // stride_px, 1) * stride_px
    margin_px = -(-receptive_field_px // stride_px) * stride_px
    output = None
    for top in range(0, height, tile_px):
        for left in range(0, width, tile_px):
            bottom, right = min(top + tile_px, height), min(left + tile_px, width)
            above, before = max(top - margin_px, 0), max(left - margin_px, 0)
            piece = image[above : bottom + margin_px, before : right + margin_px]
            result = sampling.sample(network, {"image": piece[None]}, seed=seed)[0]
            if output is None:
                shape = (height * upscaling, width * upscaling, result.shape[2])
                output = np.empty(shape, np.float32)
            rows = slice((top - above) * upscaling, (bottom - above) * upscaling)
            columns = slice((left - before) * upscaling, (right - before) * upscaling)
            output[top * upscaling : bottom * upscaling, left * upscaling : right * upscaling] = (
                result[rows, columns]
            )
    assert output is not None
    return output


def _targets(files: Sequence[Path], in_dir: Path, out_dir: Path) -> list[Path]:
    """Returns the output file of each input file."""
    inside, outside = in_dir.resolve(), out_dir.resolve()
    if outside == inside or inside in outside.parents:
        raise InputError(
            f"{out_dir} lies in {in_dir}, so the results would be translated, too; give another "
            "folder."
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
    """Raises InputError if a network takes images of another size only."""
    wanted, actual = network.input["image"].shape[1:3], image.shape[:2]
    if any(side not in (None, own) for side, own in zip(wanted, actual, strict=True)):
        raise InputError(
            f"{file} is {actual[1]} x {actual[0]}, and the model takes images of {wanted[1]} x "
            f"{wanted[0]} pixels only; resize it."
        )


def _choose(game: Game, direction: str | None) -> tuple[keras.Model, Translator]:
    if game.translator is None:
        raise InputError("the model does not translate images; use `gantf sample`.")
    names = ", ".join(game.generators)
    if direction is None:
        if len(game.generators) > 1:
            raise InputError(f"the model has several directions; give --direction, one of {names}.")
        return next(iter(game.generators.values())), game.translator
    if direction not in game.generators:
        if len(game.generators) == 1:
            raise InputError(f"--direction {direction}: the model has one direction; leave it out.")
        raise InputError(f"--direction {direction}: give one of {names}.")
    return game.generators[direction], game.translator


def _as_input(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Converts uint8 (H, W, C) to floats in [-1, 1] with `channels` channels."""
    image = to_floats(pixels)
    if image.shape[2] < channels:
        return np.repeat(image, channels, axis=2)
    if image.shape[2] > channels:
        return (image @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    return image


def _write(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)  # its OSError names the folder, not the file
    encoded = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(encoded, "PNG")
    files.write(path, encoded.getvalue(), durable=False)

"""Reads and draws the images that an evaluation compares, and brings them to one form."""

import dataclasses
import os
from pathlib import Path

import numpy as np

from evaluation.errors import InputError
from evaluation.runtime.progress import Progress
from evaluation.sources import Source, load_images, open_source
from evaluation.sources.image_options import ImageOptions
from evaluation.sources.images import Images
from evaluation.sources.options import GeneratorOptions
from evaluation.sources.sampler import Sampler
from evaluation.workflows.memo import Memo

LEAST_FLOOR = 300  # a floor of fewer images does not set the default number of drawn images
DEFAULT_N = 2000
HELD_OUT = ("test", "validation")


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The images of an evaluation: real and fake ones, and what the floor compares.

    Attributes:
      real: the reference.
      fake: the generated images, with the size and channels of the reference.
      held_out: other real images, at most as many as `fake`, which the floor compares with `real`;
        None without a held-out split.
      halves: otherwise the rows of `real` in the two halves that the floor compares, the second
        with at most as many as `fake`; None for fewer than two images.
      source: the source of `fake`.
      notes: a sentence for each conversion of the images.
    """

    real: Images
    fake: Images
    held_out: Images | None
    halves: tuple[np.ndarray, np.ndarray] | None
    source: Images | Sampler
    notes: tuple[str, ...]


def gather(
    generator: Source,
    reference: Source | None,
    n: int | None,
    seed: int,
    image_options: ImageOptions,
    progress: Progress | None = None,
    options: GeneratorOptions | None = None,
    memo: Memo | None = None,
) -> Comparison:
    """Reads the reference and the images of the floor, and draws or reads the generated images.

    Args:
      generator: any source.
      reference: any source except a generator; None for the data that the generator names.
      n: number of generated images; None for the whole set, or as many as the floor has.
      seed: seed of the latents and of all random choices of images.
      image_options: how images are read. If generator.json names the data, it may also set the
        size and allow corrupt files.
      progress: called with (stage, done, total).
      options: what the generator's files do not declare.
      memo: keeps a reference with a name for later calls.

    Raises:
      InputError: a source that cannot be read, too few images, or sizes that differ.
    """
    options = options or GeneratorOptions()
    size_px = image_options.size_px
    source = open_source(generator, size_px, image_options.skip_corrupt, options)
    real, held_out = _read_real(source, reference, image_options, memo or Memo())
    if isinstance(source, Sampler) and source.with_labels is not None:
        source = source.with_labels(real.labels, real.name)
    fake = take(source, n, len(held_out) if held_out else len(real) // 2, seed, progress)
    skipped = [images for images in (real, fake) if images.skipped]
    everything = [real, fake] + ([held_out] if held_out else [])
    sets, notes = _one_form(everything, size_px, options.strict)
    real, fake = sets[:2]
    halves = None
    if held_out:
        held_out = _subset(sets[2], min(len(sets[2]), len(fake)), [seed, 2])
    elif len(real) > 1:
        halves = _random_halves(len(real), len(fake), seed)
    notes += [f"{x.name}: {len(x.skipped)} corrupt files were skipped." for x in skipped]
    notes += source.notes if isinstance(source, Sampler) else []
    return Comparison(real, fake, held_out, halves, source, tuple(notes))


def draw_more(sets: Comparison, draws: int, seed: int, image_options: ImageOptions) -> Images:
    """Draws `draws` times as many images as `sets.fake`; the first of them are `sets.fake`."""
    assert isinstance(sets.source, Sampler)
    more = sets.source.sample(draws * len(sets.fake), seed)
    return _one_form([sets.real, more], image_options.size_px)[0][1]


def _read_real(
    source: Images | Sampler,
    reference: Source | None,
    image_options: ImageOptions,
    memo: Memo,
) -> tuple[Images, Images | None]:
    """Reads the real images of a source, and the held-out images of their data set."""
    data = source.contract.get("data") if isinstance(source, Sampler) else None
    if reference is None:
        if not data:
            raise InputError(
                f"{source.name} does not say what data to compare it with; give --reference (a "
                "data set's name, or a directory of images)."
            )
        image_options = ImageOptions(
            image_options.size_px or data["size_px"],
            image_options.skip_corrupt or data["skip_corrupt"],
        )
        name, split = data["name"], data["split"]
        key = ("reference", name, split, image_options)
        return memo.once(key, lambda: _read_dataset(name, split, image_options))
    if isinstance(reference, str | os.PathLike):
        reference = os.fspath(reference)
        if data and reference.split(":")[0] == data["name"]:
            size_px = image_options.size_px or data["size_px"]
            image_options = dataclasses.replace(image_options, size_px=size_px)
    return read_reference(reference, image_options, memo)


def read_reference(
    reference: Source, image_options: ImageOptions, memo: Memo
) -> tuple[Images, Images | None]:
    """Reads the real images.

    Args:
      reference: any source except a generator.
      image_options: how images are read.
      memo: keeps a reference with a name for later calls.

    Returns:
      The real images, and the held-out images of the same data set if it has some.

    Raises:
      InputError: the reference cannot be read, or it is a generator.
    """
    if not isinstance(reference, str | os.PathLike):
        return _read_images(reference, image_options)
    name = os.fspath(reference)
    key = ("reference", name, None, image_options)
    return memo.once(key, lambda: _read_images(name, image_options))


def _read_dataset(
    name: str, split: str, image_options: ImageOptions
) -> tuple[Images, Images | None]:
    real = load_images(name, split, image_options.size_px, image_options.skip_corrupt)
    return real, _read_held_out(name, real, image_options)


def _read_images(reference: Source, image_options: ImageOptions) -> tuple[Images, Images | None]:
    opened = open_source(reference, image_options.size_px, image_options.skip_corrupt)
    if isinstance(opened, Sampler):
        raise InputError(
            f"the reference {opened.name} is a generator; give real images: a data set's name, a "
            "directory or an array."
        )
    if not isinstance(reference, str) or Path(reference).exists():
        return opened, None
    return opened, _read_held_out(reference, opened, image_options)


def _read_held_out(name: str, real: Images, image_options: ImageOptions) -> Images | None:
    """Reads the held-out split of a data set; None unless `real` is its training split."""
    dataset, _, split = real.name.partition(":")
    if name.startswith("folder:") or split != "train":
        return None
    from evaluation.sources import tfds

    available = tfds.splits(dataset)
    for held_out in HELD_OUT:
        if held_out in available:
            size_px, skip_corrupt = image_options.size_px, image_options.skip_corrupt
            return load_images(dataset, held_out, size_px, skip_corrupt)
    return None


def take(
    source: Images | Sampler, n: int | None, floor_n: int, seed: int, progress: Progress | None
) -> Images:
    """Chooses n images of a set at random, or draws n images from a generator.

    Args:
      source: a set of images, or a generator.
      n: number of images. None: the whole set; from a generator, `floor_n` images, or `DEFAULT_N`
        images if `floor_n` is below `LEAST_FLOOR`.
      floor_n: number of images of the floor.
      seed: seed of the latents and of the random choice.
      progress: called with (stage, done, total).

    Raises:
      InputError: a set has fewer than n images.
    """
    if isinstance(source, Sampler):
        default = floor_n if floor_n >= LEAST_FLOOR else DEFAULT_N
        return source.sample(n or default, seed, progress)
    if n is not None and n > len(source):
        raise InputError(f"n = {n}: {source.name} has only {len(source)} images; give fewer.")
    return _subset(source, n, [seed, 0]) if n else source


def _random_halves(count: int, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows of two disjoint random halves, the second of at most `most` images."""
    order = np.random.default_rng([seed, 1]).permutation(count)
    first, second = np.sort(order[count // 2 :]), np.sort(order[: count // 2])
    if len(second) > most:
        second = second[_choice(len(second), most, [seed, 2])]
    return first, second


def _subset(images: Images, n: int, seed: list[int]) -> Images:
    """Chooses n different images at random, and keeps their order."""
    return images if n == len(images) else images.rows(_choice(len(images), n, seed))


def _choice(count: int, n: int, seed: list[int]) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).choice(count, n, replace=False))


def _one_form(
    sets: list[Images], size_px: int | None, strict: bool = False
) -> tuple[list[Images], list[str]]:
    """Brings all sets to one size and number of channels; returns a sentence per conversion."""
    notes = []
    if size_px:
        notes += [
            f"{x.name} was resized from {_size(x)} to {size_px} x {size_px}."
            for x in sets[:2]
            if x.images.shape[1:3] != (size_px, size_px)
        ]
        sets = [images.resized(size_px) for images in sets]
    real, fake = sets[:2]
    if real.images.shape[1:3] != fake.images.shape[1:3]:
        raise InputError(
            f"{fake.name} has images of {_size(fake)}, the reference {real.name} of {_size(real)}; "
            "bring both to one size with --size."
        )
    channels = {images.images.shape[-1] for images in (real, fake)}
    if len(channels) > 1:
        gray, colour = (real, fake) if real.images.shape[-1] == 1 else (fake, real)
        if strict:
            raise InputError(
                f"strict: {gray.name} is gray and {colour.name} is RGB; give images with as many "
                "channels, or leave --strict out to compare the gray channel three times."
            )
        notes.append(f"{gray.name} is gray; its channel was repeated to compare it with RGB.")
        sets = [images.as_rgb() for images in sets]
    return sets, notes


def _size(images: Images) -> str:
    height, width = images.images.shape[1:3]
    return f"{height} x {width}"

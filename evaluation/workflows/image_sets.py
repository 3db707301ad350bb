"""The sets of images that an evaluation compares, brought to one form."""

import dataclasses
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.errors import InputError
from evaluation.sources import Source, load_images, open_source
from evaluation.sources.images import Images, as_rgb, resized, rows
from evaluation.sources.options import GeneratorOptions
from evaluation.sources.sampler import Progress, Sampler

LEAST_FLOOR = 300  # a floor of fewer images does not set how many a generator is asked for
DEFAULT_N = 2000
HELD_OUT = ("test", "validation")


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What is compared: real with fake, and, for the floor, real with real.

    Attributes:
      real: the reference.
      fake: the generated images, of the same size and channels.
      floor: the reference, or one half of it, and real images that are not in it, at most as many
        as `fake`; None where there are too few.
      source: where `fake` comes from.
      notes: what was done to the images, in sentences.
    """

    real: Images
    fake: Images
    floor: tuple[Images, Images] | None
    source: Images | Sampler
    notes: tuple[str, ...]


def gather(
    generator: Source,
    reference: Source | None,
    n: int | None,
    seed: int,
    size_px: int | None,
    skip_corrupt: bool,
    progress: Progress | None = None,
    options: GeneratorOptions | None = None,
    shared: MutableMapping[Any, Any] | None = None,
) -> Comparison:
    """Reads the reference and what it takes for a floor, and draws or reads what is judged.

    Args:
      generator: what is judged, any source.
      reference: the real images, any source but a generator; the generator's own data if None.
      n: how many images to judge; None for as many as there are, or as the floor holds.
      seed: of the latents, and of every random choice of images.
      size_px: side of the square that all are cropped and resized to; None keeps their size.
      skip_corrupt: leave out files that cannot be decoded; of the generator's own data also where
        its generator.json says so.
      progress: called with (stage, done, total).
      options: of the generator, where it does not say all itself.
      shared: keeps the reference, read by its name, for the next call.

    Raises:
      InputError: a source that cannot be read, too few images, or sizes that differ.
    """
    options = options or GeneratorOptions()
    source = open_source(generator, size_px, skip_corrupt, options)
    real, held_out = _read_reference(
        source, reference, size_px, skip_corrupt, {} if shared is None else shared
    )
    if isinstance(source, Sampler) and source.with_labels is not None:
        source = source.with_labels(real.labels, real.name)
    fake = take(source, n, len(held_out) if held_out else len(real) // 2, seed, progress)
    skipped = [images for images in (real, fake) if images.skipped]
    everything = [real, fake] + ([held_out] if held_out else [])
    sets, notes = _one_form(everything, size_px, options.strict)
    real, fake = sets[:2]
    floor = (real, sets[2]) if held_out else _random_halves(real, seed)
    if floor and len(floor[1]) > len(fake):
        floor = (floor[0], _subset(floor[1], len(fake), [seed, 2]))
    notes += [f"{x.name}: {len(x.skipped)} corrupt files were skipped." for x in skipped]
    notes += source.notes if isinstance(source, Sampler) else []
    if real.sha256 == fake.sha256:
        notes.append("The images judged are the reference itself.")
    return Comparison(real, fake, floor, source, tuple(notes))


def draw_more(sets: Comparison, draws: int, seed: int, size_px: int | None) -> Images:
    """So many times as many images of the judged generator; those judged are the first of them."""
    assert isinstance(sets.source, Sampler)
    more = sets.source.sample(draws * len(sets.fake), seed)
    return _one_form([sets.real, more], size_px)[0][1]


def _read_reference(
    source: Images | Sampler,
    reference: Source | None,
    size_px: int | None,
    skip_corrupt: bool,
    shared: MutableMapping[Any, Any],
) -> tuple[Images, Images | None]:
    """The real images, and those of the same data set that are not among them."""
    data = source.contract.get("data") if isinstance(source, Sampler) else None
    if reference is None:
        if not data:
            raise InputError(
                f"{source.name} does not say what data to compare it with; give --reference (a "
                "data set's name, or a directory of images)."
            )
        size_px = size_px or data["size_px"]
        skip_corrupt = skip_corrupt or data["skip_corrupt"]
        key = ("reference", data["name"], data["split"], size_px, skip_corrupt)
        if key not in shared:
            real = load_images(data["name"], data["split"], size_px, skip_corrupt)
            shared[key] = real, _read_held_out(data["name"], real, size_px, skip_corrupt)
        return shared[key]
    if isinstance(reference, str | os.PathLike):
        reference = os.fspath(reference)
        if data and reference.split(":")[0] == data["name"]:
            size_px = size_px or data["size_px"]
    return read_reference(reference, size_px, skip_corrupt, shared)


def read_reference(
    reference: Source,
    size_px: int | None,
    skip_corrupt: bool,
    shared: MutableMapping[Any, Any],
) -> tuple[Images, Images | None]:
    """The real images, and those held out of the same data set, if it has some.

    Args:
      reference: any source but a generator.
      size_px: side of the square that all are cropped and resized to; None keeps their size.
      skip_corrupt: leave out files that cannot be decoded.
      shared: keeps what was read by its name.

    Raises:
      InputError: it cannot be read, or it is a generator.
    """
    if not isinstance(reference, str | os.PathLike):
        return _read_images(reference, size_px, skip_corrupt)
    key = ("reference", os.fspath(reference), None, size_px, skip_corrupt)
    if key not in shared:
        shared[key] = _read_images(os.fspath(reference), size_px, skip_corrupt)
    return shared[key]


def _read_images(
    reference: Source, size_px: int | None, skip_corrupt: bool
) -> tuple[Images, Images | None]:
    opened = open_source(reference, size_px, skip_corrupt)
    if isinstance(opened, Sampler):
        raise InputError(
            f"the reference {opened.name} is a generator; give real images: a data set's name, a "
            "directory or an array."
        )
    if not isinstance(reference, str) or Path(reference).exists():
        return opened, None
    return opened, _read_held_out(reference, opened, size_px, skip_corrupt)


def _read_held_out(
    name: str, real: Images, size_px: int | None, skip_corrupt: bool
) -> Images | None:
    """The held-out split of a data set whose training split was read; None for all else."""
    dataset, _, split = real.name.partition(":")
    if name.startswith("folder:") or split != "train":
        return None
    from evaluation.sources import tfds

    available = tfds.splits(dataset)
    for held_out in HELD_OUT:
        if held_out in available:
            return load_images(dataset, held_out, size_px, skip_corrupt)
    return None


def take(
    source: Images | Sampler, n: int | None, floor_n: int, seed: int, progress: Progress | None
) -> Images:
    """As many images as asked for; if n is None, all of a set, of a generator as of the floor.

    Args:
      source: opened.
      n: images, or None.
      floor_n: images of the floor; too few of them, or 0, stand for `DEFAULT_N`.
      seed: of the latents, and of the choice among images.
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


def _random_halves(images: Images, seed: int) -> tuple[Images, Images] | None:
    """Two disjoint random halves; None of fewer than two images."""
    if len(images) < 2:
        return None
    order = np.random.default_rng([seed, 1]).permutation(len(images))
    half = len(images) // 2
    return rows(images, np.sort(order[half:])), rows(images, np.sort(order[:half]))


def _subset(images: Images, n: int, seed: list[int]) -> Images:
    """Some n different images, in the order in which they were."""
    if n == len(images):
        return images
    return rows(images, np.sort(np.random.default_rng(seed).choice(len(images), n, replace=False)))


def _one_form(
    sets: list[Images], size_px: int | None, strict: bool = False
) -> tuple[list[Images], list[str]]:
    """All sets at one size, gray ones as RGB where any is; what was done, in sentences."""
    notes = []
    if size_px:
        notes += [
            f"{x.name} was resized from {_size(x)} to {size_px} x {size_px}."
            for x in sets[:2]
            if x.images.shape[1:3] != (size_px, size_px)
        ]
        sets = [resized(images, size_px) for images in sets]
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
        sets = [as_rgb(images) for images in sets]
    return sets, notes


def _size(images: Images) -> str:
    height, width = images.images.shape[1:3]
    return f"{height} x {width}"

"""`evaluate_classes`: each class that a generator is asked for against real images of it."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.errors import InputError
from evaluation.inference.classes import PerClass, per_class
from evaluation.runtime.progress import Progress, prefixed, shown
from evaluation.sources import Source, open_source
from evaluation.sources.images import Images
from evaluation.sources.options import GeneratorOptions
from evaluation.sources.sampler import Sampler
from evaluation.workflows.evaluate import check_settings
from evaluation.workflows.extraction import Extraction
from evaluation.workflows.image_sets import Comparison, gather


def evaluate_classes(
    generator: Source,
    reference: Source | None = None,
    metrics: str | Sequence[str] = ("fid",),
    features: str | os.PathLike | None = None,
    n: int | None = None,
    seed: int = 0,
    protocol: str = "default",
    level: float = 0.95,
    size_px: int | None = None,
    skip_corrupt: bool = False,
    batch_size: int | None = None,
    progress: Progress | bool | None = None,
    *,
    correction: str = "bonferroni",
    layer: str | None = None,
    weights: str | os.PathLike | None = None,
    resize: str | None = None,
    precision: str = "float32",
    options: GeneratorOptions | None = None,
    cache: bool | str | os.PathLike | None = None,
) -> PerClass:
    """Scores each class on its own: a generator is asked for one class after the other.

    Args:
      generator: a generator that takes labels, or images with labels (sub-folders, a data set).
      reference: real images with labels; if None, the data that generator.json names.
      metrics: names of metrics that read real and fake features.
      features: as in `evaluation.evaluate`, as all that is not said here.
      n: images of all classes together, as many of each; if None, of each class as many as the
        reference has.
      seed: of the latents.
      protocol: the metrics' settings by name.
      level: of the intervals.
      size_px: side of the square that all images are cropped and resized to.
      skip_corrupt: leave out files that cannot be decoded.
      batch_size: images per pass through the features' network.
      progress: True for a bar, or called with (stage, done, total).
      correction: as in `evaluation.per_class`.
      layer: which of the network's layers.
      weights: a file of the network's weights.
      resize: how images become the network's size.
      precision: "float32" or "bfloat16".
      options: of the generator.
      cache: keep features on disk.

    Returns:
      The results by class, as `evaluation.per_class` gives them.

    Raises:
      InputError: images without labels, a generator that takes none, classes that differ, or
        anything else that is wrong with what was given.
    """
    shared: dict[Any, Any] = {}
    how = Extraction(features, layer, weights, resize, precision, batch_size, cache, shared)
    settings = {"protocol": protocol, "level": level, "seed": seed}
    check_settings(metrics, how, settings, n, size_px, options)
    taken: dict[str, Any] = {
        "seed": seed,
        "size_px": size_px,
        "skip_corrupt": skip_corrupt,
        "shared": shared,
    }
    with shown(progress) as show:
        opened = open_source(generator, size_px, skip_corrupt, options)
        if isinstance(opened, Sampler):
            sets = gather(opened, reference, 1, progress=show, options=options, **taken)
            parts = _asked(generator, sets, n, taken, show, options, how)
        else:
            sets = gather(opened, reference, n, progress=show, options=options, **taken)
            _check_labels(sets.fake, "generator")
            parts = None
        _check_labels(sets.real, "reference")
        how = how.chosen(sets.real)
        real = how.of(sets.real, show).features
        if parts is None:
            fake, of_fake = how.of(sets.fake, show).features, _names(sets.fake)
        else:
            fake = np.concatenate([rows for _, rows in parts])
            of_fake = np.repeat([name for name, _ in parts], [len(rows) for _, rows in parts])
    return per_class(
        real, fake, _names(sets.real), of_fake, metrics, level, correction, protocol, seed
    )


def _asked(
    generator: Source,
    sets: Comparison,
    n: int | None,
    taken: dict[str, Any],
    show: Progress | None,
    options: GeneratorOptions | None,
    how: Extraction,
) -> list[tuple[Any, np.ndarray]]:
    """The features of each class that a conditional generator is asked for, by the class's name."""
    _check_labels(sets.real, "reference")
    assert isinstance(sets.source, Sampler)
    law: Mapping[str, Any] | None = sets.source.contract.get("labels")
    if not law:
        raise InputError(
            f"per-class scores: {sets.source.name} takes no labels; give a conditional generator,"
            " or images in a sub-folder for each class."
        )
    names: list[Any] = list(sets.real.class_names) or list(
        range(int(_numbers(sets.real).max()) + 1)
    )
    if len(names) != law["classes"]:
        raise InputError(
            f"per-class scores: {sets.source.name} has {law['classes']} classes, the reference"
            f" {sets.real.name} {len(names)}; both must have the same."
        )
    how = how.chosen(sets.real)
    if isinstance(generator, Sampler):
        raise InputError(
            f"generator={generator.name} is opened already, and cannot be asked for one class; give"
            " its path."
        )
    parts = []
    for number, name in enumerate(names):
        tell = prefixed(show, f"class {name}")
        asked = dataclasses.replace(options or GeneratorOptions(), labels=number)
        count = int((_numbers(sets.real) == number).sum()) if n is None else n // len(names)
        if count < 1:
            raise InputError(f"n={n} is too few for {len(names)} classes; give a larger --n.")
        one = gather(generator, sets.real, count, progress=tell, options=asked, **taken)
        parts.append((name, how.of(one.fake, tell).features))
    return parts


def _check_labels(images: Images, side: str) -> None:
    if images.labels is None:
        raise InputError(
            f"per-class scores: the {side} {images.name} has no labels; give a folder with a"
            " sub-folder for each class, or a data set with labels."
        )


def _numbers(images: Images) -> np.ndarray:
    assert images.labels is not None
    return images.labels


def _names(images: Images) -> np.ndarray:
    """Each image's class by name, or by number where classes have no names."""
    labels = _numbers(images)
    return np.asarray(images.class_names)[labels] if images.class_names else labels

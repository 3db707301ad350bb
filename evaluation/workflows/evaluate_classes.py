"""`evaluate_classes`: compares each class of a generator with real images of that class."""

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.errors import InputError
from evaluation.features.options import FeatureOptions
from evaluation.inference.class_results import PerClass
from evaluation.inference.classes import per_class
from evaluation.runtime.progress import Progress, prefixed, shown
from evaluation.sources import Source, open_source
from evaluation.sources.image_options import ImageOptions
from evaluation.sources.images import Images
from evaluation.sources.options import GeneratorOptions
from evaluation.sources.sampler import Sampler
from evaluation.workflows.evaluate import check_settings
from evaluation.workflows.extraction import Extraction
from evaluation.workflows.image_sets import Comparison, gather
from evaluation.workflows.options import bind_options


def evaluate_classes(
    generator: Source,
    reference: Source | None = None,
    metrics: str | Sequence[str] = ("fid",),
    features: str | os.PathLike | FeatureOptions | None = None,
    n: int | None = None,
    seed: int = 0,
    protocol: str = "default",
    level: float = 0.95,
    *,
    correction: str = "bonferroni",
    images: ImageOptions | None = None,
    options: GeneratorOptions | None = None,
    progress: Progress | bool | None = None,
    **keywords: Any,
) -> PerClass:
    """Scores each class separately; a generator draws one class after the other.

    Args:
      generator: a generator that takes labels, or images with labels (sub-folders, a data set).
      reference: real images with labels; None for the data that generator.json names.
      metrics: names of metrics that read real and fake features.
      features: a name or `FeatureOptions`, as in `evaluation.evaluate`.
      n: total number of images, split evenly between the classes; None for as many images of each
        class as the reference has.
      seed: seed of the latents and of all random choices.
      protocol: name of the protocol, which sets the metrics' settings.
      level: confidence level of the intervals, in (0, 1).
      correction: correction for the number of classes, as in `evaluation.per_class`.
      images: size of the images, and treatment of corrupt files.
      options: options of the generator.
      progress: True for a progress bar, or a function of (stage, done, total).
      **keywords: fields of `FeatureOptions` and `ImageOptions`, as in `evaluation.evaluate`.

    Returns:
      The results of `evaluation.per_class`.

    Raises:
      InputError: images without labels, a generator that takes no labels, classes that differ, or
        another invalid argument.
    """
    feature_options, image_options = bind_options(evaluate_classes, features, images, keywords)
    extraction = Extraction(feature_options)
    settings = {"protocol": protocol, "level": level, "seed": seed}
    check_settings(metrics, feature_options, settings, n, options)
    read = functools.partial(gather, seed=seed, image_options=image_options, memo=extraction.memo)
    with shown(progress) as show:
        size_px, skip_corrupt = image_options.size_px, image_options.skip_corrupt
        opened = open_source(generator, size_px, skip_corrupt, options)
        if isinstance(opened, Sampler):
            sets = read(opened, reference, 1, progress=show, options=options)
            parts = _draw_classes(generator, sets, n, read, show, options, extraction)
        else:
            sets = read(opened, reference, n, progress=show, options=options)
            _check_labels(sets.fake, "generator")
            parts = None
        _check_labels(sets.real, "reference")
        extraction = extraction.with_default_features(sets.real)
        real = extraction.features_of(sets.real, show).features
        if parts is None:
            fake, fake_names = extraction.features_of(sets.fake, show).features, _names(sets.fake)
        else:
            fake = np.concatenate([rows for _, rows in parts])
            fake_names = np.repeat([name for name, _ in parts], [len(rows) for _, rows in parts])
    return per_class(
        real, fake, _names(sets.real), fake_names, metrics, level, correction, protocol, seed
    )


def _draw_classes(
    generator: Source,
    sets: Comparison,
    n: int | None,
    read: Callable[..., Comparison],
    show: Progress | None,
    options: GeneratorOptions | None,
    extraction: Extraction,
) -> list[tuple[Any, np.ndarray]]:
    """Draws each class from a conditional generator; returns its name and its features."""
    _check_labels(sets.real, "reference")
    assert isinstance(sets.source, Sampler)
    labels: Mapping[str, Any] | None = sets.source.contract.get("labels")
    if not labels:
        raise InputError(
            f"per-class scores: {sets.source.name} takes no labels; give a conditional generator,"
            " or images in a sub-folder for each class."
        )
    names: list[Any] = list(sets.real.class_names) or list(
        range(int(_numbers(sets.real).max()) + 1)
    )
    if len(names) != labels["classes"]:
        raise InputError(
            f"per-class scores: {sets.source.name} has {labels['classes']} classes, the reference"
            f" {sets.real.name} {len(names)}; both must have the same."
        )
    extraction = extraction.with_default_features(sets.real)
    if isinstance(generator, Sampler):
        raise InputError(
            f"generator={generator.name} is already open and cannot draw one class only; give its"
            " path."
        )
    parts = []
    for number, name in enumerate(names):
        tell = prefixed(show, f"class {name}")
        one_class = dataclasses.replace(options or GeneratorOptions(), labels=number)
        count = int((_numbers(sets.real) == number).sum()) if n is None else n // len(names)
        if count < 1:
            raise InputError(f"n={n} is too few for {len(names)} classes; give a larger --n.")
        drawn = read(generator, sets.real, count, progress=tell, options=one_class)
        parts.append((name, extraction.features_of(drawn.fake, tell).features))
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
    """Returns the name of each image's class, or its number if classes have no names."""
    labels = _numbers(images)
    return np.asarray(images.class_names)[labels] if images.class_names else labels

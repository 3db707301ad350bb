"""Evaluates saved features or statistics, where a side has no images."""

import dataclasses
import datetime
import os
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluation import protocols
from evaluation.errors import InputError
from evaluation.features import Features, kinds
from evaluation.features.files import features as feature_files
from evaluation.features.files.statistics import Statistics, read_statistics
from evaluation.features.options import FeatureOptions
from evaluation.measurement import DEFAULT_METRICS
from evaluation.results.result import Result
from evaluation.runtime.progress import Progress
from evaluation.sources import open_source
from evaluation.sources.image_options import ImageOptions
from evaluation.sources.options import GeneratorOptions
from evaluation.workflows import plain_fid
from evaluation.workflows.extraction import Extraction
from evaluation.workflows.floor import measure_pair
from evaluation.workflows.image_sets import take

Side = Features | Statistics
STATISTICS = ({"mu", "sigma"}, {"n", "mean", "scatter"})


def opened(source: Any) -> Side | None:
    """Reads features or statistics from a file; returns None for any other source.

    `Features` and `Statistics` are returned unchanged.

    Raises:
      InputError: the file holds features or statistics, and is damaged.
    """
    if isinstance(source, Features | Statistics):
        return source
    if not isinstance(source, str | os.PathLike) or not Path(source).is_file():
        return None
    if os.fspath(source).lower().endswith(".pkl"):
        return read_statistics(source)
    if not os.fspath(source).lower().endswith(".npz") or not zipfile.is_zipfile(source):
        return None
    with zipfile.ZipFile(source) as archive:
        names = {name.removesuffix(".npy") for name in archive.namelist()}
    if any(needed <= names for needed in STATISTICS):
        return read_statistics(source)
    if "features" in names and "images" not in names:
        return feature_files.read_features(source)
    return None


def evaluate(
    sides: Mapping[str, Side | None],
    sources: Mapping[str, Any],
    metrics: tuple[str, ...] | None,
    extraction: Extraction,
    settings: Mapping[str, Any],
    n: int | None,
    image_options: ImageOptions,
    options: GeneratorOptions | None = None,
    progress: Progress | None = None,
) -> Result:
    """Scores two sides, at least one of which is features or statistics.

    Args:
      sides: "real" and "fake" from `opened`; None for a source of images.
      sources: "real" and "fake" from the user.
      metrics: names; None for the default metrics of features, and "fid" for statistics.
      extraction: computes the features of a side with images; the file sets the options that the
        user left open.
      settings: "protocol", "level" and "seed".
      n: number of generated images to draw or choose; None is required for a file.
      image_options: how images are read.
      options: options of the generator.
      progress: called with (stage, done, total).

    Raises:
      InputError: the sides have different features, or a metric needs more than a side holds.
    """
    start = time.perf_counter()
    if sources["real"] is None:
        raise InputError("features and statistics do not say what real data they go with; give "
                         "--reference.")  # fmt: skip
    saved = next(side for side in (sides["real"], sides["fake"]) if side is not None)
    names = {side: _name(sources[side], side) for side in sides}
    both: dict[str, Side] = {}
    for side, content in sides.items():
        if content is not None and n is not None and side == "fake":
            raise InputError(f"n={n}: {names[side]} holds no images to choose from; leave n out.")
        if content is None:
            size_px, skip_corrupt = image_options.size_px, image_options.skip_corrupt
            source = open_source(sources[side], size_px, skip_corrupt, options)
            count = n if side == "fake" else None
            images = take(source, count, 0, settings["seed"], progress)
            feature_options = _matching_options(extraction.options, saved, names)
            matching = dataclasses.replace(extraction, options=feature_options)
            content = matching.features_of(images, progress)
        both[side] = content
    notes = _check_same_features(both, names)
    if isinstance(both["real"], Features) and isinstance(both["fake"], Features):
        real, fake = both["real"], both["fake"]
        result, floor = _evaluate_features(real, fake, metrics, dict(settings), notes)
    else:
        result, floor = plain_fid.evaluate(both, names, metrics, settings, notes), None
    context = _context(both, names, notes, time.perf_counter() - start)
    return dataclasses.replace(result, floor=floor, context={**result.context, **context})


def _name(source: Any, side: str) -> str:
    if isinstance(source, Statistics) and source.source:
        return source.source
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    if isinstance(source, np.ndarray):
        return "array"
    return str(getattr(source, "name", "")) or f"{side} {type(source).__name__.lower()}"


def _matching_options(
    options: FeatureOptions, saved: Side, names: Mapping[str, str]
) -> FeatureOptions:
    """Sets the features, layer and resize of the saved side, if the user named no features."""
    if options.features is not None:
        return options
    if not saved.name:
        source = getattr(saved, "source", "") or " and ".join(names.values())
        raise InputError(f"{source} does not say which features it holds; name them: --features.")
    kind, _, rest = saved.name.partition(":")
    if kind == "pixels-8x8":
        return dataclasses.replace(options, features="pixels")
    if kind != "inception":
        kinds.parse(saved.name)
        return dataclasses.replace(options, features=saved.name)
    return dataclasses.replace(
        options,
        features="inception",
        layer=options.layer or saved.settings.get("layer") or rest or None,
        resize=options.resize or saved.settings.get("resize"),
    )


def _check_same_features(both: Mapping[str, Side], names: Mapping[str, str]) -> list[str]:
    """Raises InputError if the sides hold different features; returns notes on missing facts."""
    real, fake = both["real"], both["fake"]
    widths = [_width(side) for side in (real, fake)]
    if widths[0] != widths[1]:
        raise InputError(
            f"{names['real']} has {widths[0]} features and {names['fake']} {widths[1]}; take both "
            "from the same network and layer."
        )
    for key in ("name", "sha256", "settings"):
        ours, theirs = getattr(real, key), getattr(fake, key)
        if ours and theirs and ours != theirs:
            raise InputError(
                f"features differ: {key} of {names['real']} is {ours!r}, of {names['fake']} "
                f"{theirs!r}; take both from the same network, layer and settings."
            )
    notes = [
        f"{names[side]} does not say which features it holds; they were taken to be the same."
        for side in both
        if not both[side].name
    ]
    for side, content in both.items():
        if isinstance(content, Statistics) and content.n is None:
            notes.append(f"{names[side]} does not say of how many images it is.")
        if isinstance(content, Features):
            notes += content.notes
    return notes


def _width(side: Side) -> int:
    return int(side.features.shape[1] if isinstance(side, Features) else len(side.mean))


def _evaluate_features(
    real: Features, fake: Features, metrics, settings: dict, notes: list[str]
) -> tuple[Result, Result | None]:
    """Measures the metrics, and the floor between two random halves of the reference."""
    both = real.logits is not None and fake.logits is not None
    if metrics is None:
        defined = protocols.defined(settings["protocol"])
        usual = DEFAULT_METRICS + (("inception_score", "modes") if both else ())
        metrics = tuple(name for name in usual if name in defined)
    result = measure_pair(real, fake, metrics, settings)
    order = np.random.default_rng([settings["seed"], 1]).permutation(len(real.features))
    half = len(order) // 2
    first, second = order[half:], order[:half][: len(fake.features)]
    try:
        halves = [real.rows(np.sort(index)) for index in (first, second)]
        return result, measure_pair(halves[0], halves[1], metrics, settings)
    except InputError as error:
        notes.append(f"There is no floor: {error}.")
        return result, None


def _context(
    both: Mapping[str, Side], names: Mapping[str, str], notes: list[str], seconds: float
) -> dict[str, Any]:
    """Returns the entries of `provenance.describe`; None for facts that only images have."""
    named = next((side for side in both.values() if side.name), both["real"])
    images = {}
    for side, content in both.items():
        if isinstance(content, Statistics):
            sha256 = content.images or content.content_sha256
        else:
            sha256 = content.images or feature_files.content_sha256(content)
        sizes: dict[str, Any] = {"height": None, "width": None, "channels": None, "skipped": []}
        images[side] = {"count": plain_fid.count(content), "sha256": sha256, **sizes}
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "generator": names["fake"],
        "reference": names["real"],
        "floor": [names["real"]] * 2,
        "n": plain_fid.count(both["fake"]),
        "features": {
            "name": named.name,
            "dim": _width(named),
            "sha256": named.sha256,
            "settings": dict(named.settings),
            "classes": list(getattr(named, "classes", ())),
        },
        "images": images,
        "contract": {},
        "inferred": [],
        "data": None,
        "step": None,
        "size_px": None,
        "options": None,
        "notes": notes,
        "seconds": {"evaluating saved features": round(seconds, 3)},
        "fid_plain_over_floor": None,
    }

"""`evaluate` where a side is features or statistics, in a file or in memory, and no images."""

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
from evaluation.features.files import features
from evaluation.features.files.statistics import Statistics, read_statistics
from evaluation.measurement import DEFAULT_METRICS
from evaluation.results.result import Result
from evaluation.sources import open_source
from evaluation.sources.options import GeneratorOptions
from evaluation.sources.sampler import Progress
from evaluation.workflows import floor as real_floor
from evaluation.workflows import plain_fid
from evaluation.workflows.extraction import Extraction
from evaluation.workflows.image_sets import take

Side = Features | Statistics
STATISTICS = ({"mu", "sigma"}, {"n", "mean", "scatter"})


def opened(source: Any) -> Side | None:
    """Features or statistics, from a file of them or as they are; None for any other source.

    Raises:
      InputError: it is such a file, and damaged.
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
        return features.read_features(source)
    return None


def evaluate(
    sides: Mapping[str, Side | None],
    sources: Mapping[str, Any],
    metrics: tuple[str, ...] | None,
    how: Extraction,
    settings: Mapping[str, Any],
    n: int | None = None,
    size_px: int | None = None,
    skip_corrupt: bool = False,
    options: GeneratorOptions | None = None,
    progress: Progress | None = None,
) -> Result:
    """Scores two sides of which one at least is features or statistics.

    Args:
      sides: "real" and "fake" as `opened` gives them; None is a source of images.
      sources: "real" and "fake", what the user gave.
      metrics: names; None for the usual ones, of statistics for "fid".
      how: how the images of the other side become features; what it leaves open is as in the file.
      settings: "protocol", "level" and "seed".
      n: how many images to draw or choose; refused of a file.
      size_px: as `evaluation.evaluate`, and all that follow.
      skip_corrupt: likewise.
      options: likewise.
      progress: likewise.

    Raises:
      InputError: the two sides are not of the same features, or a metric needs what they lack.
    """
    start = time.perf_counter()
    if sources["real"] is None:
        raise InputError("features and statistics do not say what real data they go with; give "
                         "--reference.")  # fmt: skip
    known = next(side for side in (sides["real"], sides["fake"]) if side is not None)
    names = {side: _name(sources[side], side) for side in sides}
    found: dict[str, Side] = {}
    for side, given in sides.items():
        if given is not None and n is not None and side == "fake":
            raise InputError(f"n={n}: {names[side]} holds no images to choose from; leave n out.")
        if given is None:
            source = open_source(sources[side], size_px, skip_corrupt, options)
            wanted = n if side == "fake" else None
            images = take(source, wanted, 0, settings["seed"], progress)
            given = _as(how, known, names).of(images, progress)
        found[side] = given
    notes = _check_alike(found, names)
    if isinstance(found["real"], Features) and isinstance(found["fake"], Features):
        real, fake = found["real"], found["fake"]
        result, floor = _of_features(real, fake, metrics, dict(settings), notes)
    else:
        result, floor = plain_fid.evaluate(found, names, metrics, settings, notes), None
    context = _context(found, names, notes, time.perf_counter() - start)
    return dataclasses.replace(result, floor=floor, context={**result.context, **context})


def _name(source: Any, side: str) -> str:
    if isinstance(source, Statistics) and source.source:
        return source.source
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    if isinstance(source, np.ndarray):
        return "array"
    return str(getattr(source, "name", "")) or f"{side} {type(source).__name__.lower()}"


def _as(how: Extraction, known: Side, names: Mapping[str, str]) -> Extraction:
    """How images become the features that the file holds, where the user did not say."""
    if how.features is not None:
        return how
    if not known.name:
        source = getattr(known, "source", "") or " and ".join(names.values())
        raise InputError(f"{source} does not say which features it holds; name them: --features.")
    kind, _, rest = known.name.partition(":")
    if kind == "pixels-8x8":
        return dataclasses.replace(how, features="pixels")
    if kind != "inception":
        kinds.parse(known.name)
        return dataclasses.replace(how, features=known.name)
    told = {key: known.settings.get(key) for key in ("layer", "resize")}
    layer = how.layer or told["layer"] or rest or None
    return dataclasses.replace(
        how, features="inception", layer=layer, resize=how.resize or told["resize"]
    )


def _check_alike(found: Mapping[str, Side], names: Mapping[str, str]) -> list[str]:
    """Refuses two sides of different features; what is not known of them, in sentences."""
    real, fake = found["real"], found["fake"]
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
        for side in found
        if not found[side].name
    ]
    for side, of in found.items():
        if isinstance(of, Statistics) and of.n is None:
            notes.append(f"{names[side]} does not say of how many images it is.")
        if isinstance(of, Features):
            notes += of.notes
    return notes


def _width(side: Side) -> int:
    return int(side.features.shape[1] if isinstance(side, Features) else len(side.mean))


def _of_features(
    real: Features, fake: Features, metrics, settings: dict, notes: list[str]
) -> tuple[Result, Result | None]:
    """All metrics, and the floor of one random half of the reference against the other."""
    both = real.logits is not None and fake.logits is not None
    if metrics is None:
        defined = protocols.defined(settings["protocol"])
        usual = DEFAULT_METRICS + (("inception_score", "modes") if both else ())
        metrics = tuple(name for name in usual if name in defined)
    result = real_floor.measure_pair(real, fake, metrics, settings)
    order = np.random.default_rng([settings["seed"], 1]).permutation(len(real.features))
    half = len(order) // 2
    first, second = order[half:], order[:half][: len(fake.features)]
    try:
        halves = [features.rows(real, np.sort(index)) for index in (first, second)]
        return result, real_floor.measure_pair(halves[0], halves[1], metrics, settings)
    except InputError as error:
        notes.append(f"There is no floor: {error}.")
        return result, None


def _context(
    found: Mapping[str, Side], names: Mapping[str, str], notes: list[str], seconds: float
) -> dict[str, Any]:
    """What `evaluation.workflows.provenance.describe` says of images, as far as it is known."""
    known = next((side for side in found.values() if side.name), found["real"])
    images = {}
    for side, of in found.items():
        content = of.content_sha256 if isinstance(of, Statistics) else features.content_sha256(of)
        sizes: dict[str, Any] = {"height": None, "width": None, "channels": None, "skipped": []}
        images[side] = {"count": plain_fid.count(of), "sha256": of.images or content, **sizes}
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "generator": names["fake"],
        "reference": names["real"],
        "floor": [names["real"]] * 2,
        "n": plain_fid.count(found["fake"]),
        "features": {
            "name": known.name,
            "dim": _width(known),
            "sha256": known.sha256,
            "settings": dict(known.settings),
            "classes": list(getattr(known, "classes", ())),
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

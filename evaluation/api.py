"""`evaluate`: from sources of images to scores with intervals, beside the floor of real data."""

import dataclasses
import datetime
import importlib.metadata
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation import features as feature_kinds
from evaluation import metrics as metric_files
from evaluation import protocols
from evaluation.comparison import Comparison, gather
from evaluation.errors import InputError
from evaluation.features import Features, extract
from evaluation.measurement import DEFAULT_METRICS, measure, versions
from evaluation.result import Result
from evaluation.sources import Source
from evaluation.sources.images import Images
from evaluation.sources.sampler import Progress, Sampler


def evaluate(
    generator: Source,
    reference: Source | None = None,
    metrics: Sequence[str] | None = None,
    features: str | os.PathLike | None = None,
    n: int | None = None,
    seed: int = 0,
    protocol: str = "default",
    level: float = 0.95,
    size_px: int | None = None,
    skip_corrupt: bool = False,
    batch_size: int = 256,
    report: str | os.PathLike | None = None,
    progress: Progress | None = None,
) -> Result:
    """Scores generated images against real ones, with intervals, and real against real for a floor.

    The floor is the reference against the held-out split of its data set, where it is a training
    split; otherwise one random half of the reference against the other.

    Args:
      generator: what is judged: any source that `evaluation.open_source` takes.
      reference: the real images, likewise; if None, the data that generator.json names.
      metrics: names from `evaluation.metrics.names()`; all that the features serve if None.
      features: "pixels", "digits", or a Keras classifier's path; if None, the shipped classifier
        for the reference data where there is one, or else pixels.
      n: how many images to draw, or to choose at random of a set; if None, all of a set, and of a
        generator as many as the floor holds (2000 where that is fewer than 300).
      seed: of the latents and of every random choice.
      protocol: the metrics' settings by name.
      level: confidence level of the intervals, in (0, 1).
      size_px: side of the square that all images are cropped and resized to.
      skip_corrupt: leave out files that cannot be decoded.
      batch_size: images per pass through a classifier; it does not change the scores.
      report: where to write an HTML report, if anywhere.
      progress: called with (stage, done, total) as the work goes on.

    Returns:
      Metric names to Estimates; `.floor` holds the floor's, `.context` what was compared.

    Raises:
      InputError: a mistake in what was given; one line says which and what to do.
    """
    metrics = (metrics,) if isinstance(metrics, str) else metrics
    _check(metrics, features, protocol, level, report)
    clock = _Clock(progress)
    clock.start("reading images")
    sets = gather(generator, reference, n, seed, size_px, skip_corrupt, progress)
    kind = features or feature_kinds.default_features(sets.real.name, sets.real.images.shape[1:])
    clock.start("computing features")
    real, fake = (extract(x, kind, batch_size, progress) for x in (sets.real, sets.fake))
    floor_pair = _floor_features(sets, real, kind, batch_size)
    clock.start("measuring")
    chosen = tuple(metrics) if metrics is not None else _served(protocol, real)
    settings = {"protocol": protocol, "level": level, "seed": seed}
    result = _measure(real, fake, chosen, settings)
    floor, notes = None, list(sets.notes)
    if floor_pair is not None:
        try:
            floor = _measure(*floor_pair, chosen, settings)
        except InputError as error:
            notes.append(f"There is no floor: {error}")
    clock.stop()
    context = _context(sets, real, notes, clock.seconds) | _plain_fid(result, floor)
    context["size_px"] = size_px
    result = dataclasses.replace(result, floor=floor, context={**result.context, **context})
    if report is not None:
        from evaluation.report import write_report

        run_dir = sets.source.run_dir if isinstance(sets.source, Sampler) else None
        write_report(result, report, sets.real, sets.fake, run_dir)
    return result


def _check(metrics, features, protocol: str, level: float, report) -> None:
    """Refuses what can be refused before any image is read."""
    defined = protocols.defined(protocol)
    if metrics is not None and not metrics:
        raise InputError(f"metrics is empty; choose from {', '.join(defined)}.")
    for name in metrics or ():
        metric_files.load(name)
        protocols.settings(protocol, name)
    if features is not None:
        feature_kinds.classifier_path(features)
    if not 0 < level < 1:
        raise InputError(f"level = {level}: give a confidence level between 0 and 1, as 0.95.")
    if report is not None and not Path(report).absolute().parent.is_dir():
        raise InputError(f"{report}: its directory does not exist; create it first.")


def _served(protocol: str, real: Features) -> tuple[str, ...]:
    """The metrics that the protocol defines and the features can serve."""
    served = [
        name
        for name in protocols.defined(protocol)
        if metric_files.load(name).READS == "features" or real.logits is not None
    ]
    usual = [name for name in DEFAULT_METRICS if name in served]
    return (*usual, *(name for name in served if name not in usual))


def _floor_features(
    sets: Comparison, real: Features, kind: str | os.PathLike, batch_size: int
) -> tuple[Features, Features] | None:
    if sets.floor is None:
        return None
    first, second = sets.floor
    same = first is sets.real
    return real if same else extract(first, kind, batch_size), extract(second, kind, batch_size)


def _measure(real: Features, fake: Features, metrics: tuple[str, ...], settings: dict) -> Result:
    return measure(
        real.features,
        fake.features,
        metrics,
        real_logits=real.logits,
        fake_logits=fake.logits,
        **settings,
    )


def _plain_fid(result: Result, floor: Result | None) -> dict[str, float | None]:
    """The uncorrected FID against the floor's, where both have as many images.

    Also what sampling alone gives an ideal generator: the floor's bias. It is more than the floor
    where the held-out split is stratified, since a generator draws its classes at random.
    """
    nothing: dict[str, float | None] = {"fid_plain_over_floor": None, "fid_plain_ideal": None}
    if floor is None or "fid" not in result or "fid" not in floor:
        return nothing
    ours, theirs = result["fid"], floor["fid"]
    same_n = (ours.n_real, ours.n_fake) == (theirs.n_real, theirs.n_fake)
    base = theirs.details.get("plain", math.nan)
    if not same_n or not base > 0:
        return nothing
    certain = theirs.details.get("regime") == "two orders"
    return {
        "fid_plain_over_floor": float(ours.details["plain"] / base),
        "fid_plain_ideal": theirs.details["bias"] if certain else None,
    }


def _context(
    sets: Comparison, real: Features, notes: list[str], seconds: dict[str, float]
) -> dict[str, Any]:
    """What was compared and by what, as plain JSON types."""
    contract = dict(sets.source.contract) if isinstance(sets.source, Sampler) else {}
    inferred = list(sets.source.inferred) if isinstance(sets.source, Sampler) else []
    if inferred:
        notes.append(f"Without a generator.json, these were assumed: {', '.join(inferred)}.")
    classes: tuple[str, ...] = ()
    path = feature_kinds.classifier_path(real.name)
    if path is not None:
        from evaluation.features import classifier

        classes = classifier.read_record(path).classes
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "generator": sets.fake.name,
        "reference": sets.real.name,
        "floor": [x.name for x in sets.floor] if sets.floor else None,
        "n": len(sets.fake),
        "features": {
            "name": real.name,
            "dim": int(real.features.shape[1]),
            "sha256": real.sha256,
            "classes": list(classes),
        },
        "images": {"real": _described(sets.real), "fake": _described(sets.fake)},
        "contract": contract,
        "inferred": inferred,
        "data": contract.get("data"),
        "step": contract.get("step"),
        "notes": notes,
        "seconds": seconds,
        "versions": _versions(),
    }


def _described(images: Images) -> dict[str, Any]:
    count, height, width, channels = images.images.shape
    return {
        "count": count,
        "height": height,
        "width": width,
        "channels": channels,
        "sha256": images.sha256,
        "skipped": list(images.skipped),
    }


def _versions() -> dict[str, str]:
    """Versions of all that decides the numbers."""
    found = versions()
    for package in ("tensorflow", "keras"):
        if package in sys.modules:
            found[package] = importlib.metadata.version(package)
    return found


class _Clock:
    """Seconds per stage; tells each stage's begin to `progress`."""

    def __init__(self, progress: Progress | None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._stage = ""
        self._since = 0.0

    def start(self, stage: str) -> None:
        self.stop()
        self._stage, self._since = stage, time.perf_counter()
        if self._progress:
            self._progress(stage, 0, 0)

    def stop(self) -> None:
        if self._stage:
            self.seconds[self._stage] = round(time.perf_counter() - self._since, 3)
        self._stage = ""

"""`evaluate`: from sources of images to scores with intervals, beside the floor of real data."""

import dataclasses
import math
import os
import time
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluation import features as feature_kinds
from evaluation import metrics as metric_files
from evaluation import protocols
from evaluation.core import validation
from evaluation.distances.frechet import frechet_distance
from evaluation.errors import InputError, ReportError, TooFewRows
from evaluation.features import Features
from evaluation.measurement import DEFAULT_METRICS
from evaluation.results.result import Result
from evaluation.runtime.progress import Progress, shown
from evaluation.sources import Source
from evaluation.sources.options import GeneratorOptions
from evaluation.sources.sampler import Sampler
from evaluation.workflows import evaluate_saved
from evaluation.workflows import floor as real_floor
from evaluation.workflows.extraction import Extraction
from evaluation.workflows.image_sets import Comparison, draw_more, gather
from evaluation.workflows.provenance import describe, has_equal_n, plain_fid

LOGIT_METRICS = ("inception_score", "modes")
IMAGES_OF_DRAWS = 2000  # a floor of fewer images is compared with the mean of several draws


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
    batch_size: int | None = None,
    report: str | os.PathLike | None = None,
    progress: Progress | bool | None = None,
    *,
    layer: str | None = None,
    weights: str | os.PathLike | None = None,
    resize: str | None = None,
    precision: str = "float32",
    options: GeneratorOptions | None = None,
    cache: bool | str | os.PathLike | None = None,
    shared: MutableMapping[Any, Any] | None = None,
) -> Result:
    """Scores generated images against real ones, with intervals, and real against real for a floor.

    The floor is the reference against the held-out split of its data set, where it is a training
    split; otherwise one random half of the reference against the other.

    Args:
      generator: what is judged: any source that `evaluation.open_source` takes.
      reference: the real images, likewise; if None, the data that generator.json names.
      metrics: names from `evaluation.metrics.names()`; the usual ones that the features serve if
        None.
      features: any that `evaluation.extract` takes: "inception", "pixels", "digits", a classifier's
        path ...; if None, the shipped classifier for the reference data where there is one, or else
        pixels.
      n: how many images to draw, or to choose at random of a set; if None, all of a set, and of a
        generator as many as the floor holds (2000 where that is fewer than 300).
      seed: of the latents and of every random choice.
      protocol: the metrics' settings by name.
      level: confidence level of the intervals, in (0, 1).
      size_px: side of the square that all images are cropped and resized to.
      skip_corrupt: leave out files that cannot be decoded; where generator.json names the data, it
        may say so too.
      batch_size: images per pass through the features' network, None for its usual number; it does
        not change the scores.
      report: where to write an HTML report, if anywhere.
      progress: True for a bar, or called with (stage, done, total) as the work goes on.
      layer: which of the network's layers, as in `evaluation.extract`; as the next three.
      weights: a file of the network's weights.
      resize: how images become the network's size.
      precision: "float32" or "bfloat16".
      options: of a generator that does not say all itself.
      cache: True keeps features on disk for the next time, in the usual place; or a directory.
      shared: a dict, empty at first, that keeps what further calls need of the same reference: its
        images, its features and its floor.

    Returns:
      Metric names to Estimates; `.floor` holds the floor's, `.context` what was compared.

    Raises:
      InputError: a mistake in what was given; one line says which and what to do.
      ReportError: the report cannot be written; its `result` holds what would have been returned.
    """
    known = {} if shared is None else shared
    how = Extraction(features, layer, weights, resize, precision, batch_size, cache, known)
    settings = {"protocol": protocol, "level": level, "seed": seed}
    chosen = check_settings(metrics, how, settings, n, size_px, options)
    _check_report(report)
    sides = {"real": evaluate_saved.opened(reference), "fake": evaluate_saved.opened(generator)}
    with shown(progress) as show:
        if any(side is not None for side in sides.values()):
            if report is not None:
                raise InputError("report shows images, and a side has none; leave report out.")
            given = {"real": reference, "fake": generator}
            many = (n, size_px, skip_corrupt, options, show)
            return evaluate_saved.evaluate(sides, given, chosen, how, settings, *many)
        clock = _Clock(show)
        clock.start("reading images")
        sets = gather(generator, reference, n, seed, size_px, skip_corrupt, show, options, known)
        how = how.chosen(sets.real)
        clock.start("computing features")
        real, fake = how.of(sets.real, show, again=True), how.of(sets.fake, show)
        pair = real_floor.features(sets, real, how)
        clock.start("measuring")
        names = chosen if chosen is not None else _served(protocol, real)
        if real.logits is None:
            _check_served(names, real.name)
        try:
            result = real_floor.measure_pair(real, fake, names, settings)
        except TooFewRows as error:
            if n is None or error.side != "fake":
                raise
            raise InputError(f"n={n} is too few images: {error.need}; give a larger --n.") from None
        floor, floor_notes = real_floor.measured(sets, pair, names, settings, how)
        of_draws: list[float] = []
        if has_equal_n(result, floor) and isinstance(sets.source, Sampler):
            of_draws = _plain_of_draws(sets, real, how, seed, size_px)
        clock.stop()
    notes = [*sets.notes, *floor_notes, *dict.fromkeys((*real.notes, *fake.notes))]
    context = describe(sets, real, notes, clock.seconds) | plain_fid(result, floor, of_draws)
    context["size_px"] = size_px
    context["options"] = None if options is None else dataclasses.asdict(options)
    result = dataclasses.replace(result, floor=floor, context={**result.context, **context})
    if report is not None:
        _report(result, report, sets)
    return result


def _report(result: Result, report: str | os.PathLike, sets: Comparison) -> None:
    from evaluation.report import write_report

    run_dir = sets.source.run_dir if isinstance(sets.source, Sampler) else None
    try:
        write_report(result, report, sets.real, sets.fake, run_dir)
    except InputError as error:
        raise ReportError(str(error), result) from None


def check_settings(
    metrics: Any,
    how: Extraction,
    settings: Mapping[str, Any],
    n: Any = None,
    size_px: Any = None,
    options: Any = None,
) -> tuple[str, ...] | None:
    """Refuses what can be refused before any image is read.

    Args:
      metrics: names, or None.
      how: how features are made.
      settings: "protocol", "level" and "seed".
      n: images, or None.
      size_px: pixels a side, or None.
      options: of the generator, or None.

    Returns:
      The metrics' names; None where none were asked for.

    Raises:
      InputError: the first mistake found.
    """
    chosen = None
    if metrics is not None:
        chosen = protocols.check_metrics(metrics, settings["protocol"])
    protocols.defined(settings["protocol"])
    for name in chosen or ():
        _check_from_images(name)
    validation.check_level(settings["level"])
    for name, value, least in (("n", n, 1), ("seed", settings["seed"], 0), ("size_px", size_px, 1)):
        if value is not None or name == "seed":
            validation.check_whole(name, value, least)
    how.check()
    if how.features is not None and feature_kinds.has_logits(how.features) is False:
        _check_served(chosen or (), os.fspath(how.features))
    if options is not None and not isinstance(options, GeneratorOptions):
        raise InputError(
            f"options={validation.shown(options)}; it must be evaluation.GeneratorOptions(...)."
        )
    return chosen


def _check_report(report: Any) -> None:
    if report is None:
        return
    if not isinstance(report, str | os.PathLike):
        raise InputError(f"report={report!r}; it must be the path of a file to write.")
    if not Path(report).absolute().parent.is_dir():
        raise InputError(f"{report}: its directory does not exist; create it first.")


def _check_from_images(name: str) -> None:
    """Refuses metrics that need more than one network's answers to two sets of images."""
    module = metric_files.load(name)
    if "train" in module.NEEDS or module.READS == "spatial":
        what = "training rows" if "train" in module.NEEDS else "an early layer's features"
        given = "train_features=" if "train" in module.NEEDS else "real_spatial=, fake_spatial="
        raise InputError(
            f"metrics has {name!r}, which needs {what} too: leave it out here, and give"
            f" evaluation.measure({given}) the arrays."
        )


def _check_served(metrics: Sequence[str], features: str) -> None:
    """Refuses metrics that read logits, for features without a classifier."""
    for name in metrics:
        if metric_files.load(name).READS == "logits":
            raise InputError(
                f"{name} reads a classifier's logits, and features {features!r} have none; use "
                "--features digits or a classifier."
            )


def _served(protocol: str, real: Features) -> tuple[str, ...]:
    """The usual metrics, of those that the protocol defines and the features can serve."""
    usual = DEFAULT_METRICS if real.logits is None else DEFAULT_METRICS + LOGIT_METRICS
    defined = protocols.defined(protocol)
    return tuple(name for name in usual if name in defined)


def _plain_of_draws(sets: Comparison, real: Features, how: Extraction, seed, size_px):
    """Plain FIDs of several draws as large as the floor's, for one of few images says little."""
    draws = math.ceil(IMAGES_OF_DRAWS / len(sets.fake))
    if draws == 1:
        return []
    more = how.of(draw_more(sets, draws, seed, size_px)).features
    rows = real.features.astype(np.float64)
    parts = np.split(more.astype(np.float64), draws)
    return [frechet_distance(rows, part) for part in parts]


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

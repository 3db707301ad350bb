"""`evaluate`: scores generated images against real ones, with intervals and a floor."""

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
from evaluation.features.options import FeatureOptions
from evaluation.measurement import DEFAULT_METRICS
from evaluation.results.result import Result
from evaluation.runtime.progress import Progress, shown
from evaluation.sources import Source
from evaluation.sources.image_options import ImageOptions
from evaluation.sources.options import GeneratorOptions
from evaluation.sources.sampler import Sampler
from evaluation.workflows import evaluate_saved
from evaluation.workflows.extraction import Extraction
from evaluation.workflows.floor import floor_features, measure_floor, measure_pair
from evaluation.workflows.image_sets import Comparison, draw_more, gather
from evaluation.workflows.memo import Memo
from evaluation.workflows.options import bind_options
from evaluation.workflows.provenance import compare_plain_fid, describe, has_equal_n

LOGIT_METRICS = ("inception_score", "modes")
IMAGES_OF_DRAWS = 2000  # a floor of fewer images is compared with the mean of several draws


def evaluate(
    generator: Source,
    reference: Source | None = None,
    metrics: Sequence[str] | None = None,
    features: str | os.PathLike | FeatureOptions | None = None,
    n: int | None = None,
    seed: int = 0,
    protocol: str = "default",
    level: float = 0.95,
    *,
    images: ImageOptions | None = None,
    options: GeneratorOptions | None = None,
    report: str | os.PathLike | None = None,
    progress: Progress | bool | None = None,
    shared: MutableMapping[Any, Any] | None = None,
    **keywords: Any,
) -> Result:
    """Scores generated images against real ones, and real images against real ones (the floor).

    The floor compares the reference with the held-out split of its data set, if the reference is a
    training split. Otherwise it compares two random halves of the reference.

    Args:
      generator: the generated images: any source that `evaluation.open_source` takes.
      reference: the real images: any such source except a generator. None for the data that
        generator.json names.
      metrics: names from `evaluation.metrics.names()`; None for all default metrics that the
        features support.
      features: a name, such as "inception", or `FeatureOptions`. None for the classifier that is
        shipped for the reference data, or pixels if there is none.
      n: number of images to draw from a generator, or to choose at random from a set. None for the
        whole set, and for as many drawn images as the floor has (2000 if the floor has fewer than
        300).
      seed: seed of the latents and of all random choices.
      protocol: name of the protocol, which sets the metrics' settings.
      level: confidence level of the intervals, in (0, 1).
      images: size of the images, and treatment of corrupt files. If generator.json names the data,
        it may also allow corrupt files.
      options: what the generator's files do not declare.
      report: path of an HTML report to write.
      progress: True for a progress bar, or a function of (stage, done, total).
      shared: a dict, empty at first, in which calls with the same reference keep its images,
        features and floor.
      **keywords: fields of `FeatureOptions` (layer, weights, resize, precision, batch_size, cache)
        and of `ImageOptions` (size_px, skip_corrupt), instead of the objects.

    Returns:
      Estimates by metric. `.floor` holds the floor's estimates, `.context` the origin of both.

    Raises:
      InputError: an invalid argument or source, in one line.
      ReportError: the report cannot be written; its `result` holds the scores.
    """
    feature_options, image_options = bind_options(evaluate, features, images, keywords)
    memo = Memo() if shared is None else Memo(shared)
    extraction = Extraction(feature_options, memo)
    settings = {"protocol": protocol, "level": level, "seed": seed}
    chosen = check_settings(metrics, feature_options, settings, n, options)
    _check_report(report)
    sides = {"real": evaluate_saved.opened(reference), "fake": evaluate_saved.opened(generator)}
    with shown(progress) as show:
        if any(side is not None for side in sides.values()):
            if report is not None:
                raise InputError("report shows images, and a side has none; leave report out.")
            sources = {"real": reference, "fake": generator}
            reading = (n, image_options, options, show)
            return evaluate_saved.evaluate(sides, sources, chosen, extraction, settings, *reading)
        clock = _Clock(show)
        clock.start("reading images")
        sets = gather(generator, reference, n, seed, image_options, show, options, memo)
        extraction = extraction.with_default_features(sets.real)
        clock.start("computing features")
        real = extraction.features_of(sets.real, show, keep=True)
        fake = extraction.features_of(sets.fake, show)
        pair = floor_features(sets, real, extraction)
        clock.start("measuring")
        names = chosen if chosen is not None else _default_metrics(protocol, real)
        if real.logits is None:
            _check_has_logits(names, real.name)
        try:
            result = measure_pair(real, fake, names, settings)
        except TooFewRows as error:
            if n is None or error.side != "fake":
                raise
            raise InputError(f"n={n} is too few images: {error.need}; give a larger --n.") from None
        floor, floor_notes = measure_floor(pair, names, settings, extraction)
        draws: list[float] = []
        if has_equal_n(result, floor) and isinstance(sets.source, Sampler):
            draws = _plain_fid_of_draws(sets, real, extraction, seed, image_options)
        clock.stop()
    same = ["The images judged are the reference itself."] if real.images == fake.images else []
    notes = [*sets.notes, *same, *floor_notes, *dict.fromkeys((*real.notes, *fake.notes))]
    context = describe(sets, real, fake, notes, clock.seconds) | compare_plain_fid(
        result, floor, draws
    )
    context["size_px"] = image_options.size_px
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
    features: FeatureOptions,
    settings: Mapping[str, Any],
    n: Any = None,
    options: Any = None,
) -> tuple[str, ...] | None:
    """Checks all arguments that can be checked before an image is read.

    Args:
      metrics: names, or None.
      features: how images become features.
      settings: "protocol", "level" and "seed".
      n: number of images, or None.
      options: options of the generator, or None.

    Returns:
      The metrics' names, or None if `metrics` is None.

    Raises:
      InputError: the first invalid argument.
    """
    names = None
    if metrics is not None:
        names = protocols.check_metrics(metrics, settings["protocol"])
    protocols.defined(settings["protocol"])
    for name in names or ():
        _check_needs_images_only(name)
    validation.check_level(settings["level"])
    if n is not None:
        validation.check_whole("n", n, 1)
    validation.check_whole("seed", settings["seed"], 0)
    feature_kinds.check(dataclasses.replace(features, features=features.features or "pixels"))
    if features.features is not None and feature_kinds.has_logits(features.features) is False:
        _check_has_logits(names or (), os.fspath(features.features))
    if options is not None and not isinstance(options, GeneratorOptions):
        raise InputError(
            f"options={validation.shown(options)}; it must be evaluation.GeneratorOptions(...)."
        )
    return names


def _check_report(report: Any) -> None:
    if report is None:
        return
    if not isinstance(report, str | os.PathLike):
        raise InputError(f"report={report!r}; it must be the path of a file to write.")
    if not Path(report).absolute().parent.is_dir():
        raise InputError(f"{report}: its directory does not exist; create it first.")


def _check_needs_images_only(name: str) -> None:
    """Refuses a metric that needs more than one network's features of two sets of images."""
    module = metric_files.load(name)
    if "train" in module.NEEDS or module.READS == "spatial":
        need = "training rows" if "train" in module.NEEDS else "an early layer's features"
        keyword = "train_features=" if "train" in module.NEEDS else "real_spatial=, fake_spatial="
        raise InputError(
            f"metrics has {name!r}, which needs {need} too: leave it out here, and give"
            f" evaluation.measure({keyword}) the arrays."
        )


def _check_has_logits(metrics: Sequence[str], features: str) -> None:
    """Refuses metrics that read logits, for features without a classifier."""
    for name in metrics:
        if metric_files.load(name).READS == "logits":
            raise InputError(
                f"{name} reads a classifier's logits, and features {features!r} have none; use "
                "--features digits or a classifier."
            )


def _default_metrics(protocol: str, real: Features) -> tuple[str, ...]:
    """Returns the default metrics that the protocol defines and the features support."""
    names = DEFAULT_METRICS if real.logits is None else DEFAULT_METRICS + LOGIT_METRICS
    defined = protocols.defined(protocol)
    return tuple(name for name in names if name in defined)


def _plain_fid_of_draws(
    sets: Comparison, real: Features, extraction: Extraction, seed: int, images: ImageOptions
) -> list[float]:
    """Computes the plain FID of several draws of the floor's size, for a small one varies much."""
    draws = math.ceil(IMAGES_OF_DRAWS / len(sets.fake))
    if draws == 1:
        return []
    more = extraction.features_of(draw_more(sets, draws, seed, images)).features
    rows = real.features.astype(np.float64)
    parts = np.split(more.astype(np.float64), draws)
    return [frechet_distance(rows, part) for part in parts]


class _Clock:
    """Measures the seconds of each stage, and reports the start of each stage to `progress`."""

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

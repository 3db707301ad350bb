"""`evaluate`: from sources of images to scores with intervals, beside the floor of real data."""

import dataclasses
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evaluation import arguments, protocols
from evaluation import features as feature_kinds
from evaluation import metrics as metric_files
from evaluation.context import describe, has_equal_n, plain_fid
from evaluation.errors import InputError, ReportError, TooFewRows
from evaluation.features import Features, extract
from evaluation.image_sets import Comparison, draw_more, gather
from evaluation.laws.frechet import frechet_distance
from evaluation.measurement import DEFAULT_METRICS, measure
from evaluation.result import Result
from evaluation.sources import Source
from evaluation.sources.sampler import Progress, Sampler

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
      metrics: names from `evaluation.metrics.names()`; the usual ones that the features serve if
        None.
      features: "pixels" (larger images reduced to 8 x 8), "digits", or a Keras classifier's
        path; if None, the shipped classifier for the reference data where there is one, or else
        pixels.
      n: how many images to draw, or to choose at random of a set; if None, all of a set, and of a
        generator as many as the floor holds (2000 where that is fewer than 300).
      seed: of the latents and of every random choice.
      protocol: the metrics' settings by name.
      level: confidence level of the intervals, in (0, 1).
      size_px: side of the square that all images are cropped and resized to.
      skip_corrupt: leave out files that cannot be decoded; where generator.json names the data, it
        may say so too.
      batch_size: images per pass through a classifier; it does not change the scores.
      report: where to write an HTML report, if anywhere.
      progress: called with (stage, done, total) as the work goes on.

    Returns:
      Metric names to Estimates; `.floor` holds the floor's, `.context` what was compared.

    Raises:
      InputError: a mistake in what was given; one line says which and what to do.
      ReportError: the report cannot be written; its `result` holds what would have been returned.
    """
    if metrics is not None:
        metrics = arguments.check_metrics(metrics, protocol)
    _check(metrics, features, protocol, report)
    arguments.check_level(level)
    for name, value, least in (("n", n, 1), ("seed", seed, 0), ("size_px", size_px, 1)):
        if value is not None or name == "seed":
            arguments.check_whole(name, value, least)
    arguments.check_whole("batch_size", batch_size, 1)
    clock = _Clock(progress)
    clock.start("reading images")
    sets = gather(generator, reference, n, seed, size_px, skip_corrupt, progress)
    kind = features or feature_kinds.default_features(sets.real.name, sets.real.images.shape[1:])
    clock.start("computing features")
    real, fake = (extract(x, kind, batch_size, progress) for x in (sets.real, sets.fake))
    floor_pair = _floor_features(sets, real, kind, batch_size)
    clock.start("measuring")
    chosen = metrics if metrics is not None else _served(protocol, real)
    if real.logits is None:
        _check_served(chosen, real.name)
    settings = {"protocol": protocol, "level": level, "seed": seed}
    try:
        result = _measure(real, fake, chosen, settings)
    except TooFewRows as error:
        if n is None or error.side != "fake":
            raise
        raise InputError(f"n={n} is too few images: {error.need}; give a larger --n.") from None
    floor, floor_notes = _measure_floor(floor_pair, chosen, settings)
    notes = [*sets.notes, *floor_notes]
    of_draws: list[float] = []
    if has_equal_n(result, floor) and isinstance(sets.source, Sampler):
        of_draws = _plain_of_draws(sets, real, kind, batch_size, seed, size_px)
    clock.stop()
    context = describe(sets, real, notes, clock.seconds) | plain_fid(result, floor, of_draws)
    context["size_px"] = size_px
    result = dataclasses.replace(result, floor=floor, context={**result.context, **context})
    if report is not None:
        from evaluation.report import write_report

        run_dir = sets.source.run_dir if isinstance(sets.source, Sampler) else None
        try:
            write_report(result, report, sets.real, sets.fake, run_dir)
        except InputError as error:
            raise ReportError(str(error), result) from None
    return result


def _check(metrics: tuple[str, ...] | None, features, protocol: str, report) -> None:
    """Refuses what can be refused before any image is read."""
    protocols.defined(protocol)
    for name in metrics or ():
        _check_from_images(name)
    if features is not None and feature_kinds.classifier_path(features) is None:
        _check_served(metrics or (), features)
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


def _floor_features(
    sets: Comparison, real: Features, kind: str | os.PathLike, batch_size: int
) -> tuple[Features, Features] | None:
    if sets.floor is None:
        return None
    first, second = sets.floor
    same = first is sets.real
    return real if same else extract(first, kind, batch_size), extract(second, kind, batch_size)


def _plain_of_draws(sets: Comparison, real: Features, kind, batch_size, seed, size_px):
    """Plain FIDs of several draws as large as the floor's, for one of few images says little."""
    draws = math.ceil(IMAGES_OF_DRAWS / len(sets.fake))
    if draws == 1:
        return []
    more = extract(draw_more(sets, draws, seed, size_px), kind, batch_size).features
    rows = real.features.astype(np.float64)
    parts = np.split(more.astype(np.float64), draws)
    return [frechet_distance(rows, part) for part in parts]


def _measure_floor(
    pair: tuple[Features, Features] | None, metrics: tuple[str, ...], settings: dict
) -> tuple[Result | None, list[str]]:
    """The floor's metrics, as many as can be measured; why the others cannot, in sentences."""
    if pair is None:
        return None, []
    try:
        return _measure(*pair, metrics, settings), []
    except InputError as error:
        reason = f"There is no floor: {error}."
    measured, notes = {}, []
    for name in metrics:
        try:
            measured[name] = _measure(*pair, (name,), settings)
        except InputError as error:
            notes.append(f"There is no floor of {name}: {error}.")
    if not measured:
        return None, [reason]
    whole = next(iter(measured.values()))
    estimates = {name: found[name] for name, found in measured.items()}
    return dataclasses.replace(whole, estimates=estimates), notes


def _measure(real: Features, fake: Features, metrics: tuple[str, ...], settings: dict) -> Result:
    return measure(
        real.features,
        fake.features,
        metrics,
        real_logits=real.logits,
        fake_logits=fake.logits,
        **settings,
    )


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

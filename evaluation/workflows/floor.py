"""Measures the floor of an evaluation: the scores of real images against real images."""

from collections.abc import Mapping
from typing import Any

from evaluation.errors import InputError
from evaluation.features import Features
from evaluation.measurement import measure
from evaluation.results.result import Result
from evaluation.workflows.extraction import Extraction
from evaluation.workflows.image_sets import Comparison

Pair = tuple[Features, Features]


def floor_features(sets: Comparison, real: Features, extraction: Extraction) -> Pair | None:
    """Computes the features of the floor's two sides.

    Args:
      sets: the images.
      real: features of the whole reference.
      extraction: computes the features of all images.

    Returns:
      Both sides, or None if there are too few images for a floor.
    """
    if sets.held_out is not None:
        return real, extraction.features_of(sets.held_out, keep=True)
    if sets.halves is not None:
        return real.rows(sets.halves[0]), real.rows(sets.halves[1])
    return None


def measure_floor(
    pair: Pair | None,
    metrics: tuple[str, ...],
    settings: dict,
    extraction: Extraction,
) -> tuple[Result | None, list[str]]:
    """Measures the floor, or returns it from `extraction.memo` if it was measured before.

    Returns:
      The result with all metrics that can be measured, and a sentence for each that cannot.
    """
    if pair is None:
        return None, []
    images = (pair[0].images, pair[1].images)
    network = (pair[0].sha256, pair[0].name, extraction.options)
    key = ("floor", images, *network, metrics, repr(settings))
    return extraction.memo.once(key, lambda: _measure_floor(pair, metrics, settings))


def _measure_floor(
    pair: Pair, metrics: tuple[str, ...], settings: dict
) -> tuple[Result | None, list[str]]:
    """Measures all metrics together, or one by one if that fails."""
    try:
        return measure_pair(*pair, metrics, settings), []
    except InputError as error:
        reason = f"There is no floor: {error}."
    estimates, notes = {}, []
    context: Mapping[str, Any] = {}
    for name in metrics:
        try:
            one = measure_pair(*pair, (name,), settings)
        except InputError as error:
            notes.append(f"There is no floor of {name}: {error}.")
        else:
            estimates[name], context = one[name], context or one.context
    if not estimates:
        return None, [reason]
    return Result(estimates, context=context), notes


def measure_pair(
    real: Features, fake: Features, metrics: tuple[str, ...], settings: dict
) -> Result:
    """Calls `measure` with two sets of features, and with their logits where there are any."""
    return measure(
        real.features,
        fake.features,
        metrics,
        real_logits=real.logits,
        fake_logits=fake.logits,
        **settings,
    )

"""The floor of an evaluation: what real images score against real images, measured once."""

from collections.abc import Mapping
from typing import Any

from evaluation.errors import InputError
from evaluation.features import Features
from evaluation.measurement import measure
from evaluation.results.result import Result
from evaluation.workflows.extraction import Extraction
from evaluation.workflows.image_sets import Comparison

Pair = tuple[Features, Features]


def features(sets: Comparison, real: Features, how: Extraction) -> Pair | None:
    """The features of the floor's two sides; None where there are too few images for a floor.

    Args:
      sets: what is compared.
      real: the features of the whole reference.
      how: as for all images.
    """
    if sets.floor is None:
        return None
    first, second = sets.floor
    same = first is sets.real
    return real if same else how.of(first, again=True), how.of(second, again=True)


def measured(
    sets: Comparison,
    pair: Pair | None,
    metrics: tuple[str, ...],
    settings: dict,
    how: Extraction,
) -> tuple[Result | None, list[str]]:
    """The floor, from `how.known` where an evaluation of the same images has measured it.

    Returns:
      The floor's metrics, as many as can be measured; why the others cannot, in sentences.
    """
    if pair is None:
        return None, []
    assert sets.floor is not None
    images = tuple(part.sha256 for part in sets.floor)
    key = ("floor", images, pair[0].sha256, pair[0].name, how.told(), metrics, repr(settings))
    if key not in how.known:
        how.known[key] = _measured(pair, metrics, settings)
    return how.known[key]


def _measured(
    pair: Pair, metrics: tuple[str, ...], settings: dict
) -> tuple[Result | None, list[str]]:
    try:
        return measure_pair(*pair, metrics, settings), []
    except InputError as error:
        reason = f"There is no floor: {error}."
    found, notes = {}, []
    context: Mapping[str, Any] = {}
    for name in metrics:
        try:
            one = measure_pair(*pair, (name,), settings)
        except InputError as error:
            notes.append(f"There is no floor of {name}: {error}.")
        else:
            found[name], context = one[name], context or one.context
    if not found:
        return None, [reason]
    return Result(found, context=context), notes


def measure_pair(
    real: Features, fake: Features, metrics: tuple[str, ...], settings: dict
) -> Result:
    """`measure` of two sets of features, and of their logits where there are any."""
    return measure(
        real.features,
        fake.features,
        metrics,
        real_logits=real.logits,
        fake_logits=fake.logits,
        **settings,
    )

"""Scores and class shares as positions in percent, so that the page can draw them at any width."""

import dataclasses
import inspect
import math
from collections.abc import Iterable
from typing import Any

from evaluation import metrics as metric_files
from evaluation.core.estimate import Estimate
from evaluation.results.formatting import number
from evaluation.results.result import Result

MOST_CLASSES = 24


@dataclasses.dataclass(frozen=True)
class Row:
    """One metric as the page shows it.

    Attributes:
      name, title: as it is called, and as it is shown.
      value, interval, floor: as text; interval and floor are empty where there is none.
      better: "lower" or "higher".
      reading: what the metric says, in a sentence.
      made: how the interval was made, its target, and the numbers of images.
      first, last: the ends of the axis as text.
      zero: where 0 is on an axis that begins below it, 0..100, or None.
      at, low, high: the value and its interval on the axis, 0..100; low and high None if none.
      floor_at, floor_low, floor_high: likewise of the floor.
    """

    name: str
    title: str
    value: str
    interval: str
    floor: str
    better: str
    reading: str
    made: str
    first: str
    last: str
    zero: float | None
    at: float
    low: float | None
    high: float | None
    floor_at: float | None
    floor_low: float | None
    floor_high: float | None


def rows(result: Result) -> list[Row]:
    """The result's metrics, in its order."""
    floors = result.floor or {}
    told = "images" in result.context  # the page's head says how many
    return [_row(estimate, floors.get(name), told) for name, estimate in result.items()]


def _row(estimate: Estimate, floor: Estimate | None, told: bool) -> Row:
    first, last = _axis(estimate, floor)
    total = estimate.details.get("total_modes")

    def place(value: float | None) -> float | None:
        if value is None or not math.isfinite(value):
            return None
        return round(100 * (min(max(value, first), last) - first) / (last - first), 2)

    interval = ""
    if estimate.has_interval:
        low, high = (_text(end, total) for end in (estimate.low, estimate.high))
        interval = f"{100 * estimate.level:g} % interval {low} to {high}"
    at = place(estimate.value)
    return Row(
        name=estimate.metric,
        title=_title(estimate.metric),
        value=_text(estimate.value, total) + (f" of {total}" if total else ""),
        interval=interval,
        floor=_text(floor.value, total) if floor else "",
        better=estimate.better,
        reading=_reading(estimate.metric),
        made=f"{estimate.method}; {estimate.target}" + ("" if told else _counts(estimate)),
        first=f"{first:.6g}",
        last=f"{last:.6g}",
        zero=place(0.0) if first < 0 else None,
        at=at if at is not None else 0.0,
        low=place(estimate.low),
        high=place(estimate.high),
        floor_at=place(floor.value) if floor else None,
        floor_low=place(floor.low) if floor else None,
        floor_high=place(floor.high) if floor else None,
    )


def _axis(estimate: Estimate, floor: Estimate | None) -> tuple[float, float]:
    """The ends of a metric's axis: 0 to 1 for shares, 0 to all for counts, or what is seen."""
    seen = [estimate.value, estimate.low, estimate.high]
    seen += [floor.value, floor.low, floor.high] if floor else []
    finite = [value for value in seen if math.isfinite(value)]
    least, most = min(finite, default=0.0), max(finite, default=1.0)
    total = estimate.details.get("total_modes")
    if total:
        return 0.0, float(total)
    if estimate.better == "higher" and least >= 0 and most <= 1:
        return 0.0, 1.0
    reach = max(most, 0.0) - min(least, 0.0) or 1.0
    return _outwards(min(least, 0.0), reach), _outwards(max(most, 0.0), reach)


def _outwards(end: float, reach: float) -> float:
    """An axis's end a little away from 0, at a round number of its reach."""
    step = 10 ** math.floor(math.log10(reach)) / 5
    return math.copysign(math.ceil(abs(1.02 * end) / step) * step, end) if end else 0.0


def _title(metric: str) -> str:
    """An abbreviation in capitals; else words, the first with a capital."""
    return metric.upper() if len(metric) <= 3 else metric.replace("_", " ").capitalize()


def _text(value: float, total: int | None) -> str:
    """A score as text; a count of modes without digits behind the point."""
    return f"{value:.0f}" if total else number(value)


def _reading(metric: str) -> str:
    """The first paragraph of the metric's own description, without its name."""
    if metric not in metric_files.names():
        return ""
    text = inspect.getdoc(metric_files.load(metric)) or ""
    sentence = " ".join(text.split("\n\n")[0].split())
    title, colon, rest = sentence.partition(": ")
    return rest[:1].upper() + rest[1:] if colon and len(title.split()) <= 2 else sentence


def _counts(estimate: Estimate) -> str:
    real = f"{estimate.n_real} real, " if estimate.n_real else ""
    return f"; {real}{estimate.n_fake} generated"


@dataclasses.dataclass(frozen=True)
class Share:
    """One class's share of real and generated images: as text, and 0..100 of the highest."""

    name: str
    real: str
    fake: str
    real_height: float
    fake_height: float
    missing: bool


@dataclasses.dataclass(frozen=True)
class Shares:
    """The classes' histogram: all of them, or those that differ most, and a sentence on it."""

    classes: list[Share]
    caption: str


def class_shares(result: Result) -> Shares | None:
    """The modes' histogram; None where modes were not measured."""
    if "modes" not in result:
        return None
    modes = result["modes"]
    real, fake = (modes.details[key] for key in ("real_shares", "fake_shares"))
    names = _class_names(result, len(real))
    chosen: Iterable[int] = range(len(real))
    missing = set(modes.details["missing"])
    caption = f"{modes.value:g} of {modes.details['total_modes']} classes are covered."
    if missing:
        caption += f" Missing: {', '.join(names[k] for k in sorted(missing)[:MOST_CLASSES])}."
    if len(real) > MOST_CLASSES:
        by_difference = sorted(chosen, key=lambda k: abs(real[k] - fake[k]), reverse=True)
        chosen = sorted(by_difference[:MOST_CLASSES])
        caption += f" Shown are the {MOST_CLASSES} whose shares differ most."
    top = max(max(real), max(fake)) or 1.0
    shares = [
        Share(
            names[k],
            f"{100 * real[k]:.1f} %",
            f"{100 * fake[k]:.1f} %",
            round(100 * real[k] / top, 1),
            round(100 * fake[k] / top, 1),
            k in missing,
        )
        for k in chosen
    ]
    return Shares(shares, caption)


def _class_names(result: Result, count: int) -> list[str]:
    features: Any = result.context.get("features", {})
    names = list(features.get("classes", ()))
    return names if len(names) == count else [str(k) for k in range(count)]

"""Scores and class fractions as positions in percent, for any page width."""

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
    """One metric on the page.

    Attributes:
      name, title: the metric's name and its display name.
      value, interval, floor: text; interval and floor are empty if there is none.
      better: "lower" or "higher".
      reading: the meaning of the metric, in a sentence.
      method: method and target of the interval, and the numbers of images.
      first, last: the ends of the axis as text.
      zero: position of 0, 0..100, on an axis that starts below 0; otherwise None.
      at, low, high: positions of the value and its interval, 0..100; low and high may be None.
      floor_at, floor_low, floor_high: positions of the floor and its interval, 0..100, or None.
    """

    name: str
    title: str
    value: str
    interval: str
    floor: str
    better: str
    reading: str
    method: str
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
    """Returns the result's metrics, in order."""
    floors = result.floor or {}
    has_images = "images" in result.context  # then the page's head has the counts
    return [_row(estimate, floors.get(name), not has_images) for name, estimate in result.items()]


def _row(estimate: Estimate, floor: Estimate | None, with_counts: bool) -> Row:
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
        method=f"{estimate.method}; {estimate.target}" + (_counts(estimate) if with_counts else ""),
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
    """Returns the ends of an axis: [0, 1], [0, total] for counts, or the range of the data."""
    ends = [estimate.value, estimate.low, estimate.high]
    ends += [floor.value, floor.low, floor.high] if floor else []
    finite = [value for value in ends if math.isfinite(value)]
    least, most = min(finite, default=0.0), max(finite, default=1.0)
    total = estimate.details.get("total_modes")
    if total:
        return 0.0, float(total)
    if estimate.better == "higher" and least >= 0 and most <= 1:
        return 0.0, 1.0
    reach = max(most, 0.0) - min(least, 0.0) or 1.0
    return _outwards(min(least, 0.0), reach), _outwards(max(most, 0.0), reach)


def _outwards(end: float, reach: float) -> float:
    """Rounds an end of the axis away from 0, to a fifth of a power of ten."""
    step = 10 ** math.floor(math.log10(reach)) / 5
    return math.copysign(math.ceil(abs(1.02 * end) / step) * step, end) if end else 0.0


def _title(metric: str) -> str:
    """Formats a metric's name: short names in capitals, others capitalised words."""
    return metric.upper() if len(metric) <= 3 else metric.replace("_", " ").capitalize()


def _text(value: float, total: int | None) -> str:
    """Formats a score; a count of modes has no decimals."""
    return f"{value:.0f}" if total else number(value)


def _reading(metric: str) -> str:
    """Returns the first paragraph of the metric's docstring, without its name."""
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
class ClassFraction:
    """A class's fractions of real and generated images: text, and height in % of the highest."""

    name: str
    real: str
    fake: str
    real_height: float
    fake_height: float
    missing: bool


@dataclasses.dataclass(frozen=True)
class ClassFractions:
    """Histogram of the classes: all, or those that differ most; and a caption."""

    classes: list[ClassFraction]
    caption: str


def class_fractions(result: Result) -> ClassFractions | None:
    """Returns the histogram of the classes; None if modes were not measured."""
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
        caption += f" Only the {MOST_CLASSES} classes whose fractions differ most are shown."
    top = max(max(real), max(fake)) or 1.0
    fractions = [
        ClassFraction(
            names[k],
            f"{100 * real[k]:.1f} %",
            f"{100 * fake[k]:.1f} %",
            round(100 * real[k] / top, 1),
            round(100 * fake[k] / top, 1),
            k in missing,
        )
        for k in chosen
    ]
    return ClassFractions(fractions, caption)


def _class_names(result: Result, count: int) -> list[str]:
    features: Any = result.context.get("features", {})
    names = list(features.get("classes", ()))
    return names if len(names) == count else [str(k) for k in range(count)]

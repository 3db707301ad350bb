"""Sentences about a result, for the terminal and the report."""

from collections.abc import Mapping
from typing import Any

from evaluation.core.estimate import Measured
from evaluation.results.formatting import number

HASH_DIGITS = 16
SHORT_DIGITS = 8


def title(result: Measured) -> str:
    """Returns the name of the generator."""
    return str(result.context.get("generator", "Generated against real"))


def headline(result: Measured) -> str:
    """Describes the images, the reference and the features in one line."""
    images = result.context["images"]
    return (
        f"{images['fake']['count']} images of {result.context['generator']} against "
        f"{images['real']['count'] or 'an unknown number'} of {result.context['reference']}, "
        f"features {result.context['features']['name']}"
    )


def facts(result: Measured) -> list[str]:
    """Returns two lines: settings and features; images and time."""
    context, kind = result.context, result.context["features"]
    real, fake = (context["images"][side]["sha256"][:SHORT_DIGITS] for side in ("real", "fake"))
    hash_text = f", sha256 {kind['sha256'][:SHORT_DIGITS]}" if kind["sha256"] else ""
    return [
        f"Protocol {context['protocol']}, level {context['level']:g}, seed {context['seed']}; "
        f"features {kind['name']} of {kind['dim']} numbers{hash_text}",
        f"Images sha256 {fake} (generated), {real} (real); "
        f"{sum(context['seconds'].values()):.1f} s",
    ]


def summary(result: Measured) -> str:
    """Returns the headline as a sentence; for plain arrays, the numbers of rows."""
    if "images" in result.context:
        return headline(result) + "."
    counts = next(iter(result.estimates.values()))
    return f"{counts.n_fake} generated rows against {counts.n_real} real ones."


def floor(result: Measured) -> str:
    """Explains the floor, or states that there is none."""
    pair = result.context.get("floor")
    if result.floor is None:
        return "There is no floor: real data were not compared with real data."
    names = f" ({pair[0]} against {pair[1]})" if pair and pair[0] != pair[1] else ""
    halves = " (one random half against the other)" if pair and pair[0] == pair[1] else ""
    return f"The floor is the score of real images against real images{names}{halves}."


def plain_fid(result: Measured) -> str | None:
    """Compares the plain FID with its floor, for equal numbers of images; None if not computed."""
    ratio = result.context.get("fid_plain_over_floor")
    if ratio is None or result.floor is None:
        return None
    base = result.floor["fid"].details["plain"]
    pair, draws = result.context["floor"], result.context["fid_plain_draws"]
    times = f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}"
    mean = f", the mean of {draws} draws," if draws > 1 else ""
    plain = number(result.context["fid_plain"])
    text = (
        f"Plain FID {plain}{mean} is {times} times the floor {number(base)} "
        f"({pair[0]} against {pair[1]}, equal numbers of images)"
    )
    ideal = result.context.get("fid_plain_ideal")
    if ideal is not None and ideal > base:
        text += f"; by sampling alone an ideal generator gets about {number(ideal)}"
    return text + "."


def settings(result: Measured) -> list[tuple[str, str]]:
    """Returns all settings as (name, value); nested names are joined by dots."""
    context = result.context
    lines = _flat(
        {key: context.get(key) for key in ("date", "protocol", "level", "seed", "n", "size_px")}
    )
    for kind, form in context.get("images", {}).items():
        shape = f"{form['count'] or 'unknown'}"
        if form["height"]:
            shape += f" of {form['height']} x {form['width']} x {form['channels']}"
        lines.append((f"images.{kind}", f"{shape}, sha256 {form['sha256'][:HASH_DIGITS]}"))
    if "features" in context:
        kind = context["features"]
        described = f"{kind['name']}, {kind['dim']} numbers, sha256 {kind['sha256'][:HASH_DIGITS]}"
        lines.append(("features", described))
    rest = ("inferred", "shapes", "versions", "seconds")
    lines += _flat({key: context.get(key) for key in rest if key != "shapes" or "n" not in context})
    return lines + _flat(context.get("contract") or {}, "generator.")


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    lines = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            lines += [(prefix + key, ", ".join(str(item) for item in value))] if value else []
        elif value is not None:
            lines.append((prefix + key, str(value)))
    return lines

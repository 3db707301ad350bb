"""Curves and warnings from a training log."""

import dataclasses
import io
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

MOST_POINTS = 300  # per curve; more are averaged
MOST_WARNINGS = 20

# Placeholders for the page's colours, which differ between light and dark mode.
INK, GRID = "#010203", "#040506"
SERIES = ("#0a0b01", "#0a0b02", "#0a0b03")


@dataclasses.dataclass(frozen=True)
class Panel:
    """One drawing: title, curves as (name, index in SERIES), and an inline SVG."""

    title: str
    curves: tuple[tuple[str, int], ...]
    svg: str


def warnings(log: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Returns the training's warnings as (first step, text), at most MOST_WARNINGS."""
    first: dict[str, int] = {}
    for record in log:
        if record.get("warning"):
            first.setdefault(str(record["warning"]), record["step"])
    return [(step, text) for text, step in first.items()][:MOST_WARNINGS]


def panels(log: list[dict[str, Any]]) -> list[Panel]:
    """Draws losses, discriminator outputs and FID over steps, if they were logged."""
    groups: list[tuple[str, Callable[[str], bool]]] = [
        ("Losses", lambda name: name.endswith("/loss") or name == "loss"),
        ("Discriminator outputs", lambda name: name in ("D(x)", "D(G(z))")),
        ("FID during training", lambda name: re.search(r"(^|/)fid$", name) is not None),
    ]
    drawn = []
    for title, belongs in groups:
        names = sorted({name for record in log for name in record if belongs(name)}, key=_order)
        curves = {name: curve for name in names if (curve := _curve(log, name)) is not None}
        if curves:
            named = tuple((name, _color(name)) for name in curves)
            drawn.append(Panel(title, named, _draw(title, curves)))
    return drawn


def _color(name: str) -> int:
    """Index in SERIES: 0 for discriminators, 1 for generators and FID, 2 for others."""
    if name == "D(x)" or name.startswith(("discriminator", "critic")):
        return 0
    return 1 if name == "D(G(z))" or name.startswith(("generator", "fid")) else 2


def _order(name: str) -> tuple[int, str]:
    return _color(name), name


def _curve(log: list[dict[str, Any]], name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns (steps, values) of one logged number, averaged to MOST_POINTS; None if empty."""
    points = {
        record["step"]: float(record[name])
        for record in log
        if isinstance(record.get(name), int | float) and math.isfinite(record[name])
    }
    if not points:
        return None
    return _thinned(list(points)), _thinned(list(points.values()))


def _thinned(numbers: list) -> np.ndarray:
    """Averages successive numbers to at most MOST_POINTS."""
    parts = np.array_split(np.array(numbers, float), min(len(numbers), MOST_POINTS))
    return np.array([part.mean() for part in parts])


def _draw(title: str, curves: dict[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """Draws curves over steps as an SVG element in the page's colours."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, MaxNLocator

    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": title, "font.size": 10}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(4.1, 2.6), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        for name, (steps, values) in curves.items():
            marker = "o" if len(steps) < 40 else ""
            axes.plot(steps, values, color=SERIES[_color(name)], lw=1.4, marker=marker, ms=3)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, colors=INK)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel("step", color=INK)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _inline(buffer.getvalue())


def _inline(svg: str) -> str:
    """Converts a matplotlib SVG to an HTML element: no prologue, no metadata, themed colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace(INK, "var(--muted)").replace(GRID, "var(--line)")
    for place, color in enumerate(SERIES):
        svg = svg.replace(color, f"var(--series-{place})")
    return svg.strip()

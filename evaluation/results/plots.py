"""Figures of results, curves, modes, neighbours and samples, as matplotlib draws them.

Each function returns a figure that draws itself in a notebook; `savefig` writes it to a file. Real
data are blue circles or bars, generated ones orange squares or bars: told apart by shape and by
brightness as well as by hue.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import EngFormatter, MaxNLocator

from evaluation.core import validation
from evaluation.core.estimate import Measured
from evaluation.core.nearest import nearest
from evaluation.errors import InputError
from evaluation.results.formatting import number
from evaluation.results.plot_style import (
    DASHES,
    FAKE,
    INK,
    REAL,
    SERIES,
    Drawing,
    bar,
    clean,
    course,
    picture,
    pictures,
    whisker,
)

if TYPE_CHECKING:
    from evaluation.estimators.prd import PRDCurve

MOST_CLASSES = 30


def result(found: Measured) -> Drawing:
    """Each metric with its interval, and below it the floor's, on an axis of its own.

    Args:
      found: a `Result`, of `evaluation.evaluate` or `evaluation.measure`.
    """
    figure = Drawing(figsize=(7.0, 0.7 + 0.72 * len(found.estimates)), layout="constrained")
    panels = figure.subplots(len(found.estimates), 1, squeeze=False)[:, 0]
    for axes, (name, estimate) in zip(panels, found.estimates.items(), strict=True):
        floor = (found.floor or {}).get(name)
        whisker(axes, 1.0, estimate, FAKE, "s", "generated")
        if floor is not None:
            whisker(axes, 0.0, floor, REAL, "o", "floor: real against real")
        axes.set_ylim(-0.7 if floor else 0.3, 1.7)
        axes.set_yticks([0.5 if floor else 1.0], [f"{name}\n({estimate.better} is better)"])
        clean(axes, "x")
    first = panels[0]
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False)
    levels = sorted({e.level for e in found.estimates.values() if e.has_interval})
    if levels:
        told = " and ".join(f"{100 * level:g} %" for level in levels)
        panels[-1].set_xlabel(f"value with its {told} interval", color=INK)
    return figure


def comparison(found: Any) -> Drawing:
    """The sources' values at the left, their differences at the right, a row for each metric.

    Args:
      found: a `SourceComparison`, of `evaluation.compare_sources`.
    """
    most = max(len(one.models) + len(one.differences) for one in found.values())
    size = (9.5, len(found) * (1.1 + 0.27 * most))
    figure = Drawing(figsize=size, layout="constrained")
    grid = figure.subplots(len(found), 2, squeeze=False)
    for (left, right), one in zip(grid, found.values(), strict=True):
        for place, model in enumerate(one.models.values()):
            whisker(left, -place, model, FAKE, "s")
        left.set_yticks(range(0, -len(one.models), -1), list(one.models))
        left.set_xlabel(f"{one.metric} ({one.direction} is better)", color=INK)
        for place, pair in enumerate(one.differences):
            span = (pair.value, pair.joint_low, pair.joint_high)
            color, marker = (SERIES[0], "D") if pair.better else ("#767676", "o")
            bar(right, -place, span, color, marker)
        names = [f"{pair.first} − {pair.second}" for pair in one.differences]
        right.set_yticks(range(0, -len(names), -1), names)
        right.axvline(0.0, color=INK, lw=1.0)
        right.set_xlabel(f"difference of {one.metric}", color=INK)
        for axes, count in ((left, len(one.models)), (right, len(names))):
            axes.set_ylim(-count + 0.4, 0.6)
            clean(axes, "x")
    grid[0, 0].set_title("values", color=INK, fontsize=11)
    grid[0, 1].set_title("differences (blue diamonds: established)", color=INK, fontsize=11)
    return figure


def prd(curves: "PRDCurve | Mapping[str, PRDCurve]") -> Drawing:
    """Precision against recall, of one generator or of several by name.

    Args:
      curves: of `evaluation.prd_curve`.
    """
    named = dict(curves) if isinstance(curves, Mapping) else {"": curves}
    if not named or not all(hasattr(curve, "precision") for curve in named.values()):
        raise InputError(
            f"curves={validation.shown(curves)}; it must be an evaluation.prd_curve(...), or map"
            " names to some."
        )
    figure = Drawing(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.add_subplot()
    for place, (name, curve) in enumerate(named.items()):
        label = f"{name} " if name else ""
        label += f"(F8 {curve.f_beta(8.0):.3f}, F1/8 {curve.f_beta(1.0 / 8.0):.3f})"
        style: dict[str, Any] = {
            "color": SERIES[place % len(SERIES)],
            "ls": DASHES[place % len(DASHES)],
        }
        axes.plot(curve.recall, curve.precision, lw=2.0, label=label, **style)
    axes.set(xlim=(0.0, 1.02), ylim=(0.0, 1.02), aspect="equal")
    axes.set_xlabel("recall: share of the real law that is generated", color=INK)
    axes.set_ylabel("precision: share of the generated that is real", color=INK)
    axes.legend(loc="lower left", frameon=False, fontsize=9)
    clean(axes, "both")
    return figure


def modes(found: Any) -> Drawing:
    """Each class's share of the real and of the generated images.

    Args:
      found: a `Result` that has "modes"; of more than 30 classes those that differ most are shown.

    Raises:
      InputError: modes were not measured.
    """
    if not isinstance(found, Mapping) or "modes" not in found:
        raise InputError(
            "result has no modes: measure them, with metrics=['modes'] and a classifier's features."
        )
    details = found["modes"].details
    real, fake = (np.asarray(details[f"{side}_shares"], float) for side in ("real", "fake"))
    names = _class_names(found, len(real))
    chosen = np.sort(np.argsort(-abs(real - fake), kind="stable")[:MOST_CLASSES])
    figure = Drawing(figsize=(max(4.5, 1.6 + 0.42 * len(chosen)), 3.2), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(chosen))
    axes.bar(places - 0.2, 100 * real[chosen], 0.4, color=REAL, label="real")
    axes.bar(places + 0.2, 100 * fake[chosen], 0.4, color=FAKE, label="generated")
    texts = [names[k] for k in chosen]
    turned = max(map(len, texts)) > 4
    axes.set_xticks(places, texts, rotation=90 if turned else 0)
    axes.set_ylabel("share of images in %", color=INK)
    total = details["total_modes"]
    axes.set_title(f"{found['modes'].value:g} of {total} classes covered", color=INK, fontsize=11)
    axes.legend(frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    if turned:
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    clean(axes, "y")
    return figure


def neighbours(
    fake: Any, train: Any, fake_features: Any, train_features: Any, count: int = 6, k: int = 4
) -> Drawing:
    """Generated images, those nearest to a training image first, each beside its nearest ones.

    Args:
      fake: generated images, `Images` or uint8 (m, H, W, C).
      train: training images, likewise.
      fake_features: of all generated images, shape (m, d).
      train_features: of all training images, shape (t, d).
      count: generated images shown.
      k: training images beside each.

    Raises:
      InputError: images that are none, or as many features as there are not images.
    """
    ours = pictures("fake", fake, fake_features)
    theirs = pictures("train", train, train_features)
    validation.check_whole("count", count, 1)
    index, distance = nearest(train_features, fake_features, k)
    rows = np.argsort(distance[:, 0], kind="stable")[:count]
    figure = Drawing(figsize=(0.4 + 1.05 * (k + 1), 0.5 + 1.25 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), k + 1, squeeze=False)
    for line, row in zip(grid, rows, strict=True):
        picture(line[0], ours[row], f"image {row}")
        for axes, place, far in zip(line[1:], index[row], distance[row], strict=True):
            picture(axes, theirs[place], f"{number(far)}")
    figure.suptitle("generated (left), nearest training images and distances", fontsize=10)
    return figure


def samples(images: Any, scores: Any, count: int = 8, name: str = "realism") -> Drawing:
    """The images of the lowest and of the highest scores, the extreme ones first.

    Args:
      images: `Images` or uint8 (m, H, W, C).
      scores: a number of each, shape (m,): of `evaluation.per_sample`.
      count: images of each kind.
      name: of the scores.

    Raises:
      InputError: images that are none, or as many scores as there are not images.
    """
    shown = pictures("images", images, scores)
    values = np.asarray(scores, float)
    validation.check_whole("count", count, 1)
    if values.ndim != 1 or np.isnan(values).any():
        raise InputError(f"scores has shape {values.shape}; it must be one number of each image.")
    order = np.argsort(values, kind="stable")
    count = min(count, len(order))
    figure = Drawing(figsize=(0.9 + 0.95 * count, 2.9), layout="constrained")
    grid = figure.subplots(2, count, squeeze=False)
    for line, rows, told in ((grid[0], order, "lowest"), (grid[1], order[::-1], "highest")):
        for axes, row in zip(line, rows[:count], strict=True):
            picture(axes, shown[row], number(values[row]))
        line[0].set_ylabel(f"{told}\n{name}", color=INK)
    return figure


def curve(found: Any) -> Drawing:
    """Scores over a training's steps with their intervals, a panel for each.

    Args:
      found: a `Curve`, of `evaluation.curve`.
    """
    columns = min(3, len(found.metrics))
    lines = -(-len(found.metrics) // columns)
    figure = Drawing(figsize=(0.5 + 3.6 * columns, 0.6 + 2.5 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes, metric in zip(grid.flat, found.metrics, strict=False):
        for origin in dict.fromkeys(point.origin for point in found.of(metric)):
            points = found.of(metric, origin)
            logged = points[0].is_logged
            course(axes, points, SERIES[0] if logged else FAKE, "o" if logged else "s", origin)
        axes.set_title(metric, color=INK, fontsize=11)
        axes.set_xlabel("step", color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        clean(axes, "both")
    for axes in grid.flat[len(found.metrics) :]:
        axes.set_visible(False)
    shown: dict[str, Any] = {}
    for axes in grid.flat:
        handles, labels = axes.get_legend_handles_labels()
        shown |= dict(zip(labels, handles, strict=True))
    listed = list(shown)
    figure.legend(
        [shown[label] for label in listed],
        listed,
        loc="outside upper center",
        ncols=2,
        frameon=False,
    )
    return figure


def _class_names(found: Any, count: int) -> list[str]:
    names = list(getattr(found, "context", {}).get("features", {}).get("classes", ()))
    return names if len(names) == count else [str(k) for k in range(count)]

"""Matplotlib figures of results, curves, modes, neighbours and samples.

Each function returns a figure that a notebook displays; `savefig` writes it to a file. Real data
are blue circles or bars, generated data orange squares or bars: they differ in shape and brightness
as well as in hue.
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


def result(scores: Measured) -> Drawing:
    """Draws each metric with its interval, and its floor below, on a separate axis.

    Args:
      scores: a `Result` of `evaluation.evaluate` or `evaluation.measure`.
    """
    figure = Drawing(figsize=(7.0, 0.7 + 0.72 * len(scores.estimates)), layout="constrained")
    panels = figure.subplots(len(scores.estimates), 1, squeeze=False)[:, 0]
    for axes, (name, estimate) in zip(panels, scores.estimates.items(), strict=True):
        floor = (scores.floor or {}).get(name)
        whisker(axes, 1.0, estimate, FAKE, "s", "generated")
        if floor is not None:
            whisker(axes, 0.0, floor, REAL, "o", "floor: real against real")
        axes.set_ylim(-0.7 if floor else 0.3, 1.7)
        axes.set_yticks([0.5 if floor else 1.0], [f"{name}\n({estimate.better} is better)"])
        clean(axes, "x")
    first = panels[0]
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False)
    levels = sorted({e.level for e in scores.estimates.values() if e.has_interval})
    if levels:
        level_text = " and ".join(f"{100 * level:g} %" for level in levels)
        panels[-1].set_xlabel(f"value with its {level_text} interval", color=INK)
    return figure


def comparison(compared: Any) -> Drawing:
    """Draws the sources' values (left) and differences (right), one row per metric.

    Args:
      compared: a `SourceComparison` of `evaluation.compare_sources`.
    """
    most = max(len(one.models) + len(one.differences) for one in compared.values())
    size = (9.5, len(compared) * (1.1 + 0.27 * most))
    figure = Drawing(figsize=size, layout="constrained")
    grid = figure.subplots(len(compared), 2, squeeze=False)
    for (left, right), one in zip(grid, compared.values(), strict=True):
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
    grid[0, 1].set_title("differences (blue diamonds: significant)", color=INK, fontsize=11)
    return figure


def prd(curves: "PRDCurve | Mapping[str, PRDCurve]") -> Drawing:
    """Draws precision against recall, for one generator or several.

    Args:
      curves: a result of `evaluation.prd_curve`, or a mapping from names to such results.

    Raises:
      InputError: `curves` is something else.
    """
    named = dict(curves) if isinstance(curves, Mapping) else {"": curves}
    if not named or not all(hasattr(curve, "precision") for curve in named.values()):
        raise InputError(
            f"curves={validation.shown(curves)}; it must be an evaluation.prd_curve(...), or map"
            " names to such curves."
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
    axes.set_xlabel("recall: fraction of the real distribution that is covered", color=INK)
    axes.set_ylabel("precision: fraction of generated data like real data", color=INK)
    axes.legend(loc="lower left", frameon=False, fontsize=9)
    clean(axes, "both")
    return figure


def modes(scores: Any) -> Drawing:
    """Draws each class's fraction of the real and of the generated images.

    Args:
      scores: a `Result` with "modes". Of more than 30 classes, those that differ most are shown.

    Raises:
      InputError: modes were not measured.
    """
    if not isinstance(scores, Mapping) or "modes" not in scores:
        raise InputError(
            "result has no modes: measure them, with metrics=['modes'] and a classifier's features."
        )
    details = scores["modes"].details
    real, fake = (np.asarray(details[f"{side}_shares"], float) for side in ("real", "fake"))
    names = _class_names(scores, len(real))
    chosen = np.sort(np.argsort(-abs(real - fake), kind="stable")[:MOST_CLASSES])
    figure = Drawing(figsize=(max(4.5, 1.6 + 0.42 * len(chosen)), 3.2), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(chosen))
    axes.bar(places - 0.2, 100 * real[chosen], 0.4, color=REAL, label="real")
    axes.bar(places + 0.2, 100 * fake[chosen], 0.4, color=FAKE, label="generated")
    texts = [names[k] for k in chosen]
    rotated = max(map(len, texts)) > 4
    axes.set_xticks(places, texts, rotation=90 if rotated else 0)
    axes.set_ylabel("images in %", color=INK)
    total = details["total_modes"]
    axes.set_title(f"{scores['modes'].value:g} of {total} classes covered", color=INK, fontsize=11)
    axes.legend(frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    if rotated:
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    clean(axes, "y")
    return figure


def neighbours(
    fake: Any, train: Any, fake_features: Any, train_features: Any, count: int = 6, k: int = 4
) -> Drawing:
    """Draws generated images with their nearest training images, the closest first.

    Args:
      fake: generated images, `Images` or uint8 (m, H, W, C).
      train: training images, `Images` or uint8 (t, H, W, C).
      fake_features: features of all generated images, shape (m, d).
      train_features: features of all training images, shape (t, d).
      count: number of generated images.
      k: number of training images for each.

    Raises:
      InputError: wrong images, or the numbers of features and images differ.
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
    """Draws the images with the lowest and the highest scores, the extremes first.

    Args:
      images: `Images` or uint8 (m, H, W, C).
      scores: a number for each image, shape (m,), for example from `evaluation.per_sample`.
      count: number of images of each kind.
      name: name of the scores.

    Raises:
      InputError: wrong images, or the numbers of scores and images differ.
    """
    shown = pictures("images", images, scores)
    values = np.asarray(scores, float)
    validation.check_whole("count", count, 1)
    if values.ndim != 1 or np.isnan(values).any():
        raise InputError(f"scores has shape {values.shape}; it must be one number for each image.")
    order = np.argsort(values, kind="stable")
    count = min(count, len(order))
    figure = Drawing(figsize=(0.9 + 0.95 * count, 2.9), layout="constrained")
    grid = figure.subplots(2, count, squeeze=False)
    for line, rows, extreme in ((grid[0], order, "lowest"), (grid[1], order[::-1], "highest")):
        for axes, row in zip(line, rows[:count], strict=True):
            picture(axes, shown[row], number(values[row]))
        line[0].set_ylabel(f"{extreme}\n{name}", color=INK)
    return figure


def curve(scores: Any) -> Drawing:
    """Draws scores over training steps with their intervals, one panel per metric.

    Args:
      scores: a `Curve` of `evaluation.curve`.
    """
    columns = min(3, len(scores.metrics))
    lines = -(-len(scores.metrics) // columns)
    figure = Drawing(figsize=(0.5 + 3.6 * columns, 0.6 + 2.5 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes, metric in zip(grid.flat, scores.metrics, strict=False):
        for origin in dict.fromkeys(point.origin for point in scores.select(metric)):
            points = scores.select(metric, origin)
            logged = points[0].is_logged
            course(axes, points, SERIES[0] if logged else FAKE, "o" if logged else "s", origin)
        axes.set_title(metric, color=INK, fontsize=11)
        axes.set_xlabel("step", color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        clean(axes, "both")
    for axes in grid.flat[len(scores.metrics) :]:
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


def _class_names(scores: Any, count: int) -> list[str]:
    names = list(getattr(scores, "context", {}).get("features", {}).get("classes", ()))
    return names if len(names) == count else [str(k) for k in range(count)]

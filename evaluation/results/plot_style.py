"""Common parts of all figures: colours, notebook display, intervals, images."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.errors import InputError

REAL, FAKE, INK, GRID = "#56B4E9", "#C44601", "#333333", "#D9D9D9"
SERIES = ("#0072B2", "#C44601", "#009E73", "#CC79A7", "#7A5C00", "#56B4E9")
DASHES = ("-", "--", "-.", ":")


class Drawing(Figure):
    """A figure that a notebook displays without set-up."""

    def _repr_png_(self) -> bytes:
        """Returns the figure as PNG."""
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=100)
        return stream.getvalue()


def course(axes: Axes, points: Sequence[Any], color: str, marker: str, label: str) -> None:
    """Draws values over steps, and a band for the intervals."""
    steps = [point.step for point in points]
    style: dict[str, Any] = {"color": color, "marker": marker, "ms": 4, "lw": 1.4}
    axes.plot(steps, [point.value for point in points], label=label, **style)
    ends = [(p.step, p.low, p.high) for p in points if p.low is not None and p.high is not None]
    if ends:
        at, low, high = zip(*ends, strict=True)
        axes.fill_between(at, low, high, color=color, alpha=0.18, lw=0)


def whisker(axes: Axes, place: float, score: Any, color: str, marker: str, label: str = "") -> None:
    """Draws a value and its interval; missing ends are not drawn."""
    bar(axes, place, (score.value, score.low, score.high), color, marker, label)


def bar(
    axes: Axes,
    place: float,
    span: tuple[float, float, float],
    color: str,
    marker: str,
    label: str = "",
) -> None:
    """Draws (value, low, high) as a horizontal bar at the height `place`."""
    value, low, high = span
    ends = [end if np.isfinite(end) else value for end in (low, high)]
    axes.plot(ends, [place, place], color=color, lw=2.2, solid_capstyle="butt")
    axes.plot([value], [place], color=color, marker=marker, ms=6.5, ls="", label=label or None)


def clean(axes: Axes, grid: Any) -> None:
    """Removes the frame; draws a light grid along "x", "y" or "both"."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.tick_params(length=0, colors=INK)
    axes.grid(axis=grid, color=GRID, lw=0.7)
    axes.set_axisbelow(True)


def picture(axes: Axes, image: np.ndarray, title: str) -> None:
    """Draws one uint8 image (H, W, C) without axes."""
    gray = image.shape[-1] == 1
    axes.imshow(image[..., 0] if gray else image, cmap="gray", vmin=0, vmax=255)
    axes.set_title(title, fontsize=8, color=INK, pad=2)
    axes.set_xticks([])
    axes.set_yticks([])


def pictures(name: str, images: Any, beside: Any) -> np.ndarray:
    """Returns images as uint8 (n, H, W, C); `beside` must have one row for each."""
    from evaluation.sources import arrays
    from evaluation.sources.images import Images

    if isinstance(images, np.ndarray):
        images = arrays.from_array(images, name)
    if not isinstance(images, Images):
        raise InputError(
            f"{name} is {type(images).__name__}; give Images, or a uint8 array (n, H, W, C)."
        )
    if len(images) != len(beside):
        raise InputError(
            f"{name} has {len(images)} images and {len(beside)} rows beside them; give one of each."
        )
    return np.asarray(images.images)

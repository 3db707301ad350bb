"""Result of `curve`: a table, a figure, a file."""

import csv
import dataclasses
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.core import validation
from evaluation.errors import InputError
from evaluation.results import formatting
from evaluation.results.formatting import interval, number
from evaluation.results.frame import import_pandas
from evaluation.runtime.files import atomic_write

if TYPE_CHECKING:
    import pandas

    from evaluation.results.plot_style import Drawing

LOGGED, FRESH = "while training", "fresh images"
COLUMNS = ("metric", "step", "value", "interval", "from")
SUFFIXES = (".png", ".svg", ".pdf", ".csv")


@dataclasses.dataclass(frozen=True)
class Point:
    """One score at one step.

    Attributes:
      metric: name of the score.
      step: training step.
      value: the score.
      low: lower end of the interval; None if there is none.
      high: upper end of the interval; None if there is none.
      origin: "while training" or "fresh images".
    """

    metric: str
    step: int
    value: float
    low: float | None
    high: float | None
    origin: str

    @property
    def is_logged(self) -> bool:
        """Whether the score is from the run's log."""
        return self.origin == LOGGED


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Curve(Sequence[Point]):
    """Scores of a run by metric, origin and step; prints as a table.

    Attributes:
      name: the run's directory.
      points: the scores, sorted by metric, origin and step.
    """

    name: str
    points: tuple[Point, ...]

    def __getitem__(self, place: Any) -> Any:
        """Returns one point, or a slice of points."""
        return self.points[place]

    def __len__(self) -> int:
        """Number of points."""
        return len(self.points)

    @property
    def metrics(self) -> list[str]:
        """The names of the scores."""
        return list(dict.fromkeys(point.metric for point in self.points))

    def select(self, metric: str, origin: str | None = None) -> list[Point]:
        """Returns the points of one metric, of one origin or of all."""
        return [p for p in self.points if p.metric == metric and origin in (None, p.origin)]

    def to_frame(self) -> "pandas.DataFrame":
        """Returns a pandas frame with one row per point.

        Raises:
          InputError: pandas is not installed.
        """
        return import_pandas().DataFrame([dataclasses.asdict(point) for point in self.points])

    def to_dict(self) -> dict[str, Any]:
        """Converts to JSON types: {"run": ..., "points": [...]}."""
        return {"run": self.name, "points": [dataclasses.asdict(point) for point in self.points]}

    def plot(self) -> "Drawing":
        """Draws one panel for each metric, with intervals."""
        from evaluation.results import plots

        return plots.curve(self)

    def save(self, path: str | os.PathLike) -> Path:
        """Writes a figure (.png, .svg, .pdf) or a table (.csv).

        Raises:
          InputError: another suffix, or the file cannot be written.
        """
        target = check_out(path)
        assert target is not None
        try:
            if target.suffix.lower() == ".csv":
                with atomic_write(target) as file:
                    file.write(self._csv().encode())
            else:
                self.plot().savefig(target)
        except OSError as error:
            raise InputError(
                f"{target} cannot be written ({error.strerror}); give another path."
            ) from None
        return target

    def _csv(self) -> str:
        stream = io.StringIO(newline="")
        names = [field.name for field in dataclasses.fields(Point)]
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(point) for point in self.points)
        return stream.getvalue()

    def __str__(self) -> str:
        """The table as plain text."""
        return formatting.text(COLUMNS, self._cells(), ("metric", "from"))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The table as HTML, for a notebook."""
        return formatting.page(COLUMNS, self._cells(), ("metric", "from"), self.name)

    def _cells(self) -> list[list[str]]:
        return [
            [p.metric, str(p.step), number(p.value), interval(p.low, p.high), p.origin]
            for p in self.points
        ]


def check_out(path: Any) -> Path | None:
    """Checks the path of a curve's output file.

    Raises:
      InputError: another suffix, or the directory does not exist.
    """
    if path is None:
        return None
    if not isinstance(path, str | os.PathLike) or Path(path).suffix.lower() not in SUFFIXES:
        raise InputError(
            f"out={validation.shown(path)}; it must end in one of {', '.join(SUFFIXES)}."
        )
    if not Path(path).absolute().parent.is_dir():
        raise InputError(f"out={os.fspath(path)!r}: its directory does not exist; create it first.")
    return Path(path)

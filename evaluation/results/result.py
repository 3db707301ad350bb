"""`Result`: a mapping from metric names to estimates, with their context."""

import csv
import dataclasses
import io
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from evaluation.core.estimate import Estimate, plain
from evaluation.errors import InputError
from evaluation.results import formatting
from evaluation.results.formatting import interval, number
from evaluation.results.frame import import_pandas
from evaluation.runtime.files import atomic_write

if TYPE_CHECKING:
    import pandas

    from evaluation.results.plot_style import Drawing

COLUMNS = ("metric", "value", "interval", "floor", "method / target", "real / fake")
WORDS = ("metric", "method / target")  # the other columns are numbers
COMPARED = (("features", "name"), ("features", "sha256"), ("images", "real", "sha256"))
NUMBERS = ("value", "low", "high", "level")
INFINITE = {"inf": math.inf, "-inf": -math.inf}  # JSON has no infinite numbers


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Result(Mapping[str, Estimate]):
    """Estimates by metric name; prints as a table and can be saved.

    Attributes:
      estimates: estimates by metric name, in input order.
      floor: the same metrics, real against real data (the score of a perfect generator); or None.
      context: sources, versions, settings, seconds; plain JSON types.
    """

    estimates: Mapping[str, Estimate]
    floor: Mapping[str, Estimate] | None = None
    context: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Freezes the mappings."""
        object.__setattr__(self, "estimates", MappingProxyType(dict(self.estimates)))
        if self.floor is not None:
            object.__setattr__(self, "floor", MappingProxyType(dict(self.floor)))
        object.__setattr__(self, "context", dict(self.context))

    def __getitem__(self, metric: str) -> Estimate:
        """Returns the estimate of one metric."""
        return self.estimates[metric]

    def __iter__(self) -> Iterator[str]:
        """Iterates over the metrics' names, in order."""
        return iter(self.estimates)

    def __len__(self) -> int:
        """Number of metrics."""
        return len(self.estimates)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the mappings as plain dicts."""
        floor = None if self.floor is None else dict(self.floor)
        return (Result, (dict(self.estimates), floor, dict(self.context)))

    def __str__(self) -> str:
        """The table as plain text, at most 100 columns wide, without control characters."""
        return formatting.text(COLUMNS, self._rows(), WORDS, WORDS[1:])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The table as HTML, for a notebook, with a headline above and the notes below."""
        from evaluation.results import wording

        has_features = "features" in self.context
        caption = wording.headline(self) if has_features else ""
        sentence = wording.plain_fid(self) if has_features else None
        below = [*([sentence] if sentence else []), *self.context.get("notes", [])]
        return formatting.page(COLUMNS, self._rows(), WORDS, caption, below)

    def _rows(self) -> list[tuple[str, ...]]:
        """Returns the cells of the table."""
        floors = self.floor or {}
        rows: list[tuple[str, ...]] = []
        for name, estimate in self.estimates.items():
            arrow = "↓" if estimate.better == "lower" else "↑"
            floor = number(floors[name].value) if name in floors else "-"
            counts = f"{estimate.n_real} / {estimate.n_fake}"
            described = f"{estimate.method}; {estimate.target}"
            rows.append(
                (
                    f"{name} {arrow}",
                    number(estimate.value),
                    interval(estimate.low, estimate.high),
                    floor,
                    described,
                    counts,
                )
            )
        return rows

    def check_comparable(self, other: "Result") -> None:
        """Raises InputError if the two results must not be compared; otherwise returns None.

        If both results record their features, network and real images, these must agree. For each
        metric, `Estimate.check_comparable` must pass.

        Args:
          other: another result, with the same metrics.

        Raises:
          InputError: something differs (the message names the first difference and both values),
            or `other` is not a Result.
        """
        if not isinstance(other, Result):
            raise InputError(
                f"other is {type(other).__name__}; it must be a Result: measure or load one"
            )
        for path in COMPARED:
            ours, theirs = (_at(result.context, path) for result in (self, other))
            if ours != theirs and None not in (ours, theirs):
                raise InputError(
                    f"the results have {' '.join(path)} {ours!r} and {theirs!r}; they must agree:"
                    " evaluate both with the same features and reference"
                )
        if set(self) != set(other):
            name = sorted(set(self) ^ set(other))[0]
            raise InputError(
                f"only one of the results holds {name}: measure it in both, or compare the"
                " estimates of one metric"
            )
        for name, estimate in self.items():
            estimate.check_comparable(other[name])

    def to_dict(self) -> dict[str, Any]:
        """Converts to JSON types: {"metrics": {...}, "floor": {...} or None, "context": {...}}.

        nan becomes None; infinities become the strings "inf" and "-inf".
        """
        floor = self.floor
        return {
            "metrics": {name: estimate.to_dict() for name, estimate in self.estimates.items()},
            "floor": None if floor is None else {n: f.to_dict() for n, f in floor.items()},
            "context": plain(self.context),
        }

    def to_frame(self) -> "pandas.DataFrame":
        """Returns a pandas frame with one row per metric, indexed by its name.

        Raises:
          InputError: pandas is not installed.
        """
        return import_pandas().DataFrame(self._records()).set_index("metric")

    def to_csv(self) -> str:
        """Returns CSV text: a header, then one line per metric."""
        stream = io.StringIO(newline="")
        records = self._records()
        writer = csv.DictWriter(
            stream, fieldnames=list(records[0]) if records else [], lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(records)
        return stream.getvalue()

    def plot(self) -> "Drawing":
        """Draws each metric and its floor, with intervals, as a matplotlib figure.

        A notebook displays it; `savefig` writes it to a file.
        """
        from evaluation.results import plots

        return plots.result(self)

    def _records(self) -> list[dict[str, Any]]:
        """Returns one flat record per metric, without settings and details."""
        records = []
        for name, estimate in self.estimates.items():
            record = {
                field.name: getattr(estimate, field.name)
                for field in dataclasses.fields(estimate)
                if field.name not in ("settings", "details")
            }
            floor = (self.floor or {}).get(name)
            record["floor"] = math.nan if floor is None else floor.value
            records.append(record)
        return records

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the result atomically.

        Args:
          path: ends in .json (complete; `Result.load` reads it) or .csv (one line per metric).

        Returns:
          The path.

        Raises:
          InputError: another suffix, no metrics to write as .csv, or the file cannot be written.
        """
        path = _path(path)
        suffix = path.suffix.lower()
        if suffix not in (".json", ".csv"):
            raise InputError(f"path {str(path)!r} must end in .json or .csv: rename it")
        if not path.parent.is_dir():
            raise InputError(
                f"path {str(path)!r}: there is no folder {str(path.parent)!r}: create it"
            )
        if suffix == ".json":
            text = json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"
        else:
            if not self:
                raise InputError(f"path {str(path)!r}: there are no metrics to save as .csv")
            text = self.to_csv()
        try:
            with atomic_write(path) as file:
                file.write(text.encode())
        except OSError as error:
            raise InputError(
                f"path {str(path)!r} cannot be written ({error.strerror}): give another path"
            ) from None
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Result":
        """Reads a .json file that `save` wrote.

        Raises:
          InputError: the file cannot be read, or is not a saved result.
        """
        path = _path(path)
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            floor = saved["floor"]
            if not saved["metrics"]:
                raise ValueError("it holds no metrics")
            return cls(
                {name: _estimate(fields) for name, fields in saved["metrics"].items()},
                None if floor is None else {n: _estimate(fields) for n, fields in floor.items()},
                saved["context"],
            )
        except OSError as error:
            raise InputError(f"path {str(path)!r} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"path {str(path)!r} is not a saved result: give a .json that Result.save wrote"
            ) from error


def _at(context: Any, path: tuple[str, ...]) -> Any:
    """Returns the value at a path of keys in a nested mapping, or None."""
    for key in path:
        context = context.get(key) if isinstance(context, Mapping) else None
    return context


def _path(path: Any) -> Path:
    """Checks the argument `path`."""
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"path={path!r}; it must be the path of a file, such as 'scores.json'")
    return Path(path)


def _estimate(fields: Mapping[str, Any]) -> Estimate:
    """Makes an estimate from its saved fields."""
    fields = {
        key: value if isinstance(value, str) and key not in NUMBERS else _restored(value)
        for key, value in fields.items()
    }
    numbers = {key: math.nan if fields[key] is None else float(fields[key]) for key in NUMBERS}
    return Estimate(**(fields | numbers))


def _restored(value: Any) -> Any:
    """Undoes `plain` for infinities."""
    if isinstance(value, dict):
        return {key: _restored(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_restored(item) for item in value]
    return INFINITE.get(value, value) if isinstance(value, str) else value

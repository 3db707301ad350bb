"""Results of a batch: a table, and an atomically written .csv file."""

import contextlib
import csv
import dataclasses
import fcntl
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.errors import InputError
from evaluation.results import formatting
from evaluation.results.formatting import interval, number
from evaluation.results.frame import import_pandas
from evaluation.results.source_names import short_names
from evaluation.runtime.files import atomic_write

if TYPE_CHECKING:
    import pandas

Row = dict[str, Any]
DONE, FAILED = "done", "failed"
COLUMNS = ("source", "metric", "value", "interval", "floor", "n")
LAST = "key"
WORDS = ("source", "status", "error", "reference", "features", "protocol", "date", LAST)


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Batch(Sequence[Row]):
    """One row for each source, in input order; prints as a table.

    Attributes:
      rows: "source", "status" ("done" or "failed"), "error", for each metric NAME, NAME_low,
        NAME_high and NAME_floor, then "n", "reference", "features", "protocol", "level", "seed",
        "step", "seconds", "date" and "key". Missing numbers are None.
    """

    rows: tuple[Row, ...]

    def __getitem__(self, place: Any) -> Any:
        """Returns one row, or a slice of rows."""
        return self.rows[place]

    def __len__(self) -> int:
        """Number of sources."""
        return len(self.rows)

    @property
    def failed(self) -> tuple[Row, ...]:
        """The rows of sources that could not be evaluated."""
        return tuple(row for row in self.rows if row["status"] == FAILED)

    @property
    def metrics(self) -> list[str]:
        """The names of all metrics in the rows."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        return [name for name in names if f"{name}_low" in names]

    def to_frame(self) -> "pandas.DataFrame":
        """Returns the rows as a pandas frame.

        Raises:
          InputError: pandas is not installed.
        """
        return import_pandas().DataFrame(list(self.rows))

    def __str__(self) -> str:
        """The scores with their intervals as plain text, then the failures."""
        cells = self._cells()
        table = [formatting.text(COLUMNS, cells, COLUMNS[:2], COLUMNS[:1])] if cells else []
        return "\n".join([*table, *self._failures()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The same as HTML, for a notebook."""
        return formatting.page(COLUMNS, self._cells(), COLUMNS[:2], "", self._failures())

    def _failures(self) -> list[str]:
        return [f"{row['source']} failed: {row['error']}" for row in self.failed]

    def _cells(self) -> list[list[str]]:
        short = short_names([row["source"] for row in self.rows])
        return [
            [source, name, *_scores(row, name), str(row["n"])]
            for source, row in zip(short, self.rows, strict=True)
            for name in self.metrics
            if row.get(name) is not None
        ]


@contextlib.contextmanager
def claimed(path: Path | None) -> Iterator[None]:
    """Locks a table for this process while the block runs.

    Raises:
      InputError: another process writes the table, or the lock file cannot be created.
    """
    if path is None:
        yield
        return
    try:
        lock = open(path.with_name(f".{path.name}.lock"), "a")  # noqa: SIM115  closed below
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); give another.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"{path} is being written by another batch; wait for it, or give another path."
            ) from None
        yield


def read_rows(path: Path) -> dict[str, Row]:
    """Reads the rows of a file, by key; returns none if there is no file.

    Raises:
      InputError: the file is not a table of a batch.
    """
    if not path.exists():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            cells = list(csv.DictReader(stream, strict=True))
        rows = [{name: _value(name, text) for name, text in row.items()} for row in cells]
        if not all({"source", "status", LAST} <= row.keys() for row in rows):
            raise ValueError("a column is missing")
        return {row[LAST]: row for row in rows}
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(
            f"{path} is not a table of an earlier batch ({error}); give another path, or remove it."
        ) from None


def write_rows(path: Path, rows: list[Row]) -> None:
    """Writes rows with different columns as one table, atomically.

    Raises:
      InputError: the file cannot be written.
    """
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, _columns(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    try:
        with atomic_write(path) as file:
            file.write(stream.getvalue().encode())
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); give another.") from None


def _columns(rows: list[Row]) -> list[str]:
    """Returns all columns: first the columns of the longest row, last the key."""
    longest = max(rows, key=len)
    names = dict.fromkeys([*longest, *(name for row in rows for name in row)])
    return [name for name in names if name != LAST] + [LAST]


def _value(name: str, text: str | None) -> Any:
    """Converts a cell back to its value."""
    if name in WORDS:
        return text or ""
    if not text:
        return None
    return int(text) if text.lstrip("-").isdigit() else float(text)


def _scores(row: Row, name: str) -> list[str]:
    """Formats value, interval and floor."""
    low, high, floor = (row.get(f"{name}_{part}") for part in ("low", "high", "floor"))
    return [number(row[name]), interval(low, high), "-" if floor is None else number(floor)]

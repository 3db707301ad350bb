"""`batch`: many generators or checkpoints against one reference, in a table that grows row by row.

A row is found again by a key of what gave it: the source's and the reference's files (path, size
and time of change), the metrics and every setting. A function is known by its name alone.
"""

import dataclasses
import datetime
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.core import validation
from evaluation.core.versions import versions
from evaluation.errors import InputError
from evaluation.results.batch import DONE, FAILED, Batch, Row, claimed, read_rows, write_rows
from evaluation.results.result import Result
from evaluation.results.source_names import name_of, named_sources
from evaluation.runtime.progress import Progress, prefixed, shown
from evaluation.sources import Source
from evaluation.sources.images import Images
from evaluation.sources.options import GeneratorOptions
from evaluation.workflows.evaluate import check_settings, evaluate
from evaluation.workflows.extraction import Extraction
from evaluation.workflows.image_sets import read_reference


def batch(
    sources: Mapping[str, Source] | Iterable[Source],
    reference: Source | None = None,
    metrics: Sequence[str] | None = None,
    features: str | os.PathLike | None = None,
    n: int | None = None,
    seed: int = 0,
    protocol: str = "default",
    level: float = 0.95,
    size_px: int | None = None,
    skip_corrupt: bool = False,
    batch_size: int | None = None,
    out: str | os.PathLike | None = None,
    progress: Progress | bool | None = None,
    *,
    layer: str | None = None,
    weights: str | os.PathLike | None = None,
    resize: str | None = None,
    precision: str = "float32",
    options: GeneratorOptions | None = None,
    cache: bool | str | os.PathLike | None = None,
) -> Batch:
    """Evaluates many sources against one reference, whose features are computed once.

    Args:
      sources: what `evaluation.evaluate` judges; a mapping gives names.
      reference: as in `evaluation.evaluate`, as all others but `out`.
      metrics: names; the usual ones if None.
      features: their name.
      n: images of each source.
      seed: of the latents and of every random choice.
      protocol: the metrics' settings by name.
      level: of the intervals.
      size_px: side of the square that all images are cropped and resized to.
      skip_corrupt: leave out files that cannot be decoded.
      batch_size: images per pass through the features' network.
      out: a .csv file, written whole after each source. Rows that are there already are not
        computed again; those that failed are tried again, and those of other settings stay.
      progress: True for a bar, or called with (stage, done, total).
      layer: which of the network's layers.
      weights: a file of the network's weights.
      resize: how images become the network's size.
      precision: "float32" or "bfloat16".
      options: of the generators.
      cache: keep features on disk.

    Returns:
      A row for each source. A source that fails has the error's line in its row, and the others go
      on.

    Raises:
      InputError: a mistake in the settings or in the reference, or an `out` that cannot be written
        or that another process writes.
    """
    given: dict[str, Any] = {
        "metrics": metrics,
        "features": features,
        "n": n,
        "seed": seed,
        "protocol": protocol,
        "level": level,
        "size_px": size_px,
        "skip_corrupt": skip_corrupt,
        "batch_size": batch_size,
        "layer": layer,
        "weights": weights,
        "resize": resize,
        "precision": precision,
        "options": options,
        "cache": cache,
    }
    named = named_sources(sources, short=False)
    shared: dict[Any, Any] = {}
    _check(given, reference, shared)
    path = _checked_out(out)
    rows: list[Row] = []
    with claimed(path), shown(progress) as show:
        known = read_rows(path) if path else {}
        for place, (name, source) in enumerate(named.items()):
            key = _key(source, reference, given)
            row = known.get(key)
            if row is None or row["status"] != DONE:
                tell = prefixed(show, f"{place + 1}/{len(named)} {name}")
                row = _row(name, source, reference, given, tell, shared) | {"key": key}
                known[key] = row
                if path:
                    write_rows(path, list(known.values()))
            rows.append(row | {"source": name})
    return Batch(tuple(rows))


def _row(name: str, source: Source, reference, given: dict, show, shared: dict) -> Row:
    """What an evaluation gives, or why there is none."""
    try:
        result = evaluate(source, reference, progress=show, shared=shared, **given)
    except Exception as error:  # what a foreign generator raises may be anything
        line = " ".join(str(error).split())
        told = line if isinstance(error, InputError) else f"{type(error).__name__}: {line}"
        return {"source": name, "status": FAILED, "error": told, "date": _now()}
    return {"source": name, "status": DONE, "error": "", **_flat(result)}


def _flat(result: Result) -> Row:
    """A result in one row of numbers and words."""
    row: Row = {}
    for name, found in result.items():
        floor = (result.floor or {}).get(name)
        row[name] = _number(found.value)
        row |= {f"{name}_{end}": _number(getattr(found, end)) for end in ("low", "high")}
        row[f"{name}_floor"] = None if floor is None else _number(floor.value)
    context = result.context
    row |= {name: context[name] for name in ("n", "reference")}
    row["features"] = context["features"]["name"]
    row |= {name: context[name] for name in ("protocol", "level", "seed", "step")}
    row["seconds"] = round(sum(context["seconds"].values()), 3)
    return row | {"date": context["date"]}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _check(given: dict[str, Any], reference: Source | None, shared: dict) -> None:
    """Refuses mistakes that all sources would share, and reads the reference."""
    names = ("features", "layer", "weights", "resize", "precision", "batch_size", "cache")
    how = Extraction(*(given[name] for name in names))
    settings = {name: given[name] for name in ("protocol", "level", "seed")}
    check_settings(given["metrics"], how, settings, given["n"], given["size_px"], given["options"])
    if reference is not None:
        read_reference(reference, given["size_px"], given["skip_corrupt"], shared)


def _checked_out(out: Any) -> Path | None:
    if out is None:
        return None
    if not isinstance(out, str | os.PathLike) or Path(out).suffix.lower() != ".csv":
        raise InputError(f"out={validation.shown(out)}; it must be a file that ends in .csv.")
    if not Path(out).absolute().parent.is_dir():
        raise InputError(f"out={os.fspath(out)!r}: its directory does not exist; create it first.")
    return Path(out)


def _key(source: Source, reference: Source | None, given: Mapping[str, Any]) -> str:
    """What a row depends on, as 16 hexadecimal digits."""
    settings = {name: value for name, value in given.items() if name not in ("cache", "batch_size")}
    if settings["options"] is not None:
        settings["options"] = dataclasses.asdict(settings["options"])
    about = [_identity(source), _identity(reference), settings, versions()["gantf"]]
    text = json.dumps(about, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _identity(source: Source | None) -> Any:
    """What changes when a source does."""
    if isinstance(source, np.ndarray):
        return Images(source, None, (), "").sha256
    if isinstance(source, Images):
        return source.sha256
    if not isinstance(source, str | os.PathLike):
        return None if source is None else name_of(source)
    path = Path(os.fspath(source).removeprefix("folder:"))
    return [os.fspath(source), [*_stamps(path)]]


def _stamps(path: Path) -> Iterator[tuple[str, int, int]]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        if file.is_file():
            found = file.stat()
            yield str(file.relative_to(path)), found.st_size, found.st_mtime_ns

"""`batch`: evaluates many generators or checkpoints against one reference, row by row.

A row has a key: a hash of the source's and the reference's files (path, size and modification
time), the metrics and all settings. Only the name of a Python function enters the hash.
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
from evaluation.features.options import FeatureOptions
from evaluation.results.batch import DONE, FAILED, Batch, Row, claimed, read_rows, write_rows
from evaluation.results.result import Result
from evaluation.results.source_names import named_sources, source_name
from evaluation.runtime.progress import Progress, prefixed, shown
from evaluation.sources import Source
from evaluation.sources.image_options import ImageOptions
from evaluation.sources.images import Images
from evaluation.sources.options import GeneratorOptions
from evaluation.workflows.evaluate import check_settings, evaluate
from evaluation.workflows.image_sets import read_reference
from evaluation.workflows.memo import Memo
from evaluation.workflows.options import bind_options


def batch(
    sources: Mapping[str, Source] | Iterable[Source],
    reference: Source | None = None,
    metrics: Sequence[str] | None = None,
    features: str | os.PathLike | FeatureOptions | None = None,
    n: int | None = None,
    seed: int = 0,
    protocol: str = "default",
    level: float = 0.95,
    *,
    out: str | os.PathLike | None = None,
    images: ImageOptions | None = None,
    options: GeneratorOptions | None = None,
    progress: Progress | bool | None = None,
    **keywords: Any,
) -> Batch:
    """Evaluates many sources against one reference, and computes its features once.

    All arguments except `sources` and `out` are those of `evaluation.evaluate`.

    Args:
      sources: sources that `evaluation.evaluate` accepts; a mapping names them.
      reference: the real images; None for the data that each generator names.
      metrics: names; None for the default metrics.
      features: a name or `FeatureOptions`.
      n: images of each source.
      seed: seed of the latents and of all random choices.
      protocol: name of the protocol, which sets the metrics' settings.
      level: confidence level of the intervals, in (0, 1).
      out: a .csv file, written as a whole after each source. Finished rows in it are not computed
        again. Failed rows are tried again. Rows with other settings stay.
      images: size of the images, and treatment of corrupt files.
      options: options of the generators.
      progress: True for a progress bar, or a function of (stage, done, total).
      **keywords: fields of `FeatureOptions` and `ImageOptions`.

    Returns:
      A row for each source. The row of a source that fails holds the error's line; the next source
      follows.

    Raises:
      InputError: a setting or the reference is invalid, or `out` cannot be written or is in use by
        another process.
    """
    feature_options, image_options = bind_options(batch, features, images, keywords)
    arguments: dict[str, Any] = {
        "metrics": metrics,
        "features": feature_options,
        "n": n,
        "seed": seed,
        "protocol": protocol,
        "level": level,
        "images": image_options,
        "options": options,
    }
    named = named_sources(sources, short=False)
    settings = {"protocol": protocol, "level": level, "seed": seed}
    memo = Memo()
    check_settings(metrics, feature_options, settings, n, options)
    if reference is not None:
        read_reference(reference, image_options, memo)
    path = _checked_out(out)
    rows: list[Row] = []
    with claimed(path), shown(progress) as show:
        table = read_rows(path) if path else {}
        for place, (name, source) in enumerate(named.items()):
            key = _key(source, reference, arguments)
            row = table.get(key)
            if row is None or row["status"] != DONE:
                tell = prefixed(show, f"{place + 1}/{len(named)} {name}")
                row = _row(name, source, reference, arguments, tell, memo) | {"key": key}
                table[key] = row
                if path:
                    write_rows(path, list(table.values()))
            rows.append(row | {"source": name})
    return Batch(tuple(rows))


def _row(name: str, source: Source, reference, arguments: dict, show, memo: Memo) -> Row:
    """Evaluates one source; returns its row of scores, or a row with the error."""
    try:
        result = evaluate(source, reference, progress=show, shared=memo.kept, **arguments)
    except Exception as error:  # a user's generator may raise any exception
        line = " ".join(str(error).split())
        message = line if isinstance(error, InputError) else f"{type(error).__name__}: {line}"
        return {"source": name, "status": FAILED, "error": message, "date": _now()}
    return {"source": name, "status": DONE, "error": "", **_flat(result)}


def _flat(result: Result) -> Row:
    """Returns a result as one row of numbers and strings."""
    row: Row = {}
    for name, estimate in result.items():
        floor = (result.floor or {}).get(name)
        row[name] = _number(estimate.value)
        row |= {f"{name}_{end}": _number(getattr(estimate, end)) for end in ("low", "high")}
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


def _checked_out(out: Any) -> Path | None:
    if out is None:
        return None
    if not isinstance(out, str | os.PathLike) or Path(out).suffix.lower() != ".csv":
        raise InputError(f"out={validation.shown(out)}; it must be a file that ends in .csv.")
    if not Path(out).absolute().parent.is_dir():
        raise InputError(f"out={os.fspath(out)!r}: its directory does not exist; create it first.")
    return Path(out)


def _key(source: Source, reference: Source | None, arguments: Mapping[str, Any]) -> str:
    """Returns a hash of everything that a row depends on, as 16 hexadecimal digits."""
    settings = {**arguments, **vars(arguments["features"]), **vars(arguments["images"])}
    del settings["images"], settings["cache"], settings["batch_size"]  # the last two do not matter
    if settings["options"] is not None:
        settings["options"] = dataclasses.asdict(settings["options"])
    about = [_identity(source), _identity(reference), settings, versions()["gantf"]]
    text = json.dumps(about, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _identity(source: Source | None) -> Any:
    """Returns a value that changes if the source changes."""
    if isinstance(source, np.ndarray):
        return Images(source, None, (), "").sha256
    if isinstance(source, Images):
        return source.sha256
    if not isinstance(source, str | os.PathLike):
        return None if source is None else source_name(source)
    path = Path(os.fspath(source).removeprefix("folder:"))
    return [os.fspath(source), [*_stamps(path)]]


def _stamps(path: Path) -> Iterator[tuple[str, int, int]]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        if file.is_file():
            status = file.stat()
            yield str(file.relative_to(path)), status.st_size, status.st_mtime_ns

"""`curve`: a training run's scores over its steps, as logged and as evaluated on fresh images."""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation import metrics as metric_files
from evaluation.core import validation
from evaluation.errors import InputError
from evaluation.report.curves import LOG_FILE, read
from evaluation.results.curve import FRESH, LOGGED, Curve, Point
from evaluation.runtime.progress import Progress, prefixed, shown
from evaluation.sources import Source


def curve(
    run_dir: str | os.PathLike,
    metrics: str | Sequence[str] | None = None,
    reference: Source | None = None,
    *,
    exports: bool = True,
    progress: Progress | bool | None = None,
    **settings: Any,
) -> Curve:
    """The scores of a training run over its steps.

    Those of metrics.jsonl were taken while it trained, on the same latents each time: good for its
    course, but the best of them is better than it will be on others. Generators of two or more
    steps in folders of the run, each with its generator.json, are evaluated on fresh images.

    Args:
      run_dir: the run's directory.
      metrics: the scores' names; None for all that were logged.
      reference: of the exported generators; None for the data that they name.
      exports: whether those are evaluated.
      progress: True for a bar, or called with (stage, done, total).
      **settings: of `evaluation.evaluate`, for the exported generators.

    Returns:
      The points by metric, origin and step.

    Raises:
      InputError: no run with scores, or a metric that it has not.
    """
    if not isinstance(run_dir, str | os.PathLike):
        raise InputError(f"run_dir={validation.shown(run_dir)}; it must be a run's directory.")
    directory = Path(run_dir)
    if not directory.is_dir():
        raise InputError(f"{directory} does not exist; give a training run's directory.")
    points = _logged(directory)
    wanted = [metrics] if isinstance(metrics, str) else metrics
    found = _exported(directory) if exports else {}
    if len(found) > 1:
        names = wanted or [n for n in dict.fromkeys(p.metric for p in points) if _is_metric(n)]
        points += _fresh(found, [n for n in names if _is_metric(n)], reference, progress, settings)
    known = dict.fromkeys(point.metric for point in points)
    if not known:
        raise InputError(
            f"{directory} has no scores in {LOG_FILE}, and no generators of two or more steps;"
            " train with --eval-every, or export several steps."
        )
    for name in wanted or ():
        if name not in known:
            raise InputError(metric_files.unknown("score of this run", name, list(known)))
    chosen = list(wanted or known)
    order = {name: place for place, name in enumerate(chosen)}
    kept = [point for point in points if point.metric in order]
    kept.sort(key=lambda p: (order[p.metric], p.origin != LOGGED, p.step))
    return Curve(str(directory), tuple(kept))


def _is_metric(name: str) -> bool:
    return name in metric_files.names()


def _logged(directory: Path) -> list[Point]:
    """The scores that were taken while it trained."""
    points = []
    for record in read(directory):
        if not record.get("scored"):
            continue
        for name, value in record.items():
            if name in ("step", "scored") or name.endswith(("_low", "_high")):
                continue
            low, high = (_finite(record.get(f"{name}_{end}")) for end in ("low", "high"))
            if _finite(value) is not None:
                points.append(Point(name, record["step"], float(value), low, high, LOGGED))
    return points


def _finite(value: Any) -> float | None:
    number_given = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number_given and math.isfinite(value) else None


def _exported(directory: Path) -> dict[int, Path]:
    """The run's generators by step; of two of one step the last by name."""
    found = {}
    for path in sorted(
        [*directory.glob("*/generator.json"), *directory.glob("*/*/generator.json")]
    ):
        try:
            step = json.loads(path.read_text(encoding="utf-8")).get("step")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(step, int) and not path.parent.name.startswith("."):
            found[step] = path.parent
    return dict(sorted(found.items()))


def _fresh(exported: dict[int, Path], metrics, reference, progress, settings) -> list[Point]:
    from evaluation.workflows.evaluate import evaluate

    points: list[Point] = []
    shared: dict[Any, Any] = {}
    with shown(progress) as show:
        for step, path in exported.items():
            result = evaluate(
                path,
                reference,
                metrics or None,
                progress=prefixed(show, f"step {step}"),
                shared=shared,
                **settings,
            )
            for name, estimate in result.items():
                low, high = _finite(estimate.low), _finite(estimate.high)
                points.append(Point(name, step, float(estimate.value), low, high, FRESH))
    return points

"""`curve`: scores of a training run over its steps, as logged and as evaluated on new images."""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation import metrics as metric_files
from evaluation.core import validation
from evaluation.errors import InputError
from evaluation.features.options import FeatureOptions
from evaluation.results.curve import FRESH, LOGGED, Curve, Point
from evaluation.runtime import metrics_log
from evaluation.runtime.progress import Progress, prefixed, shown
from evaluation.sources import Source
from evaluation.sources.image_options import ImageOptions
from evaluation.sources.options import GeneratorOptions
from evaluation.workflows.memo import Memo
from evaluation.workflows.options import bind_options


def curve(
    run_dir: str | os.PathLike,
    metrics: str | Sequence[str] | None = None,
    reference: Source | None = None,
    *,
    exports: bool = True,
    features: str | os.PathLike | FeatureOptions | None = None,
    n: int | None = None,
    seed: int = 0,
    protocol: str = "default",
    level: float = 0.95,
    images: ImageOptions | None = None,
    options: GeneratorOptions | None = None,
    progress: Progress | bool | None = None,
    **keywords: Any,
) -> Curve:
    """Collects the scores of a training run over its steps.

    The scores in metrics.jsonl were computed during training, each time with the same latents.
    They show the course of the training, but the best of them is better than its score on other
    latents. If folders of the run hold exported generators of two or more steps, each with its
    generator.json, they are evaluated on new images.

    Args:
      run_dir: directory of the run.
      metrics: names of the scores; None for all logged scores.
      reference: the real images for the exported generators; None for the data that they name.
      exports: evaluate the exported generators. The arguments below are for their evaluation.
      features: a name or `FeatureOptions`, as in `evaluation.evaluate`.
      n: images of each generator.
      seed: seed of the latents and of all random choices.
      protocol: name of the protocol, which sets the metrics' settings.
      level: confidence level of the intervals, in (0, 1).
      images: size of the images, and treatment of corrupt files.
      options: options of the generators.
      progress: True for a progress bar, or a function of (stage, done, total).
      **keywords: fields of `FeatureOptions` and `ImageOptions`, as in `evaluation.evaluate`.

    Returns:
      The points by metric, origin and step.

    Raises:
      InputError: `run_dir` has no scores or not the requested metric, or an argument is invalid.
    """
    if not isinstance(run_dir, str | os.PathLike):
        raise InputError(f"run_dir={validation.shown(run_dir)}; it must be a run's directory.")
    directory = Path(run_dir)
    if not directory.is_dir():
        raise InputError(f"{directory} does not exist; give a training run's directory.")
    feature_options, image_options = bind_options(curve, features, images, keywords)
    arguments = {
        "features": feature_options,
        "n": n,
        "seed": seed,
        "protocol": protocol,
        "level": level,
        "images": image_options,
        "options": options,
    }
    points = _logged(directory)
    requested = [metrics] if isinstance(metrics, str) else metrics
    generators = _exported(directory) if exports else {}
    if len(generators) > 1:
        names = list(requested or dict.fromkeys(point.metric for point in points))
        names = [name for name in names if name in metric_files.names()]
        points += _fresh(generators, names, reference, progress, arguments)
    available = dict.fromkeys(point.metric for point in points)
    if not available:
        raise InputError(
            f"{directory} has no scores in {metrics_log.FILE}, and no generators of two or more "
            "steps; train with --eval-every, or export several steps."
        )
    for name in requested or ():
        if name not in available:
            raise InputError(metric_files.unknown("score of this run", name, list(available)))
    order = {name: place for place, name in enumerate(requested or available)}
    chosen = [point for point in points if point.metric in order]
    chosen.sort(key=lambda p: (order[p.metric], p.origin != LOGGED, p.step))
    return Curve(str(directory), tuple(chosen))


def _logged(directory: Path) -> list[Point]:
    """Reads the scores that were computed during training."""
    points = []
    for record in metrics_log.read(directory):
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
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def _exported(directory: Path) -> dict[int, Path]:
    """Finds the run's exported generators by step; the last by name if two have the same step."""
    generators = {}
    for path in sorted(
        [*directory.glob("*/generator.json"), *directory.glob("*/*/generator.json")]
    ):
        try:
            step = json.loads(path.read_text(encoding="utf-8")).get("step")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(step, int) and not path.parent.name.startswith("."):
            generators[step] = path.parent
    return dict(sorted(generators.items()))


def _fresh(generators: dict[int, Path], metrics, reference, progress, arguments) -> list[Point]:
    """Evaluates exported generators."""
    from evaluation.workflows.evaluate import evaluate

    points: list[Point] = []
    memo = Memo()
    with shown(progress) as show:
        for step, path in generators.items():
            result = evaluate(
                path,
                reference,
                metrics or None,
                progress=prefixed(show, f"step {step}"),
                shared=memo.kept,
                **arguments,
            )
            for name, estimate in result.items():
                low, high = _finite(estimate.low), _finite(estimate.high)
                points.append(Point(name, step, float(estimate.value), low, high, FRESH))
    return points

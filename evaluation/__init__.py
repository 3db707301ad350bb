"""How good generated images are: metrics with honest intervals, on plain arrays or any source.

Public names are imported when first used, so that `import evaluation` is quick and needs no
TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluation.api import evaluate
    from evaluation.classes import per_class
    from evaluation.errors import InputError, ReportError
    from evaluation.features import default_features, extract
    from evaluation.measurement import measure
    from evaluation.neighbours import nearest
    from evaluation.oneline import OneLineErrors
    from evaluation.planning import plan
    from evaluation.prd import prd_curve
    from evaluation.quiet import import_tensorflow
    from evaluation.ranking import compare
    from evaluation.report import write_report
    from evaluation.result import Result
    from evaluation.sources import load_images, open_source
    from evaluation.sources.images import Images
    from evaluation.statistics.estimate import Estimate
    from evaluation.training_runs import over_runs
    from evaluation.two_sample import same_distribution

_HOMES = {
    "Estimate": "evaluation.statistics.estimate",
    "Images": "evaluation.sources.images",
    "InputError": "evaluation.errors",
    "OneLineErrors": "evaluation.oneline",
    "ReportError": "evaluation.errors",
    "Result": "evaluation.result",
    "compare": "evaluation.ranking",
    "default_features": "evaluation.features",
    "evaluate": "evaluation.api",
    "extract": "evaluation.features",
    "import_tensorflow": "evaluation.quiet",
    "load_images": "evaluation.sources",
    "measure": "evaluation.measurement",
    "nearest": "evaluation.neighbours",
    "open_source": "evaluation.sources",
    "over_runs": "evaluation.training_runs",
    "per_class": "evaluation.classes",
    "plan": "evaluation.planning",
    "prd_curve": "evaluation.prd",
    "same_distribution": "evaluation.two_sample",
    "write_report": "evaluation.report",
}

__all__ = [
    "Estimate",
    "Images",
    "InputError",
    "OneLineErrors",
    "ReportError",
    "Result",
    "compare",
    "default_features",
    "evaluate",
    "extract",
    "import_tensorflow",
    "load_images",
    "measure",
    "nearest",
    "open_source",
    "over_runs",
    "per_class",
    "plan",
    "prd_curve",
    "same_distribution",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Imports a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)

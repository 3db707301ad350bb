"""How good generated images are: metrics with honest intervals, on plain arrays or any source.

Public names are imported when first used, so that `import evaluation` is quick and needs no
TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluation.api import evaluate
    from evaluation.errors import InputError, ReportError
    from evaluation.features import default_features, extract
    from evaluation.inference.classes import per_class
    from evaluation.inference.planning import plan
    from evaluation.inference.ranking import compare
    from evaluation.inference.samples import per_sample
    from evaluation.inference.training_runs import over_runs
    from evaluation.inference.two_sample import same_distribution
    from evaluation.laws.prd import prd_curve
    from evaluation.measurement import measure
    from evaluation.neighbours.one_pass import nearest
    from evaluation.oneline import OneLineErrors
    from evaluation.quiet import import_tensorflow
    from evaluation.report import write_report
    from evaluation.result import Result
    from evaluation.sources import load_images, open_source
    from evaluation.sources.folder import find_images, read_image
    from evaluation.sources.images import Images
    from evaluation.statistics.estimate import Estimate

_HOMES = {
    "Estimate": "evaluation.statistics.estimate",
    "Images": "evaluation.sources.images",
    "InputError": "evaluation.errors",
    "OneLineErrors": "evaluation.oneline",
    "ReportError": "evaluation.errors",
    "Result": "evaluation.result",
    "compare": "evaluation.inference.ranking",
    "default_features": "evaluation.features",
    "evaluate": "evaluation.api",
    "extract": "evaluation.features",
    "import_tensorflow": "evaluation.quiet",
    "find_images": "evaluation.sources.folder",
    "load_images": "evaluation.sources",
    "measure": "evaluation.measurement",
    "nearest": "evaluation.neighbours.one_pass",
    "open_source": "evaluation.sources",
    "over_runs": "evaluation.inference.training_runs",
    "per_class": "evaluation.inference.classes",
    "per_sample": "evaluation.inference.samples",
    "plan": "evaluation.inference.planning",
    "prd_curve": "evaluation.laws.prd",
    "read_image": "evaluation.sources.folder",
    "same_distribution": "evaluation.inference.two_sample",
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
    "find_images",
    "import_tensorflow",
    "load_images",
    "measure",
    "nearest",
    "open_source",
    "over_runs",
    "per_class",
    "per_sample",
    "plan",
    "prd_curve",
    "read_image",
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

"""Metrics for generated images, with confidence intervals, on arrays or any source of images.

Public names are imported on first use, so `import evaluation` is quick and needs no TensorFlow.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluation.core.estimate import Estimate, Value
    from evaluation.core.nearest import nearest
    from evaluation.errors import InputError, NoSplitError, ReportError
    from evaluation.estimators.prd import prd_curve
    from evaluation.features import Features, default_features, extract
    from evaluation.features.cache import cache_directory
    from evaluation.features.files.features import read_features, save_features
    from evaluation.features.files.statistics import Statistics, read_statistics, save_statistics
    from evaluation.features.options import FeatureOptions
    from evaluation.features.streaming import extract_statistics
    from evaluation.inference.classes import per_class
    from evaluation.inference.planning import plan
    from evaluation.inference.ranking import compare
    from evaluation.inference.samples import per_sample
    from evaluation.inference.training_runs import over_runs
    from evaluation.inference.two_sample import same_distribution
    from evaluation.measurement import measure
    from evaluation.report import write_report
    from evaluation.results.result import Result
    from evaluation.runtime.one_line_errors import OneLineErrors
    from evaluation.runtime.progress import on_terminal
    from evaluation.runtime.tensorflow import import_tensorflow, tpu_files
    from evaluation.sources import load_images, open_source
    from evaluation.sources.folder import find_images, read_image
    from evaluation.sources.image_options import ImageOptions
    from evaluation.sources.images import Images
    from evaluation.sources.on_demand import OnDemand
    from evaluation.sources.options import GeneratorOptions
    from evaluation.sources.retries import RetryPolicy
    from evaluation.workflows.batch import batch
    from evaluation.workflows.compare_sources import compare_sources
    from evaluation.workflows.curve import curve
    from evaluation.workflows.evaluate import evaluate
    from evaluation.workflows.evaluate_classes import evaluate_classes

# TensorFlow enables oneDNN's kernels by default only on processors with AVX-512. With AVX2 they
# halve the time of convolutions. Without them a CPU has no gradients of grouped convolutions.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

_HOMES = {
    "Estimate": "evaluation.core.estimate",
    "FeatureOptions": "evaluation.features.options",
    "Features": "evaluation.features",
    "GeneratorOptions": "evaluation.sources.options",
    "ImageOptions": "evaluation.sources.image_options",
    "Images": "evaluation.sources.images",
    "InputError": "evaluation.errors",
    "NoSplitError": "evaluation.errors",
    "OnDemand": "evaluation.sources.on_demand",
    "OneLineErrors": "evaluation.runtime.one_line_errors",
    "ReportError": "evaluation.errors",
    "Result": "evaluation.results.result",
    "RetryPolicy": "evaluation.sources.retries",
    "Statistics": "evaluation.features.files.statistics",
    "Value": "evaluation.core.estimate",
    "batch": "evaluation.workflows.batch",
    "cache_directory": "evaluation.features.cache",
    "compare": "evaluation.inference.ranking",
    "compare_sources": "evaluation.workflows.compare_sources",
    "curve": "evaluation.workflows.curve",
    "default_features": "evaluation.features",
    "evaluate": "evaluation.workflows.evaluate",
    "evaluate_classes": "evaluation.workflows.evaluate_classes",
    "extract": "evaluation.features",
    "extract_statistics": "evaluation.features.streaming",
    "find_images": "evaluation.sources.folder",
    "import_tensorflow": "evaluation.runtime.tensorflow",
    "load_images": "evaluation.sources",
    "measure": "evaluation.measurement",
    "nearest": "evaluation.core.nearest",
    "on_terminal": "evaluation.runtime.progress",
    "open_source": "evaluation.sources",
    "over_runs": "evaluation.inference.training_runs",
    "per_class": "evaluation.inference.classes",
    "per_sample": "evaluation.inference.samples",
    "plan": "evaluation.inference.planning",
    "prd_curve": "evaluation.estimators.prd",
    "read_features": "evaluation.features.files.features",
    "read_image": "evaluation.sources.folder",
    "read_statistics": "evaluation.features.files.statistics",
    "same_distribution": "evaluation.inference.two_sample",
    "save_features": "evaluation.features.files.features",
    "save_statistics": "evaluation.features.files.statistics",
    "tpu_files": "evaluation.runtime.tensorflow",
    "write_report": "evaluation.report",
}

_MODULES = {"beam": "evaluation.features.beam", "plots": "evaluation.results.plots"}
_FORMER_NAMES = {"Patience": "RetryPolicy"}

__all__ = [
    "Estimate",
    "FeatureOptions",
    "Features",
    "GeneratorOptions",
    "ImageOptions",
    "Images",
    "InputError",
    "NoSplitError",
    "OnDemand",
    "OneLineErrors",
    "ReportError",
    "Result",
    "RetryPolicy",
    "Statistics",
    "Value",
    "batch",
    "cache_directory",
    "compare",
    "compare_sources",
    "curve",
    "default_features",
    "evaluate",
    "evaluate_classes",
    "extract",
    "extract_statistics",
    "find_images",
    "import_tensorflow",
    "load_images",
    "measure",
    "nearest",
    "on_terminal",
    "open_source",
    "over_runs",
    "per_class",
    "per_sample",
    "plan",
    "prd_curve",
    "read_features",
    "read_image",
    "read_statistics",
    "same_distribution",
    "save_features",
    "save_statistics",
    "tpu_files",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Imports a public name or module on first use."""
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    name = _FORMER_NAMES.get(name, name)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Returns the public names."""
    return sorted(__all__)

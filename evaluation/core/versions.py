"""Versions of the software that determines the scores."""

import importlib.metadata
import platform

import numpy as np
import scipy


def versions() -> dict[str, str]:
    """Returns the versions of gantf, Python, NumPy and SciPy."""
    try:
        package = importlib.metadata.version("gantf")
    except importlib.metadata.PackageNotFoundError:
        package = "not installed"
    return {
        "gantf": package,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }

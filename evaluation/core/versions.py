"""The versions of the programs that decide a number."""

import importlib.metadata
import platform

import numpy as np
import scipy


def versions() -> dict[str, str]:
    """The versions of what decides the numbers."""
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

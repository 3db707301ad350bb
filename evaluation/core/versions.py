"""Versions of the software that determines the scores."""

import functools
import importlib.metadata
import platform

import numpy as np
import scipy


def versions() -> dict[str, str]:
    """Returns the versions of gantf, Python, NumPy and SciPy."""
    return {
        "gantf": _package_version(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }


@functools.cache
def _package_version() -> str:
    """Reads the version from the files of the installed package, which takes a while."""
    try:
        return importlib.metadata.version("gantf")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"

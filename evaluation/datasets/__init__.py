"""Real images that come with the installation: TFDS builders over scikit-learn's data, no download.

One file, one builder; importing the file registers it with TensorFlow Datasets.
"""

import pkgutil


def names() -> list[str]:
    """The names of the built-in data sets: the files beside this one."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))

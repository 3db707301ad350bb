"""Built-in data sets of real images: TFDS builders over scikit-learn's data, without download.

Each file holds one builder; importing the file registers it with TensorFlow Datasets.
"""

import pkgutil


def names() -> list[str]:
    """Returns the names of the built-in data sets: the files beside this one."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))

"""Images to feature arrays: `extract`. One file, one kind of features, found by its name.

"pixels" always works; each NAME.keras here, with its NAME.json, is a classifier for the data NAME.
"""

import dataclasses
import difflib
import os
from pathlib import Path

import numpy as np

from evaluation import arguments
from evaluation.errors import InputError
from evaluation.sources.images import Images
from evaluation.sources.sampler import Progress

_SHIPPED = Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True)
class Features:
    """What a feature extractor makes of a set of images.

    Attributes:
      features: float32, shape (n, d).
      logits: float32, shape (n, classes), unbounded; None where there is no classifier.
      name: "pixels", "pixels-8x8" (of larger images), a shipped classifier's name, or the path of
        a classifier.
      sha256: hash of the classifier's file, or of the definition.
    """

    features: np.ndarray
    logits: np.ndarray | None
    name: str
    sha256: str


def names() -> list[str]:
    """The features that come with the package."""
    return ["pixels", *sorted(path.stem for path in _SHIPPED.glob("*.keras"))]


def extract(
    images: Images | np.ndarray,
    features: str | os.PathLike = "pixels",
    batch_size: int = 256,
    progress: Progress | None = None,
) -> Features:
    """Computes the features of images.

    Args:
      images: `Images`, or a uint8 array (n, H, W[, C]), 0..255.
      features: "pixels" (of images of more than 256 numbers reduced to 8 x 8, see
        evaluation/features/pixels.py), a shipped classifier's name ("digits"), or the path of a
        Keras classifier whose layer "features" is (n, d) and whose output is the logits; beside
        NAME.keras a NAME.json says which images it takes.
      batch_size: images per pass through a classifier.
      progress: called with (stage, done, total).

    Raises:
      InputError: unknown or unreadable features, or images of a form that they do not take.
    """
    if isinstance(images, np.ndarray):
        from evaluation.sources import arrays

        images = arrays.from_array(images)
    arguments.check_whole("batch_size", batch_size, 1)
    path = classifier_path(features)
    if path is None:
        from evaluation.features import pixels

        return pixels.extract(images)
    from evaluation.features import classifier

    return classifier.extract(images, path, os.fspath(features), batch_size, progress)


def classifier_path(features: str | os.PathLike) -> Path | None:
    """The file of a classifier by its name or path; None for pixels.

    Raises:
      InputError: there are no features of that name.
    """
    if not isinstance(features, str | os.PathLike):
        raise InputError(f"features={features!r}; it must be {_choice()}, or a path.")
    name = os.fspath(features)
    if name == "pixels":
        return None
    path = Path(name) if name.endswith(".keras") else _SHIPPED / f"{name}.keras"
    if path.is_file():
        return path
    if name.endswith(".keras"):
        raise InputError(f"{name} does not exist; give a Keras classifier, or {_choice()}.")
    near = difflib.get_close_matches(name, names(), n=1)
    hint = (
        f"did you mean {near[0]!r}?" if near else f"give {_choice()}, or the path of a .keras file"
    )
    raise InputError(f"unknown features {name!r}; {hint}")


def default_features(reference: str, shape: tuple[int, ...]) -> str:
    """The features for a data set: its shipped classifier if that takes `shape`, or else pixels.

    Args:
      reference: the data's name, with or without configuration and split ("digits:train").
      shape: (H, W, C) of the images.
    """
    base = reference.split(":")[0].split("/")[0]
    if base in names() and base != "pixels":
        from evaluation.features import classifier

        if classifier.read_record(_SHIPPED / f"{base}.keras").shape == tuple(shape):
            return base
    return "pixels"


def _choice() -> str:
    return " or ".join(repr(name) for name in names())

"""`features.npz`: features in a file, as a source on either side of an evaluation.

It holds `features` (n, d), `logits` (n, classes) where there are any, and `description`: the
features' name, sha256, settings, classes and what the images are known by, as JSON.
"""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import numpy as np

from evaluation.core.arrays import as_rows
from evaluation.errors import InputError
from evaluation.features import Features
from evaluation.features.files.statistics import FORMAT, description, read_arrays, write_file

KEYS = ("features", "logits", "description")


def save_features(features: Features, path: str | os.PathLike) -> None:
    """Writes features, whole or not at all.

    Args:
      features: as `evaluation.extract` gives them.
      path: ending in .npz.

    Raises:
      InputError: another ending, or a place that cannot be written.
    """
    if Path(path).suffix.lower() != ".npz":
        raise InputError(f"path={os.fspath(path)!r}: files of features end in .npz.")
    if not isinstance(features, Features):
        raise InputError(
            f"features is {type(features).__name__}; give what evaluation.extract returned."
        )
    told = {key: getattr(features, key) for key in ("name", "sha256", "images")}
    told |= {"settings": dict(features.settings), "classes": list(features.classes)}
    arrays = {"features": features.features}
    if features.logits is not None:
        arrays["logits"] = features.logits
    arrays["description"] = np.asarray(json.dumps({"format": FORMAT} | told, sort_keys=True))
    write_file(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def read_features(path: str | os.PathLike) -> Features:
    """Reads what `save_features` wrote, or a .npz file with an array `features` of one's own.

    Raises:
      InputError: missing, damaged, or no features.
    """
    name = os.fspath(path)
    if not Path(name).is_file():
        raise InputError(f"{name} does not exist; give a .npz file of features.")
    arrays = read_arrays(name)
    if "features" not in arrays or not set(arrays) <= set(KEYS):
        raise InputError(
            f"{name} holds {', '.join(arrays) or 'no arrays'}; files of features hold features, "
            "and may hold logits and description."
        )
    features, logits = as_rows(arrays["features"], f"features of {name}"), arrays.get("logits")
    if logits is not None:
        logits = as_rows(logits, f"logits of {name}")
        if len(logits) != len(features):
            raise InputError(
                f"{name} holds {len(features)} rows of features and {len(logits)} of logits; they "
                "must be of the same images."
            )
    if "description" not in arrays:
        return Features(features, logits, "", "")
    told = description(arrays, name)
    classes = tuple(json.loads(str(arrays["description"])).get("classes", ()))
    return Features(features, logits, classes=classes, **told)


def content_sha256(features: Features) -> str:
    """Hash of the numbers."""
    digest = hashlib.sha256(repr(features.features.shape).encode())
    digest.update(np.ascontiguousarray(features.features).tobytes())
    return digest.hexdigest()


def rows(features: Features, index: np.ndarray) -> Features:
    """The features at `index`, with their logits."""
    logits = None if features.logits is None else features.logits[index]
    return dataclasses.replace(features, features=features.features[index], logits=logits)

"""Reads and writes `features.npz`, a file of features as the real or fake side of an evaluation.

It holds `features` (n, d), optionally `logits` (n, classes), and `description`: the features' name,
sha256, settings and classes, and the hash of the images, as JSON.
"""

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
    """Writes features to a file, atomically.

    Args:
      features: the result of `evaluation.extract`.
      path: path of the file, with the suffix .npz.

    Raises:
      InputError: the suffix or the type of `features` is wrong, or the file cannot be written.
    """
    if Path(path).suffix.lower() != ".npz":
        raise InputError(f"path={os.fspath(path)!r}: files of features end in .npz.")
    if not isinstance(features, Features):
        raise InputError(
            f"features is {type(features).__name__}; give the result of evaluation.extract."
        )
    content = {key: getattr(features, key) for key in ("name", "sha256", "images")}
    content |= {"settings": dict(features.settings), "classes": list(features.classes)}
    arrays = {"features": features.features}
    if features.logits is not None:
        arrays["logits"] = features.logits
    arrays["description"] = np.asarray(json.dumps({"format": FORMAT} | content, sort_keys=True))
    write_file(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def read_features(path: str | os.PathLike) -> Features:
    """Reads a file from `save_features`, or any .npz file with an array `features`.

    Raises:
      InputError: the file is missing or damaged, or holds no features.
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
                f"{name} holds {len(features)} rows of features and {len(logits)} of logits; both "
                "must have one row per image."
            )
    if "description" not in arrays:
        return Features(features, logits, "", "")
    fields = description(arrays, name)
    classes = tuple(json.loads(str(arrays["description"])).get("classes", ()))
    return Features(features, logits, classes=classes, **fields)


def content_sha256(features: Features) -> str:
    """Hashes the features' shape and values."""
    digest = hashlib.sha256(repr(features.features.shape).encode())
    digest.update(np.ascontiguousarray(features.features).tobytes())
    return digest.hexdigest()

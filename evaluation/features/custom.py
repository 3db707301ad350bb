"""`MODULE:FUNCTION`: features computed by your own Python function.

FUNCTION takes uint8 images, shape (b, H, W, C), and returns an array (b, d) of finite real numbers,
one row per image. The row of an image must not depend on the other images in the batch. MODULE is
a module's name, or the path of a .py file. The file's hash is recorded. Such features are never
cached, because the files that it imports and reads have no hash.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.errors import InputError
from evaluation.features.extractor import Extractor, Outputs, Request, refuse
from evaluation.runtime import importing

HAS_LOGITS = False
FORM = "a function f(uint8 images (b, H, W, C)) -> array (b, d)"


def open_extractor(request: Request) -> Extractor:
    """Wraps the function as an extractor that checks every batch of features.

    Raises:
      InputError: the module or function does not exist, or an option was set. The extractor
        raises it if the function fails or does not return real numbers of shape (b, d).
    """
    refuse(request, "layer", "weights", "resize", "precision")
    where, _, name = request.argument.rpartition(":")
    module = importing.module(where, f"features={request.argument!r}")
    function = getattr(module, name, None)
    if not callable(function):
        raise InputError(f"{request.argument}: {where} has no function {name!r}; give {FORM}.")
    file = getattr(module, "__file__", None)
    source = hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
    settings = {"function": name, "file_sha256": source}

    def run(images: np.ndarray) -> Outputs:
        return _rows(function, images, request.argument), None

    return Extractor(request.argument, "", settings, run, packages=())


def _rows(function: Callable[[Any], Any], images: np.ndarray, name: str) -> np.ndarray:
    """Returns the function's features of a batch as float32."""
    try:
        rows = np.asarray(function(images))
    except Exception as error:  # a function may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"{name} failed on images of shape {images.shape} ({reason[:200]}); it must be {FORM}."
        ) from None
    if rows.dtype.kind not in "biuf" and rows.dtype.name != "bfloat16":
        raise InputError(f"{name} gave an array of {rows.dtype}; it must be real numbers.")
    if rows.ndim != 2 or len(rows) != len(images) or not rows.shape[1]:
        raise InputError(
            f"{name} gave shape {rows.shape} for {len(images)} images; it must be "
            f"({len(images)}, d): flatten or pool each image's features to one row."
        )
    if rows.dtype.kind == "f" and rows.dtype.itemsize > 4 and np.isfinite(rows).all():
        largest = np.abs(rows).max()
        if largest > np.finfo(np.float32).max:
            raise InputError(f"{name} gave {largest:.3g}, too large for float32; scale it down.")
    return rows.astype(np.float32)

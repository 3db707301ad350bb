"""The interface of every kind of features: `Request` and `Extractor`.

A kind is a file in this folder that defines `open_extractor(request) -> Extractor`. The file's name
is the kind's name (random_conv.py is "random-conv"). The file may also define

    HAS_LOGITS = True or False    whether there are logits; leave it out if the network decides
    BATCH_IMAGES = 32             the default number of images per pass
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from evaluation.core import validation
from evaluation.errors import InputError

Precision = Literal["float32", "bfloat16"]
Outputs = tuple[np.ndarray, np.ndarray | None]


@dataclasses.dataclass(frozen=True)
class Request:
    """The features that the user wants, and the shape of the images.

    Attributes:
      kind: "inception", "classifier", "onnx" ...: names the file in this folder.
      argument: PATH in "classifier:PATH"; empty without a colon.
      layer: the layer of the network to read; None for the kind's default.
      weights: path of a weights file; None for the kind's own.
      resize: how images are resized for the network; None for the kind's default.
      precision: precision of the network's arithmetic.
      shape: (H, W, C) of the images.
      batch_size: images per call of `Extractor.run`; the last batch may be smaller.
    """

    kind: str
    argument: str
    layer: str | None
    weights: str | None
    resize: str | None
    precision: Precision
    shape: tuple[int, int, int]
    batch_size: int


@dataclasses.dataclass(frozen=True)
class Extractor:
    """A network that is ready to compute features.

    Attributes:
      name: the name to print and record: "inception:2048", "digits", a classifier's path.
      sha256: hash of the weights, or of the definition if there are no weights. It is empty for a
        Python function: features without a hash are not cached.
      settings: all other settings that change the numbers: layer, resize, precision,
        normalisation; plain JSON types.
      run: uint8 (b, H, W, C) -> (features float32 (b, d), logits float32 (b, classes) or None).
        The features of an image do not depend on the other images in the batch.
      classes: the class names, in the order of the logits; empty if unknown.
      prepare: preprocesses each batch for `run`, for example resizes it with Pillow, in a thread
        while the network works; None without preprocessing.
      packages: packages whose versions may change the numbers.
    """

    name: str
    sha256: str
    settings: Mapping[str, Any]
    run: Callable[[Any], Outputs]
    classes: tuple[str, ...] = ()
    prepare: Callable[[np.ndarray], Any] | None = None
    packages: tuple[str, ...] = ("tensorflow", "keras")


def refuse(request: Request, *names: str) -> None:
    """Refuses options that a kind of features does not have.

    Args:
      request: the user's request.
      names: the options that the kind lacks: "layer", "weights", "resize" or "precision".

    Raises:
      InputError: one of these options was set.
    """
    for name in names:
        value = getattr(request, name)
        default = "float32" if name == "precision" else None
        if value != default:
            remedy = "leave it out" if default is None else f"use {default}"
            raise InputError(
                f"{name}={validation.shown(value)}: features of the kind {request.kind!r} do not "
                f"have this option; {remedy}."
            )

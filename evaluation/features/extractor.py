"""What every kind of features is: a `Request` in, an `Extractor` out.

A kind is a file in this folder with `open_extractor(request) -> Extractor`, found by its name
(random_conv.py is "random-conv"). It may also have

    HAS_LOGITS = True or False    whether it gives logits; left out where that is known only later
    BATCH_IMAGES = 32             images per pass where the user names no other number
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
    """Which features are wanted, of which images.

    Attributes:
      kind: "inception", "classifier", "onnx" ...: the file in this folder.
      argument: what follows the colon of "classifier:PATH"; empty where nothing does.
      layer: which of the network's layers; None for the kind's usual one.
      weights: a file of weights; None for the kind's own.
      resize: how images become the network's size; None for the kind's usual way.
      precision: of the network's arithmetic.
      shape: (H, W, C) of the images.
      batch_size: images in each call of `Extractor.run`; the last may have fewer.
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
    """A network that is ready to turn images into features.

    Attributes:
      name: what is printed and recorded: "inception:2048", "digits", a classifier's path.
      sha256: hash of the weights, or of the definition where there are none; empty where nothing
        tells what decides the numbers, as of a Python function: such features are not kept.
      settings: all else that decides the numbers: layer, resize, precision, normalisation; plain
        JSON types.
      run: uint8 (b, H, W, C) -> (features float32 (b, d), logits float32 (b, classes) or None);
        what it gives for an image does not depend on the others in the batch.
      classes: the names of the logits' classes, where they are known.
      prepare: what is done to each batch before `run` takes it, in a thread beside the network: a
        resize by Pillow, say; None where there is nothing.
      packages: whose versions may change the numbers.
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
      request: as given.
      names: of "layer", "weights", "resize" and "precision", those that the kind does not have.

    Raises:
      InputError: one of them was given.
    """
    for name in names:
        value = getattr(request, name)
        usual = "float32" if name == "precision" else None
        if value != usual:
            remedy = "leave it out" if usual is None else f"use {usual}"
            raise InputError(
                f"{name}={validation.shown(value)}: features of the kind {request.kind!r} have no "
                f"such choice; {remedy}."
            )

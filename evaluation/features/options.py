"""`FeatureOptions`: how images become features."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from evaluation.core import validation
from evaluation.errors import InputError


@dataclasses.dataclass(frozen=True)
class FeatureOptions:
    """The network that computes the features, and how it runs.

    Attributes:
      features: name of the features: "inception", "pixels", "digits", "classifier:PATH" and all
        others that `evaluation.extract` takes. None selects the classifier that is shipped for the
        reference data, or pixels if there is none.
      layer: name of the network's layer; None selects the default layer.
      weights: path of a file with the network's weights; None selects the default weights.
      resize: name of the method that resizes images for the network; None selects the default.
      precision: precision of the network's arithmetic, "float32" or "bfloat16".
      batch_size: images per pass through the network; None selects the default. It changes no
        feature by more than 1e-5.
      cache: True keeps the features on disk, in the default directory, and reads them next time; a
        path does the same in that directory.
    """

    features: str | os.PathLike | None = None
    layer: str | None = None
    weights: str | os.PathLike | None = None
    resize: str | None = None
    precision: str = "float32"
    batch_size: int | None = None
    cache: bool | str | os.PathLike | None = None


def bind(features: Any, keywords: Mapping[str, Any]) -> FeatureOptions:
    """Returns `features` if it is `FeatureOptions`; otherwise makes them of it and of `keywords`.

    Raises:
      InputError: keywords beside `FeatureOptions`.
    """
    if not isinstance(features, FeatureOptions):
        return FeatureOptions(features, **keywords)
    if keywords:
        name, value = next(iter(keywords.items()))
        raise InputError(
            f"{name}={validation.shown(value)} beside features=FeatureOptions(...); set it in"
            " FeatureOptions."
        )
    return features

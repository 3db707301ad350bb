"""Binds the flat keywords of a workflow to `FeatureOptions` and `ImageOptions`."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from evaluation import metrics as metric_files
from evaluation.core import validation
from evaluation.errors import InputError
from evaluation.features.options import FeatureOptions, bind
from evaluation.sources.image_options import ImageOptions

FEATURE_FIELDS = tuple(field.name for field in dataclasses.fields(FeatureOptions))
IMAGE_FIELDS = tuple(field.name for field in dataclasses.fields(ImageOptions))


def bind_options(
    function: Callable, features: Any, images: Any, keywords: Mapping[str, Any]
) -> tuple[FeatureOptions, ImageOptions]:
    """Returns the two option objects that a call describes.

    Args:
      function: the public function that was called; its name and arguments appear in errors.
      features: its argument `features`: `FeatureOptions`, or the name of the features.
      images: its argument `images`: `ImageOptions` or None.
      keywords: its other keywords: fields of the two classes, such as layer= or size_px=.

    Raises:
      InputError: an unknown keyword, a value of the wrong type, or a keyword beside the object
        that it belongs to.
    """
    for name in keywords:
        if name not in FEATURE_FIELDS and name not in IMAGE_FIELDS:
            parameters = inspect.signature(function).parameters.values()
            own = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
            names = dict.fromkeys([*own, *FEATURE_FIELDS, *IMAGE_FIELDS])
            raise InputError(metric_files.unknown(f"argument of {function.__name__}", name, names))
    feature_keywords = {name: keywords[name] for name in FEATURE_FIELDS if name in keywords}
    image_keywords = {name: keywords[name] for name in IMAGE_FIELDS if name in keywords}
    features = bind(features, feature_keywords)
    if images is None:
        return features, ImageOptions(**image_keywords)
    if not isinstance(images, ImageOptions):
        raise InputError(
            f"images={validation.shown(images)}; it must be evaluation.ImageOptions(...)."
        )
    if image_keywords:
        name, value = next(iter(image_keywords.items()))
        raise InputError(
            f"{name}={validation.shown(value)} beside images=ImageOptions(...); set it in"
            " ImageOptions."
        )
    return features, images

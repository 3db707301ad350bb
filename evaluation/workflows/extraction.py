"""How the images of an evaluation become features, and which of them are known already."""

import dataclasses
import os
from collections.abc import MutableMapping
from typing import Any

from evaluation import features as feature_kinds
from evaluation.core import validation
from evaluation.features import Features
from evaluation.sources.images import Images
from evaluation.sources.sampler import Progress


@dataclasses.dataclass(frozen=True)
class Extraction:
    """What `extract` is told besides the images.

    Attributes:
      features: their name; None for the reference's usual ones.
      layer: which of the network's layers; None for the usual one, as all below.
      weights: a file of weights.
      resize: how images become the network's size.
      precision: "float32" or "bfloat16".
      batch_size: images per pass.
      cache: keep features on disk, True for the usual place, or a directory.
      known: features by what they were made of, of the images that come again.
    """

    features: str | os.PathLike | None = None
    layer: str | None = None
    weights: str | os.PathLike | None = None
    resize: str | None = None
    precision: str = "float32"
    batch_size: int | None = None
    cache: bool | str | os.PathLike | None = None
    known: MutableMapping[Any, Any] = dataclasses.field(default_factory=dict)

    def check(self) -> None:
        """Refuses what can be refused before any image is read.

        Raises:
          InputError: features that are unknown, or what else cannot be.
        """
        told = (self.layer, self.weights, self.resize, self.precision)
        feature_kinds.check(self.features or "pixels", *told)
        if self.batch_size is not None:
            validation.check_whole("batch_size", self.batch_size, 1)

    def chosen(self, real: Images) -> "Extraction":
        """The same with features chosen for the reference, where none were asked for."""
        if self.features is not None:
            return self
        kind = feature_kinds.default_features(real.name, real.images.shape[1:])
        return dataclasses.replace(self, features=kind)

    def of(self, images: Images, progress: Progress | None = None, again: bool = False) -> Features:
        """The features of a set of images.

        Args:
          images: of the form that the network takes.
          progress: called with (stage, done, total).
          again: whether the same images will be asked for again: then they are kept in `known`.

        Raises:
          InputError: as `extract`.
        """
        assert self.features is not None
        if not again:
            return feature_kinds.extract(
                images, self.features, progress=progress, **dict(self.told())
            )
        key = ("features", images.sha256, os.fspath(self.features), self.told())
        if key not in self.known:
            self.known[key] = self.of(images, progress)
        return self.known[key]

    def told(self) -> tuple[tuple[str, Any], ...]:
        """What `extract` is told by name, where it is not the usual."""
        usual = {"layer": None, "weights": None, "resize": None, "precision": "float32"}
        usual |= {"batch_size": None, "cache": None}
        return tuple(
            (name, getattr(self, name)) for name in usual if getattr(self, name) != usual[name]
        )

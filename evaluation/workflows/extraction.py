"""Computes the features of an evaluation's images, and keeps those that are needed again."""

import dataclasses

from evaluation import features as feature_kinds
from evaluation.features import Features
from evaluation.features.options import FeatureOptions
from evaluation.runtime.progress import Progress
from evaluation.sources.images import Images
from evaluation.workflows.memo import Memo


@dataclasses.dataclass(frozen=True)
class Extraction:
    """Feature options, and the features that were computed with them.

    Attributes:
      options: how images become features.
      memo: keeps images, features and floors for later calls.
    """

    options: FeatureOptions
    memo: Memo = dataclasses.field(default_factory=Memo)

    def with_default_features(self, real: Images) -> "Extraction":
        """Selects the default features of the reference, if the options name none."""
        if self.options.features is not None:
            return self
        kind = feature_kinds.default_features(real.name, real.images.shape[1:])
        return dataclasses.replace(self, options=dataclasses.replace(self.options, features=kind))

    def features_of(
        self, images: Images, progress: Progress | None = None, keep: bool = False
    ) -> Features:
        """Computes the features of a set of images.

        Args:
          images: a set in the form that the network takes.
          progress: called with (stage, done, total).
          keep: keep the features in `memo`, and return them from there if they are in it.

        Raises:
          InputError: see `evaluation.extract`.
        """
        if keep:
            key = ("features", images.identity, self.options)
            return self.memo.once(key, lambda: self.features_of(images, progress))
        return feature_kinds.extract(images, self.options, progress=progress)

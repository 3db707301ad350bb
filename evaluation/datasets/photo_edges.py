"""`photo_edges`: pairs of a photograph's patch and the edges in it.

An edge's strength s is the length of the gradient of the brightness, smoothed by a Gaussian of one
pixel. Its pixel is 255 sqrt(min(s / WHITE, 1)), on one scale for all patches; the root makes weak
edges visible.

Source: the patches of `photo_patches`.
"""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from evaluation.datasets.photo_patches import SIZES_PX, patches, photos

SMOOTHING_PX = 1.0
WHITE = 32.0  # brightness levels (of 255) per pixel; about 2 % of the pixels are above
LUMA = (0.299, 0.587, 0.114)


class PhotoEdges(tfds.core.GeneratorBasedBuilder):
    """Edges and patches; `photo_edges/64` has another size."""

    VERSION = tfds.core.Version("1.1.0")
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name=str(size), description=f"{size} x {size} pixels")
        for size in SIZES_PX
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        size = int(self.builder_config.name)
        return tfds.core.DatasetInfo(
            builder=self,
            description="Edges in patches of the photographs that scikit-learn ships, in pairs.",
            features=tfds.features.FeaturesDict(
                {
                    "input": tfds.features.Image(shape=(size, size, 1)),
                    "image": tfds.features.Image(shape=(size, size, 3)),
                    "label": tfds.features.ClassLabel(names=["china", "flower"]),
                }
            ),
            supervised_keys=("input", "image"),
            homepage="https://scikit-learn.org/stable/datasets/loading_other_datasets.html",
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(parts) for split, parts in photos().items()}

    def _generate_examples(self, parts: list[np.ndarray]) -> Iterator[tuple[str, dict]]:
        drawn = [edges(photo) for photo in parts]
        size = int(self.builder_config.name)
        for key, label, box in patches(parts, size):
            yield key, {"input": drawn[label][box], "image": parts[label][box], "label": label}


def edges(photo: np.ndarray) -> np.ndarray:
    """Returns the edges of a photograph, uint8, shape (H, W, 1)."""
    from scipy import ndimage

    strength = ndimage.gaussian_gradient_magnitude(photo @ np.array(LUMA), SMOOTHING_PX)
    return np.rint(np.sqrt(np.minimum(strength / WHITE, 1)) * 255).astype(np.uint8)[..., None]

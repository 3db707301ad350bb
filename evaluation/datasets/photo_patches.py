"""`photo_patches`: patches of two real photographs; the labels are the photographs.

Source: scikit-learn's sample images, both CC BY: "china.jpg" by Antonio Castro, "flower.jpg" by
dany13.
"""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

SIZES_PX = (32, 64, 128)
TRAIN_WIDTH_PX = 480  # of 640: the right quarter is for testing; no pixel is in both splits


class PhotoPatches(tfds.core.GeneratorBasedBuilder):
    """Square patches, one every quarter of their side; `photo_patches/64`: 64 x 64 pixels."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name=str(size), description=f"{size} x {size} pixels")
        for size in SIZES_PX
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        size = int(self.builder_config.name)
        return tfds.core.DatasetInfo(
            builder=self,
            description="Patches of the two photographs that scikit-learn ships.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(size, size, 3)),
                    "label": tfds.features.ClassLabel(names=["china", "flower"]),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://scikit-learn.org/stable/datasets/loading_other_datasets.html",
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(parts) for split, parts in photos().items()}

    def _generate_examples(self, parts: list[np.ndarray]) -> Iterator[tuple[str, dict]]:
        for key, label, box in patches(parts, int(self.builder_config.name)):
            yield key, {"image": parts[label][box], "label": label}


def photos() -> dict[str, list[np.ndarray]]:
    """Returns both photographs by split, each uint8, shape (H, W, 3)."""
    from sklearn.datasets import load_sample_images

    whole = load_sample_images().images
    return {
        "train": [photo[:, :TRAIN_WIDTH_PX] for photo in whole],
        "test": [photo[:, TRAIN_WIDTH_PX:] for photo in whole],
    }


def patches(parts: list[np.ndarray], size: int) -> Iterator[tuple[str, int, tuple[slice, slice]]]:
    """Yields (key, number of the photograph, slices of rows and columns) for each patch."""
    for label, photo in enumerate(parts):
        for top in range(0, photo.shape[0] - size + 1, size // 4):
            for left in range(0, photo.shape[1] - size + 1, size // 4):
                box = slice(top, top + size), slice(left, left + size)
                yield f"{label}-{top}-{left}", label, box

"""`photo_patches`: patches of two real photographs, a temple and a flower, which are the labels.

Source: scikit-learn's sample images, both CC BY: "china.jpg" by Antonio Castro, "flower.jpg" by
dany13.
"""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

TRAIN_WIDTH_PX = 480  # of 640: the right quarter of each photograph is test, no pixel is in both


class PhotoPatches(tfds.core.GeneratorBasedBuilder):
    """Square patches a quarter of their side apart; `photo_patches/64` for another side."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name=str(size), description=f"{size} x {size} pixels")
        for size in (32, 64, 128)
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
        from sklearn.datasets import load_sample_images

        photos = load_sample_images().images
        return {
            "train": self._generate_examples([photo[:, :TRAIN_WIDTH_PX] for photo in photos]),
            "test": self._generate_examples([photo[:, TRAIN_WIDTH_PX:] for photo in photos]),
        }

    def _generate_examples(self, photos: list[np.ndarray]) -> Iterator[tuple[str, dict]]:
        size = int(self.builder_config.name)
        for label, photo in enumerate(photos):
            for top in range(0, photo.shape[0] - size + 1, size // 4):
                for left in range(0, photo.shape[1] - size + 1, size // 4):
                    patch = photo[top : top + size, left : left + size]
                    yield f"{label}-{top}-{left}", {"image": patch, "label": label}

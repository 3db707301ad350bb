"""Images of a TFDS data set have the pixels of the same files in a folder."""

import io

import numpy as np
import pytest
from PIL import Image

from evaluation import InputError, load_images

COUNT = 7


def jpeg(number, mode):
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).resize((32, 24), Image.Resampling.BICUBIC).convert(mode)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=70)
    return file.getvalue()


@pytest.fixture
def same_files(tf, tmp_path, monkeypatch):
    """Stores encoded images as TFDS data, which "faces" reads, and as a folder: labels a and b."""
    import tensorflow_datasets as tfds

    from evaluation.sources import tfds as source

    def store(contents, shape=(24, 32, 3)):
        with tfds.core.registered.skip_registration():

            class Faces(tfds.core.GeneratorBasedBuilder):
                """Images as they are, without a label for each kind."""

                VERSION = tfds.core.Version("1.0.0")

                def _info(self):
                    features = {
                        "image": tfds.features.Image(shape=shape),
                        "label": tfds.features.ClassLabel(names=["a", "b"]),
                    }
                    return self.dataset_info_from_configs(
                        features=tfds.features.FeaturesDict(features)
                    )

                def _split_generators(self, dl_manager):
                    return {"train": self._generate_examples()}

                def _generate_examples(self):
                    for number, content in enumerate(contents):
                        yield number, {"image": io.BytesIO(content), "label": number % 2}

        builder = Faces(data_dir=tmp_path / "tfds")
        builder.download_and_prepare()
        monkeypatch.setattr(source, "prepare", lambda name: builder)
        for number, content in enumerate(contents):
            path = tmp_path / "folder" / "ab"[number % 2] / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return f"folder:{tmp_path / 'folder'}"

    return store


def sorted_rows(images):
    return sorted(
        (int(label), image.tobytes())
        for label, image in zip(images.labels, images.images, strict=True)
    )


@pytest.mark.parametrize("size_px", [None, 16])
@pytest.mark.parametrize(("mode", "shape"), [("RGB", (24, 32, 3)), ("L", (24, 32, 1))])
def test_jpegs_have_the_pixels_of_a_folder(same_files, mode, shape, size_px):
    """TFDS's own decoding differs from them, by a faster transform."""
    folder = same_files([jpeg(number, mode) for number in range(COUNT)], shape)
    ours, theirs = load_images("faces", None, size_px), load_images(folder, None, size_px)
    assert ours.images.shape == theirs.images.shape
    assert sorted_rows(ours) == sorted_rows(theirs)


def test_the_transform_of_tfds_differs(same_files):
    from evaluation.sources import tfds as source

    same_files([jpeg(number, "RGB") for number in range(COUNT)])
    examples = source.prepare("faces").as_dataset(split="train").as_numpy_iterator()
    theirs = np.stack([example["image"] for example in examples])
    assert np.any(theirs != load_images("faces").images)


def test_an_image_that_is_none_is_named_or_left_out(same_files):
    contents = [jpeg(number, "RGB") for number in range(COUNT)]
    contents[3] = b"no image"
    same_files(contents)
    with pytest.raises(InputError, match=r"#\d cannot be decoded as an image .*--skip-corrupt"):
        load_images("faces")
    left = load_images("faces", skip_corrupt=True)
    assert len(left) == len(left.labels) == COUNT - 1
    assert len(left.skipped) == 1
    assert "#" in left.skipped[0]

"""TensorFlow decodes JPEGs to the pixels that Pillow gives, and leaves the others to Pillow."""

import io

import numpy as np
import pytest
from PIL import Image

from evaluation import load_images
from evaluation.sources import jpeg, pictures


def picture(width, height, mode="RGB"):
    rng = np.random.default_rng([width, height])
    coarse = rng.integers(0, 256, (max(height // 3, 1), max(width // 3, 1), 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    noisy = np.asarray(smooth, np.int16) + rng.integers(-20, 21, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).convert(mode)


def saved(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("size", [(64, 48), (61, 47), (16, 16), (7, 5), (1, 1), (33, 2)])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("quality", [30, 95])
@pytest.mark.parametrize("progressive", [False, True])
def test_every_pixel_is_that_of_pillow(tf, size, subsampling, quality, progressive):
    options = {"subsampling": subsampling, "quality": quality, "progressive": progressive}
    content = saved(picture(*size), **options)
    expected = np.asarray(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(jpeg.decode(content, 3), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_ones_too(tf, channels):
    content = saved(picture(31, 20, "L"))
    expected = np.asarray(Image.open(io.BytesIO(content)))[..., None].repeat(channels, axis=2)
    np.testing.assert_array_equal(jpeg.decode(content, channels), expected)


def test_damage_is_left_to_pillow(tf):
    content = saved(picture(64, 48))
    assert jpeg.decode(content[: len(content) // 2], 3) is None
    assert jpeg.decode(b"no image", 3) is None


def test_without_tensorflow_it_does_nothing(monkeypatch):
    import sys

    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    assert jpeg.decode(saved(picture(8, 8)), 3) is None


def test_those_that_only_pillow_reads_rightly_are_left_to_it(tf, tmp_path, monkeypatch):
    """CMYK and turned ones; an array of all has the pixels of Pillow in every row."""
    exif = Image.Exif()
    exif[0x0112] = 3
    kinds = {
        "plain": saved(picture(24, 16)),
        "gray": saved(picture(24, 16, "L")),
        "cmyk": saved(picture(24, 16, "CMYK")),
        "turned": saved(picture(24, 16), exif=exif.tobytes()),
    }
    for name, content in kinds.items():
        (tmp_path / f"{name}.jpg").write_bytes(content)
    by_tensorflow, decode = [], jpeg.decode

    def counted(content, channels):
        by_tensorflow.append(content)
        return decode(content, channels)

    monkeypatch.setattr(jpeg, "decode", counted)
    images = load_images(f"folder:{tmp_path}")
    assert sorted(by_tensorflow) == sorted([kinds["plain"], kinds["gray"]])
    for file, row in zip(images.files, images.images, strict=True):
        content = kinds[file.removesuffix(".jpg")]
        expected = pictures.decode(io.BytesIO(content), file).convert("RGB")
        np.testing.assert_array_equal(row, np.asarray(expected), err_msg=file)

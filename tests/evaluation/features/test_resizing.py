"""Each way to 299 x 299 pixels against its own program, or its formula written out."""

import numpy as np
import pytest
from PIL import Image

from evaluation import InputError
from evaluation.features import resizing
from tests.inception_weights import GOLDEN

pytestmark = pytest.mark.usefixtures("tf")

SHAPES = [(5, 7), (299, 100), (400, 310), (1, 1), (299, 299), (1000, 32)]


def resized(images, resize):
    return resizing.make(resize, images.shape[1:])(images).numpy()


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_clean_fid_is_pillows_bicubic_on_floats(height, width, noise_images):
    images = noise_images(2, height, width, 3)
    expected = np.empty((2, 299, 299, 3), np.float32)
    for index in np.ndindex(2, 3):
        channel = Image.fromarray(images[index[0], ..., index[1]].astype(np.float32))
        expected[index[0], ..., index[1]] = channel.resize((299, 299), Image.Resampling.BICUBIC)
    result = resized(images, "clean-fid")
    np.testing.assert_allclose(result, (expected.clip(0, 255) - 128) / 128, atol=2e-6)
    assert result.min() >= -1
    assert result.max() <= 127 / 128


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_tf1_bilinear_is_its_formula(height, width, noise_images):
    """Pixel i lies at i * size / 299, whose neighbour below is its whole part.

    A position in float32 is off by at most 2^-23 of the side, a pixel of range 2 by twice that.
    """
    image = noise_images(1, height, width, 3).astype(np.float64)
    for axis, size in ((1, height), (2, width)):
        at = np.arange(299) * size / 299
        below = np.floor(at + 1e-9).astype(int)
        share = (at - below).reshape([-1 if a == axis else 1 for a in range(4)])
        above = np.minimum(below + 1, size - 1)
        image = image.take(below, axis) * (1 - share) + image.take(above, axis) * share
    result = resized(noise_images(1, height, width, 3), "tf1-bilinear")
    np.testing.assert_allclose(result, (image - 128) / 128, atol=max(height, width) * 2**-21)


@pytest.mark.parametrize(("height", "width"), [(5, 7), (400, 310)])
def test_pytorch_fid_is_pytorchs_interpolation(height, width):
    """Golden, of PyTorch 2.13: every 13th pixel of noise of the same generator."""
    rng = np.random.default_rng(0)
    images = {s: rng.integers(0, 256, (1, *s, 3), dtype=np.uint8) for s in ((5, 7), (400, 310))}
    with np.load(GOLDEN / "inception_resize.npz") as golden:
        expected = golden[f"{height}x{width}"]
    result = resized(images[height, width], "pytorch-fid")
    np.testing.assert_allclose(result[:, ::13, ::13], expected, atol=3e-6)


@pytest.mark.parametrize("resize", resizing.NORMALISATION)
def test_images_of_the_networks_size_keep_their_pixels(resize, noise_images):
    images = noise_images(1, 299, 299, 3)
    plain = images / 127.5 - 1 if resize == "pytorch-fid" else (images - 128.0) / 128
    np.testing.assert_allclose(resized(images, resize), plain, atol=1e-6)


def test_the_ways_differ(noise_images):
    result = [resized(noise_images(1, 40, 40, 3), resize) for resize in resizing.NORMALISATION]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(result[first] - result[second]).mean() > 0.01


def test_gray_is_repeated(noise_images):
    gray = noise_images(1, 9, 9, 1)
    for resize in resizing.NORMALISATION:
        expected = resized(gray.repeat(3, axis=-1), resize)
        np.testing.assert_allclose(resized(gray, resize), expected, atol=1e-6)


def test_unknown_ways_are_refused():
    with pytest.raises(InputError, match="resize='nearest'; use one of tf1-bilinear, clean-fid"):
        resizing.make("nearest", (8, 8, 3))

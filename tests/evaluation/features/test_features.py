"""Features follow their definition, and the shipped classifier equals its record."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import evaluation
from evaluation import InputError, extract
from evaluation import features as kinds

pytestmark = pytest.mark.usefixtures("tf")
SHIPPED = Path(kinds.__file__).parent


def test_pixels_are_flat_and_in_zero_one(noise_images):
    images = noise_images(3, 4, 5, 3)
    result = extract(images, "pixels")
    assert result.features.dtype == np.float32
    assert (result.features == images.reshape(3, 60).astype(np.float32) / 255).all()
    assert result.logits is None


def test_larger_images_are_reduced_to_equal_areas(noise_images):
    images = noise_images(3, 32, 32, 3)
    result = extract(images, "pixels")
    blocks = images.reshape(3, 8, 4, 8, 4, 3).mean((2, 4)) / 255
    np.testing.assert_allclose(result.features, blocks.reshape(3, 192), atol=1e-6)
    assert result.name == "pixels-8x8"
    assert result.sha256 != extract(noise_images(3), "pixels").sha256
    assert extract(noise_images(1, 16, 16), "pixels").features.shape == (1, 256)
    assert extract(noise_images(1, 4, 100), "pixels").features.shape == (1, 32)


def test_areas_that_cut_pixels_are_exact(noise_images):
    """If each of 20 pixels is repeated twice, the picture is the same and has 40 = 8 * 5 pixels.

    Its areas are then whole blocks.
    """
    images = noise_images(2, 20, 20)
    twice = images.repeat(2, 1).repeat(2, 2).reshape(2, 8, 5, 8, 5).mean((2, 4)) / 255
    np.testing.assert_allclose(extract(images).features, twice.reshape(2, 64), atol=1e-6)


def test_many_images_are_reduced_in_parts(noise_images):
    images = noise_images(1030, 20, 20)
    result = extract(images).features
    assert (result[[0, 1029]] == extract(images[[0, 1029]]).features).all()


def test_shipped_classifier_is_as_accurate_as_recorded(digits):
    record = json.loads((SHIPPED / "digits.json").read_text())
    result = extract(digits["test"], "digits")
    correct = int((result.logits.argmax(axis=1) == digits["test"].labels).sum())
    assert (correct, len(result.logits)) == (record["test_correct"], record["test_images"])
    assert record["test_accuracy"] == correct / len(result.logits) >= 0.97
    assert record["classes"] == list(digits["test"].class_names)


def test_shipped_classifier_is_the_recorded_file():
    content = (SHIPPED / "digits.keras").read_bytes()
    record = json.loads((SHIPPED / "digits.json").read_text())
    assert hashlib.sha256(content).hexdigest() == record["sha256"]
    assert len(content) < 500_000


def test_digits_features_have_the_recorded_scale(digits):
    result = extract(digits["train"], "digits")
    assert result.features.shape == (1437, 64)
    assert result.features.min() >= 0
    assert result.features.var(axis=0).mean() == pytest.approx(1, abs=1e-3)
    assert result.sha256 == json.loads((SHIPPED / "digits.json").read_text())["sha256"]


def test_batch_size_does_not_change_features(digits):
    whole = extract(digits["test"], "digits", batch_size=512)
    parts = extract(digits["test"], "digits", batch_size=100)
    np.testing.assert_allclose(whole.features, parts.features, atol=1e-5)
    np.testing.assert_allclose(whole.logits, parts.logits, atol=1e-4)


def test_default_features_follow_the_data_and_its_size():
    assert kinds.default_features("digits:train", (8, 8, 1)) == "digits"
    assert kinds.default_features("digits", (16, 16, 1)) == "pixels"
    assert kinds.default_features("folder:digits", (8, 8, 1)) == "pixels"
    assert kinds.default_features("photo_patches/64", (64, 64, 3)) == "pixels"
    assert kinds.names() == ["pixels", "digits"]


def test_a_classifier_of_ones_own(tmp_path, noise_images):
    import keras

    inputs = keras.Input((8, 8, 1))
    flat = keras.layers.Flatten(name="features")(inputs)
    logits = keras.layers.Dense(2, kernel_initializer="ones")(flat)
    path = tmp_path / "own.keras"
    keras.Model(inputs, logits).save(path)
    with pytest.raises(InputError, match=r"own\.json is missing"):
        extract(noise_images(3), path)
    form = {"height": 8, "width": 8, "channels": 1, "range": [0, 1]}
    path.with_suffix(".json").write_text(json.dumps({"images": form}))
    images = noise_images(3)
    result = extract(images, path, batch_size=2)
    np.testing.assert_allclose(result.features, images.reshape(3, 64) / 255, atol=1e-6)
    np.testing.assert_allclose(result.logits[:, 0], images.reshape(3, 64).sum(1) / 255, rtol=1e-5)


def test_other_keras_files_are_refused(tmp_path, noise_images):
    import keras

    path = tmp_path / "own.keras"
    inputs = keras.Input((8, 8, 1))
    keras.Model(inputs, keras.layers.Flatten(name="flat")(inputs)).save(path)
    form = {"height": 8, "width": 8, "channels": 1, "range": [0, 1]}
    path.with_suffix(".json").write_text(json.dumps({"images": form}))
    with pytest.raises(InputError, match=r'layer named "features"') as caught:
        extract(noise_images(3), path)
    assert "\n" not in str(caught.value)
    path.write_bytes(b"damaged")
    with pytest.raises(InputError, match="cannot be used for features"):
        extract(noise_images(3), path)


def test_wrong_names_shapes_and_sizes(noise_images):
    with pytest.raises(InputError, match=r"unknown features 'digit'; did you mean 'digits'"):
        extract(noise_images(1), "digit")
    with pytest.raises(InputError, match=r"no/such\.keras does not exist"):
        extract(noise_images(1), "no/such.keras")
    with pytest.raises(
        InputError, match=r"16 x 16 x 1, features 'digits' take 8 x 8 x 1.*--size 8"
    ):
        extract(noise_images(1, 16, 16), "digits")
    with pytest.raises(InputError, match="batch_size=0; it must be a whole number"):
        evaluation.extract(noise_images(1), "pixels", batch_size=0)
    with pytest.raises(InputError, match="features=3; it must be 'pixels' or 'digits'"):
        extract(noise_images(1), 3)

"""The Inception network against another program's answers, layer by layer, and its options."""

import dataclasses
import gc
import hashlib
import json

import numpy as np
import pytest

from evaluation import InputError, extract
from evaluation.features import inception, inception_layers, resizing
from evaluation.features.extractor import Request
from tests import inception_weights as drawn

pytestmark = pytest.mark.usefixtures("tf")

SLOW = pytest.mark.slow
TOLERANCE = 1e-5  # norm of the difference over the norm


@pytest.fixture
def tidy():
    """Each network is a graph of 100 MB in a cycle of references: it goes when it is collected."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def golden():
    """What torch-fidelity 0.4.0 answers, in float64, for the drawn weights."""
    with np.load(drawn.GOLDEN / "inception_features.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The drawn weights as a file, removed again since it is large."""
    path = drawn.write(tmp_path_factory.mktemp("weights") / "weights.npz", "arrays.npz")
    yield path
    path.unlink()


@pytest.fixture
def opened(weights, tidy):
    """opened(images, layer=..., ...) -> an extractor for such images in one batch."""
    request = Request("inception", "", None, str(weights), None, "float32", (0, 0, 0), 4)

    def make(shape, **options):
        options.setdefault("layer", "64")
        return inception.open_extractor(dataclasses.replace(request, shape=shape, **options))

    return make


def apart(result, expected):
    """The norm of the difference over the norm."""
    return np.linalg.norm(result - expected) / np.linalg.norm(expected)


# --- numbers ---


@pytest.mark.parametrize(
    ("size", "layer"),
    [
        ("32x32", "64"),
        ("64x48", "192"),
        ("299x299", "768"),
        pytest.param("360x320", "768", marks=SLOW),
        ("360x320", "2023"),
    ],
)
def test_layers_before_the_last(size, layer, golden, opened):
    """Each at one size or two; the usual layer, which sees what they give, at every size."""
    images = golden[f"images/{size}"]
    features, logits = opened(images.shape[1:], layer=layer).run(images)
    assert apart(features, golden[f"features/{size}/{layer}"]) < TOLERANCE
    assert logits is None


@pytest.mark.parametrize(
    "size", ["64x48", *(pytest.param(size, marks=SLOW) for size in ("32x32", "299x299", "360x320"))]
)
def test_the_usual_layer_and_its_unbiased_logits(size, golden, opened):
    images = golden[f"images/{size}"]
    extractor = opened(images.shape[1:], layer=None)
    features, logits = extractor.run(images)
    assert features.dtype == logits.dtype == np.float32
    assert apart(features, golden[f"features/{size}/2048"]) < TOLERANCE
    assert apart(logits, golden[f"features/{size}/logits_unbiased"]) < TOLERANCE
    assert extractor.name == "inception:2048"


@pytest.mark.parametrize("layer", ["logits", pytest.param("logits_unbiased", marks=SLOW)])
def test_logits_as_features(layer, golden, opened):
    """The logits beside them are the unbiased ones either way."""
    features, logits = opened((32, 32, 3), layer=layer).run(golden["images/32x32"])
    assert apart(features, golden[f"features/32x32/{layer}"]) < TOLERANCE
    assert apart(logits, golden["features/32x32/logits_unbiased"]) < TOLERANCE


def test_the_table_has_the_ports_shapes_and_the_graphs_names():
    shapes = {name: tuple(shape) for name, shape in drawn.SHAPES.items()}
    assert inception_layers.shapes() == shapes
    names = {"softmax/weights": "fc.weight", "softmax/biases": "fc.bias"}
    for c in inception_layers.CONVOLUTIONS:
        names[f"{c.graph}/conv2d_params"] = f"{c.name}.conv"
        names[f"{c.graph}/batchnorm"] = f"{c.name}.bn"
    assert names == drawn.GRAPH_NAMES


def test_batch_normalisation_becomes_part_of_the_convolution():
    """Of one pixel, gamma (w x - mean) / sqrt(variance + 0.001) + beta."""
    arrays = {name: values.astype(np.float64) for name, values in drawn.draw().items()}
    name, x = "Conv2d_3b_1x1", np.random.default_rng(0).standard_normal(64)
    gamma, beta, mean, variance = (
        arrays[f"{name}.bn.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    plain = arrays[f"{name}.conv.weight"][:, :, 0, 0] @ x
    fused = inception.fuse(drawn.draw(), name)
    np.testing.assert_allclose(
        x @ fused["kernel"][0, 0] + fused["bias"],
        gamma * (plain - mean) / np.sqrt(variance + 1e-3) + beta,
        rtol=1e-6,
    )


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize("layer", ["64", pytest.param("768", marks=SLOW)])
def test_the_batch_size_does_not_change_features(layer, golden, weights):
    """Neither a full batch's nor a short one's, whatever lies beside an image."""
    images = golden["images/32x32"]
    options = {"layer": layer, "weights": weights}
    whole, parts = (
        extract(images, "inception", batch_size=size, **options).features for size in (4, 3)
    )
    assert apart(parts, whole) < TOLERANCE
    assert apart(parts, golden[f"features/32x32/{layer}"]) < TOLERANCE


@pytest.mark.usefixtures("tidy")
def test_two_replicas_change_nothing(tf, golden, weights):
    cpus = ["CPU:0", "CPU:1"]
    one_device = tf.distribute.ReductionToOneDevice()
    with tf.distribute.MirroredStrategy(cpus, cross_device_ops=one_device).scope():
        result = extract(golden["images/64x48"], "inception", layer="192", weights=weights)
    assert apart(result.features, golden["features/64x48/192"]) < TOLERANCE


# --- options ---


@pytest.mark.parametrize("layer", ["192", pytest.param("768", marks=SLOW)])
def test_bfloat16_is_near_but_not_the_same(layer, golden, opened):
    """Each of its roundings is up to 2^-8; of their sum over the layers 2 % is left."""
    images, expected = golden["images/32x32"], golden[f"features/32x32/{layer}"]
    extractor = opened((32, 32, 3), layer=layer, precision="bfloat16")
    features, _ = extractor.run(images)
    assert features.dtype == np.float32
    assert 1e-4 < apart(features, expected) < 0.02
    assert extractor.settings["precision"] == "bfloat16"


@pytest.mark.parametrize("resize", ["clean-fid", "pytorch-fid"])
def test_another_resize_gives_other_features(resize, golden, opened):
    images = golden["images/64x48"]
    extractor = opened(images.shape[1:], resize=resize)
    assert apart(extractor.run(images)[0], golden["features/64x48/64"]) > 1e-3
    assert extractor.settings["resize"] == resize
    assert extractor.settings["normalisation"] == resizing.NORMALISATION[resize]


def test_gray_images_are_rgb_with_one_channel_thrice(golden, opened):
    gray = golden["images/64x48"][..., :1]
    thrice = opened((64, 48, 3)).run(gray.repeat(3, axis=-1))[0]
    assert (opened((64, 48, 1)).run(gray)[0] == thrice).all()


def test_what_is_recorded(opened, weights):
    extractor = opened((32, 32, 3))
    assert extractor.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert json.loads(json.dumps(extractor.settings)) == {
        "layer": "64",
        "resize": "tf1-bilinear",
        "normalisation": "(x - 128) / 128",
        "precision": "float32",
        "weights": "other",
    }


def test_float32_is_not_cut_on_gpus(tf):
    """During the run alone: what else runs in the process keeps its setting."""
    setting = tf.config.experimental.tensor_float_32_execution_enabled
    before = setting()
    assert inception._without_tf32(lambda images: setting())(None) is False
    assert setting() is before is True


# --- refusals ---


@pytest.mark.parametrize(
    ("features", "options", "line"),
    [
        ("inception", {"layer": "1024"}, r"layer='1024'; use one of 64, 192, 768, 2048, 2023"),
        ("inception", {"resize": "area"}, r"resize='area'; use one of tf1-bilinear, clean-fid"),
        ("inception:64", {}, r"features='inception:64'; name the layer by itself: --layer 64"),
    ],
)
def test_options_that_there_are_not(features, options, line, weights, noise_images):
    with pytest.raises(InputError, match=line) as caught:
        extract(noise_images(1, channels=3), features, weights=weights, **options)
    assert "\n" not in str(caught.value)


def test_images_of_other_channels_are_refused(opened):
    with pytest.raises(InputError, match=r"images are \(8, 8, 4\); Inception takes \(H, W, 1\)"):
        opened((8, 8, 4))

"""Every kind of features against the same arithmetic in NumPy, and the errors of each kind."""

import json
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

import evaluation
from evaluation import InputError, extract
from evaluation import features as kinds
from evaluation.features import fitting, random_conv, stream
from evaluation.features.extractor import Extractor
from evaluation.sources.images import Images
from evaluation.sources.sampler import Sampler

pytestmark = pytest.mark.usefixtures("tf")

FORM = {"height": 8, "width": 8, "channels": 1, "range": [-1, 1]}


def refused(line, *words, **named):
    """Checks that `extract` raises a one-line error that matches `line`."""
    with pytest.raises(InputError, match=line) as caught:
        extract(*words, **named)
    assert "\n" not in str(caught.value)


def write_record(path, form=None, **more):
    path.with_suffix(".json").write_text(json.dumps({"images": FORM | (form or {}), **more}))
    return path


# --- from a text to a kind of features ---


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("incepton", r"unknown features 'incepton'; did you mean 'inception'\?"),
        ("random-con:3", r"unknown features 'random-con:3'; did you mean 'random-conv'\?"),
        ("zzz", r"unknown features 'zzz'; give 'pixels' or 'digits', 'inception'"),
        ("no.such.module:f", r"unknown features 'no\.such\.module:f'; give"),
        ("keras:", r"features='keras:' has nothing after the colon"),
        ("classifier", r"features='classifier' names no file"),
        ("classifier:no/such.keras", r"no/such\.keras does not exist"),
        ("onnx:no/such.onnx", r"no/such\.onnx does not exist"),
        (
            "net.onnx",
            r"write onnx:net\.onnx for features, as the NAME\.json .* classifier:net\.onnx",
        ),
        ("keras:ResNet5", r"no network 'ResNet5'; did you mean keras:ResNet50\?"),
        ("keras:Q", r"no network 'Q'; choose from ConvNeXtBase"),
        ("random-conv:x", r"random-conv:x; the seed must be a whole number, 0 or more"),
    ],
)
def test_names_that_mean_nothing(text, line, noise_images):
    refused(line, noise_images(1), text)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"layer": "dense"},
            r"layer='dense': features of the kind 'pixels' do not have this option",
        ),
        ({"resize": "bicubic"}, r"resize='bicubic': features of the kind 'pixels'.*leave it out"),
        ({"precision": "bfloat16"}, r"precision='bfloat16': features of .*; use float32"),
        ({"precision": "float16"}, r"precision='float16'; use one of float32, bfloat16"),
        ({"layer": ""}, r"layer=''; it must be a name"),
        ({"weights": "no/file"}, r"weights='no/file' does not exist; give a file of weights"),
        ({"weights": 3}, r"weights=3; it must be the path of a file"),
        ({"n": 3}, r"n=3: only a generator takes n; leave it out"),
    ],
)
def test_options_that_a_kind_does_not_have(options, line, noise_images):
    refused(line, noise_images(1), "pixels", **options)


def test_what_is_no_set_of_images_is_refused():
    refused(r"images is list; give a uint8 array", [1, 2])


def test_kinds_are_the_modules_that_define_an_extractor():
    """A module that imports `open_extractor` is no kind.

    Listing the kinds loads no heavy package.
    """
    code = (
        "import sys; from evaluation.features import kinds; print(*kinds.names()); "
        "print(*{'apache_beam', 'keras', 'onnxruntime', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, heavy = done.stdout.split("\n")[:2]
    assert names == "classifier custom inception keras onnx pixels random-conv"
    assert heavy == ""


@pytest.mark.parametrize("name", ["beam", "streaming", "kinds", "files"])
def test_other_modules_of_the_folder_are_no_kinds(name, noise_images):
    refused(f"unknown features '{name}'", noise_images(1), name)


def test_logits_are_known_before_any_image_is_read(tmp_path):
    path = tmp_path / "own.keras"
    path.write_bytes(b"not looked at")
    asked = ("pixels", "random-conv", "digits", f"classifier:{path}", "keras:ResNet50")
    assert [kinds.has_logits(name) for name in asked] == [False, False, True, True, None]
    with pytest.raises(InputError, match="unknown features 'zzz'"):
        kinds.has_logits("zzz")


# --- the stream ---


def test_batches_come_in_order_and_are_made_ready_in_another_thread():
    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    threads = set()

    def prepare(batch):
        threads.add(threading.current_thread())
        return batch.astype(np.float32) + 1

    plus = Extractor("f", "", {}, lambda x: (x.reshape(len(x), 1), None), (), prepare)
    source = stream.from_images(Images(images, None, (), "ten"))
    message = []
    result = list(stream.run(source, plus, 4, lambda *words: message.append(words)))
    assert np.concatenate([rows for rows, _ in result])[:, 0].tolist() == list(range(1, 11))
    assert [len(rows) for rows, _ in result] == [4, 4, 2]
    assert message == [("computing features", done, 10) for done in (4, 8, 10)]
    assert threading.main_thread() not in threads


def test_what_fails_beside_the_network_reaches_the_caller():
    def broken():
        yield np.zeros((1, 1, 1, 1), np.uint8)
        raise InputError("the generator failed; mend it.")

    source = stream.Stream(lambda size: broken(), 2, (1, 1, 1), "broken", lambda: None)
    run = stream.run(source, Extractor("f", "", {}, lambda x: (x.reshape(1, 1), None)), 1)
    next(run)
    with pytest.raises(InputError, match="the generator failed"):
        next(run)


def test_a_generator_is_extracted_as_its_images_are(tanh_generator):
    sampler = evaluation.open_source(tanh_generator)
    drawn = sampler.sample(150, seed=3)
    whole = extract(drawn, "digits", batch_size=64)
    streamed = extract(sampler, "digits", batch_size=64, n=150, seed=3)
    assert (streamed.features == whole.features).all()
    assert (extract(sampler, "digits", n=150, seed=4).features != whole.features).any()
    with pytest.raises(InputError, match="n=None; it must be a whole number, 1 or more"):
        extract(sampler, "digits")


def test_a_generator_that_changes_its_shape_is_refused():
    sides = iter([4, 4, 5])

    def growing(n, rng):
        return np.zeros((n, next(sides), 4, 1), np.uint8)

    with pytest.raises(InputError, match=r"shape \(5, 4, 1\) after \(4, 4, 1\); all images must"):
        extract(evaluation.open_source(growing), n=200)


def test_a_known_shape_needs_no_draw():
    """If the features are in the cache, no image is drawn."""

    def batches(seed):
        raise AssertionError("drawn")
        yield

    form = {"images": {"height": 8, "width": 4, "channels": 3}}
    made = stream.from_sampler(Sampler(batches, "known", form), 5, 0)
    assert made.shape == (8, 4, 3)


# --- random-conv ---


def convolved(values, kernel):
    """A 3 x 3 convolution of stride 2, padded so that its sides are ceil(side / 2)."""
    sides = values.shape[1:3]
    padding = [max((-(-side // 2) - 1) * 2 + 3 - side, 0) for side in sides]
    values = np.pad(values, [(0, 0), *((p // 2, p - p // 2) for p in padding), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(values, (3, 3), axis=(1, 2))[:, ::2, ::2]
    return np.einsum("nabcij,ijcd->nabd", windows, kernel, optimize=True)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (32, 20), (31, 33)])
def test_random_conv_is_what_its_definition_says(height, width, noise_images):
    images = noise_images(3, height, width, 3)
    values, expected = images.astype(np.float64) / 127.5 - 1, []
    for kernel in random_conv.weights(5, random_conv.layers((height, width, 3))):
        values = convolved(values, kernel)
        values = np.where(values < 0, 0.2 * values, values)
        expected += [values.mean((1, 2)), values.std((1, 2))]
    result = extract(images, "random-conv:5")
    np.testing.assert_allclose(result.features, np.concatenate(expected, 1), atol=2e-5)
    assert result.logits is None
    assert result.name == "random-conv:5"


def test_random_kernels_are_orthonormal_and_on_a_grid():
    for kernel in random_conv.weights(0, 4):
        flat = kernel.reshape(-1, kernel.shape[-1]) / np.sqrt(2)
        flat = flat.T if flat.shape[0] < flat.shape[1] else flat
        np.testing.assert_allclose(flat.T @ flat, np.eye(flat.shape[1]), atol=1e-3)
        assert (kernel * 2.0**16 == np.rint(kernel * 2.0**16)).all()


def test_random_conv_has_a_seed_and_takes_gray_images_as_rgb(noise_images):
    gray = noise_images(4, 32, 32)
    base = extract(gray, "random-conv")
    assert base.features.shape == (4, 704)
    assert (base.features == extract(gray, "random-conv:0").features).all()
    np.testing.assert_allclose(
        base.features, extract(np.repeat(gray, 3, -1), "random-conv").features, atol=1e-6
    )
    other = extract(gray, "random-conv:1")
    assert np.abs(base.features - other.features).max() > 0.1
    assert base.sha256 != other.sha256


# --- precision, batch size and devices ---


@pytest.mark.parametrize("kind", ["digits", "random-conv"])
def test_bfloat16_is_near_float32_and_no_more(kind, digits):
    exact, rough = (
        extract(digits["test"], kind, precision=precision) for precision in ("float32", "bfloat16")
    )
    error = np.linalg.norm(exact.features - rough.features) / np.linalg.norm(exact.features)
    assert 1e-4 < error < 2e-2
    assert rough.features.dtype == np.float32
    assert (exact.settings["precision"], rough.settings["precision"]) == ("float32", "bfloat16")


@pytest.mark.parametrize("kind", ["digits", "random-conv"])
def test_neither_batch_size_nor_replicas_change_features(kind, digits, tf):
    images = digits["test"].images[:150]
    whole = extract(images, kind, batch_size=256)
    parts = extract(images, kind, batch_size=7)
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    assert len(devices) == 2
    with tf.distribute.MirroredStrategy(devices).scope():
        spread = extract(images, kind, batch_size=63)
    for result in (parts, spread):
        np.testing.assert_allclose(result.features, whole.features, atol=1e-5)
        if whole.logits is not None:
            np.testing.assert_allclose(result.logits, whole.logits, atol=1e-4)


def test_each_replica_takes_an_equal_part_of_a_batch(tf):
    """Each replica returns its own number for each of its rows."""
    from evaluation.features import devices

    names = [device.name for device in tf.config.list_logical_devices("CPU")]
    with tf.distribute.MirroredStrategy(names).scope():

        def numbered(batch):
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            return (tf.cast(batch, tf.float32) * 0 + tf.cast(number, tf.float32),)

        run = devices.compiled(numbered, 6)
        features, logits = run(np.zeros((5, 1), np.float32))
    assert features[:, 0].tolist() == [0, 0, 0, 1, 1]
    assert logits is None


THREE = """
import sys
import numpy as np
from evaluation import extract, import_tensorflow
tf = import_tensorflow()
cpu = tf.config.list_physical_devices("CPU")[0]
parts = [tf.config.LogicalDeviceConfiguration()] * 3
tf.config.set_logical_device_configuration(cpu, parts)
images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 1), dtype=np.uint8)
devices = [device.name for device in tf.config.list_logical_devices("CPU")]
with tf.distribute.MirroredStrategy(devices).scope() as strategy:
    spread = extract(images, "digits", batch_size=16)
    count = tf.distribute.get_strategy().num_replicas_in_sync
alone = extract(images, "digits", batch_size=50)
print(count, np.abs(spread.features - alone.features).max() < 1e-5,
      np.abs(spread.logits - alone.logits).max() < 1e-4)
"""


@pytest.mark.slow
def test_three_devices_that_do_not_divide_the_batch():
    command = [sys.executable, "-c", THREE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "3 True True"


# --- fitting ---


def test_fitting_cuts_the_middle_or_stretches(noise_images):
    images = noise_images(2, 20, 30, 3)
    cut = fitting.fitted(images, fitting.Fit((10, 10), "bicubic", "center", 15))
    stretched = fitting.fitted(images, fitting.Fit((10, 10), "bicubic", "squash"))
    for row, image in enumerate(images):
        scaled = np.asarray(Image.fromarray(image).resize((22, 15), Image.Resampling.BICUBIC))
        assert (cut[row] == scaled[2:12, 6:16]).all()
        squashed = Image.fromarray(image).resize((10, 10), Image.Resampling.BICUBIC)
        assert (stretched[row] == np.asarray(squashed)).all()
    assert fitting.fitted(images, fitting.Fit((20, 30))) is images
    gray = fitting.fitted(images[..., :1], fitting.Fit((10, 10), "bilinear"))
    assert gray.shape == (2, 10, 10, 1)


# --- functions of the user ---

MODULE = """
import numpy as np
def means(images):
    assert images.dtype == np.uint8
    return images.mean((1, 2))
def words(images): return np.array([["a"]] * len(images))
def flat(images): return images.mean((1, 2, 3))
def fewer(images): return images.mean((1, 2))[1:]
def nan(images): return images.mean((1, 2)) * np.nan
def huge(images): return np.full((len(images), 1), 1e300)
def broken(images): raise RuntimeError("no\\nluck")
number = 3
"""


@pytest.fixture
def module(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MODULE)
    return path


def test_a_function_of_ones_own(module, noise_images, monkeypatch):
    images = noise_images(7, 4, 4, 3)
    result = extract(images, f"{module}:means", batch_size=3)
    np.testing.assert_allclose(result.features, images.mean((1, 2)), rtol=1e-6)
    assert result.features.dtype == np.float32
    assert (result.sha256, result.name) == ("", f"{module}:means")
    monkeypatch.syspath_prepend(module.parent)
    assert (extract(images, "mine:means").features == result.features).all()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("words", r"mine\.py:words gave an array of <U1; it must be real numbers"),
        ("flat", r"gave shape \(2,\) for 2 images; it must be \(2, d\)"),
        ("fewer", r"gave shape \(1, 1\) for 2 images"),
        ("nan", r"gave features of 2 of 2 images that are not finite, in images 0 to 1"),
        ("huge", r"gave 1e\+300, too large for float32"),
        ("broken", r"failed on images of shape \(2, 8, 8, 1\) \(RuntimeError: no luck\)"),
        ("number", r"has no function 'number'; give a function f\(uint8 images"),
        ("missing", r"has no function 'missing'"),
    ],
)
def test_functions_that_give_no_features(name, line, module, noise_images):
    refused(line, noise_images(2), f"{module}:{name}")


def test_a_module_that_cannot_be_imported(tmp_path, noise_images):
    path = tmp_path / "bad.py"
    path.write_text("import no_such_thing")
    refused(r"bad\.py cannot be imported \(ModuleNotFoundError", noise_images(1), f"{path}:f")


def test_an_edited_function_is_read_again(module, noise_images):
    images = noise_images(2)
    before = extract(images, f"{module}:means").features
    module.write_text(MODULE.replace("images.mean((1, 2))\n", "images.mean((1, 2)) + 1\n"))
    assert np.allclose(extract(images, f"{module}:means").features, before + 1)


# --- keras.applications ---


@pytest.fixture(scope="module")
def mobile_net(tf, tmp_path_factory):
    """Random weights of a MobileNet, and the network's own outputs for eight images."""
    import keras

    keras.utils.set_random_seed(1)
    path = tmp_path_factory.mktemp("keras") / "mobile.weights.h5"
    model = keras.applications.MobileNet(weights=None, classifier_activation=None)
    rng = np.random.default_rng(2)  # Keras's own weights would make features of 1e-19
    for weight in model.weights:
        if "kernel" in weight.name:
            inputs = np.prod(weight.shape[:2]) * (weight.shape[2] if weight.shape[3] > 1 else 1)
            weight.assign(rng.normal(0, np.sqrt(2 / inputs), weight.shape))
    model.save_weights(path)
    images = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3), dtype=np.uint8)
    resized = np.stack(
        [
            np.asarray(Image.fromarray(image).resize((224, 224), Image.Resampling.BILINEAR))
            for image in images
        ]
    )
    values = keras.applications.mobilenet.preprocess_input(resized.astype(np.float32))
    (pooling,) = (x for x in model.layers if isinstance(x, keras.layers.GlobalAveragePooling2D))
    pooled = keras.Model(model.inputs[0], pooling.output)
    return path, images, model(values).numpy(), pooled(values).numpy().reshape(3, -1)


def test_a_network_of_keras_applications(mobile_net):
    path, images, logits, pooled = mobile_net
    result = extract(images, "keras:MobileNet", weights=path, batch_size=2)
    np.testing.assert_allclose(result.features, pooled, rtol=1e-4, atol=1e-5 * pooled.max())
    np.testing.assert_allclose(result.logits, logits, atol=1e-4 * np.abs(logits).max())
    other = extract(images, "keras:MobileNet", weights=path, layer="conv_pw_13_relu")
    np.testing.assert_allclose(other.features, pooled, rtol=1e-4, atol=1e-5 * pooled.max())
    lanczos = extract(images, "keras:MobileNet", weights=path, resize="lanczos")
    assert np.abs(lanczos.features - result.features).max() > 1e-2 * pooled.max()
    assert (lanczos.settings["resize"], result.settings["resize"]) == ("lanczos", "bilinear")
    rough = extract(images, "keras:MobileNet", weights=path, precision="bfloat16")
    error = np.linalg.norm(rough.features - pooled) / np.linalg.norm(pooled)
    assert 1e-4 < error < 0.1


@pytest.mark.slow
def test_a_layer_that_pools_is_not_pooled_again(mobile_net):
    path, images, _, pooled = mobile_net
    again = extract(images, "keras:MobileNet", weights=path, layer="global_average_pooling2d")
    np.testing.assert_allclose(again.features, pooled, rtol=1e-4, atol=1e-5 * pooled.max())


def test_weights_of_keras_applications_that_do_not_fit(mobile_net, tmp_path, monkeypatch):
    from keras.src.utils import file_utils

    path, images, *_ = mobile_net
    refused(r"no layer 'nix'; it has", images, "keras:MobileNet", weights=path, layer="nix")
    refused(r"are not weights of keras:MobileNetV2", images, "keras:MobileNetV2", weights=path)
    refused(r"resize='cubic'; it must be one of nearest", images, "keras:MobileNet", resize="cubic")

    def offline(*words, **named):
        raise OSError("no\nnetwork")

    monkeypatch.setattr(file_utils, "get_file", offline)
    line = r"could not be downloaded \(no network\); copy that file"
    refused(line, images, "keras:MobileNet")

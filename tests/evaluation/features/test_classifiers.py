"""One small classifier in every format gives the features and logits that NumPy computes."""

import json

import numpy as np
import pytest

from evaluation import InputError, extract

FORM = {"height": 8, "width": 8, "channels": 1, "range": [-1, 1]}
RNG = np.random.default_rng(0)
HIDDEN, OUT = RNG.normal(0, 0.1, (64, 6)).astype("f4"), RNG.normal(0, 1, (6, 3)).astype("f4")
BIAS = RNG.normal(0, 1, 3).astype("f4")
IMAGES = RNG.integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
VALUES = IMAGES.reshape(5, 64) / 255.0 * 2 - 1
EXPECTED = np.maximum(VALUES @ HIDDEN, 0)
LOGITS = EXPECTED @ OUT + BIAS


def record(path, form=None, **more):
    path.with_suffix(".json").write_text(json.dumps({"images": FORM | (form or {}), **more}))
    return path


def refused(line, *words, **named):
    with pytest.raises(InputError, match=line) as caught:
        extract(*words, **named)
    assert "\n" not in str(caught.value)


def keras_model(activation=None, end=()):
    """Flatten, Dense 6 with ReLU ("hidden"), dropout, Dense 3 ("top")."""
    import keras

    inputs = keras.Input((8, 8, 1))
    hidden = keras.layers.Dense(6, "relu", use_bias=False, name="hidden")
    top = keras.layers.Dense(3, activation, name="top")
    values = hidden(keras.layers.Flatten(name="flat")(inputs))
    values = top(keras.layers.Dropout(0.5)(values))
    for layer in end:
        values = layer(values)
    model = keras.Model(inputs, values)
    hidden.set_weights([HIDDEN])
    top.set_weights([OUT, BIAS])
    return model


def onnx_model(path, softmax=False, batch="n", transposed=False):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    shape = [batch, 1, 8, 8] if transposed else [batch, 8, 8, 1]
    takes = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    gives = helper.make_tensor_value_info("out", TensorProto.FLOAT, [batch, 3])
    nodes = [
        helper.make_node("Flatten", ["images"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w1"], ["wide"]),
        helper.make_node("Relu", ["wide"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "w2", "b2"], ["top" if softmax else "out"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["top"], ["out"]))
    weights = [numpy_helper.from_array(a, n) for n, a in (("w1", HIDDEN), ("w2", OUT))]
    weights.append(numpy_helper.from_array(BIAS, "b2"))
    graph = helper.make_graph(nodes, "g", [takes], [gives], weights)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    return path


def check(result, name):
    np.testing.assert_allclose(result.features, EXPECTED, atol=1e-5)
    np.testing.assert_allclose(result.logits, LOGITS, atol=1e-5)
    assert result.name == name
    assert result.logits.dtype == result.features.dtype == np.float32


@pytest.mark.parametrize("end", ["logits", "dense softmax", "softmax layer", "activation layer"])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore::UserWarning")  # Keras warns of .h5 as a legacy format
def test_a_keras_classifier(suffix, end, tmp_path, tf):
    import keras

    layers = {
        "logits": (None, ()),
        "dense softmax": ("softmax", ()),
        "softmax layer": (None, (keras.layers.Softmax(),)),
        "activation layer": (None, (keras.layers.Activation("softmax"),)),
    }
    path = record(tmp_path / f"own{suffix}", classes=["a", "b", "c"])
    keras_model(*layers[end]).save(path)
    result = extract(IMAGES, f"classifier:{path}")
    check(result, str(path))
    assert result.settings["layer"] == "input of top"
    assert result.classes == ("a", "b", "c")
    assert result.sha256 == extract(IMAGES, path).sha256


def test_a_layer_by_its_name_and_layers_with_places(tmp_path, tf):
    import keras

    inputs = keras.Input((8, 8, 1))
    places = keras.layers.Conv2D(2, 1, kernel_initializer="ones", name="places")(inputs)
    logits = keras.layers.Dense(3)(keras.layers.Flatten(name="features")(places))
    path = record(tmp_path / "own.keras")
    keras.Model(inputs, logits).save(path)
    pooled = extract(IMAGES, path, layer="places")
    mean = np.repeat(VALUES.mean(1, keepdims=True), 2, 1)
    np.testing.assert_allclose(pooled.features, mean, atol=1e-6)
    named = extract(IMAGES, path)
    np.testing.assert_allclose(named.features, np.repeat(VALUES, 2, 1), atol=1e-6)
    assert (pooled.settings["layer"], named.settings["layer"]) == ("places", "features")
    refused(r"no layer 'nix'; it has input_layer.*, places \(None, 8, 8, 2\)", IMAGES, path,
            layer="nix")  # fmt: skip


def test_a_saved_model(tmp_path, tf):
    folder = tmp_path / "exported"
    keras_model("softmax").export(folder, verbose=False)
    record(folder)
    result = extract(IMAGES, f"classifier:{folder}", batch_size=2)
    check(result, str(folder))
    operation = result.settings["layer"].removeprefix("input of ")
    product = extract(IMAGES, folder, layer=operation)
    np.testing.assert_allclose(product.features, LOGITS - BIAS, atol=1e-5)
    refused(r"has no layer 'nix'; it has .*MatMul.* \(None, 3\)", IMAGES, folder, layer="nix")
    refused(r"precision='bfloat16'.*use float32", IMAGES, folder, precision="bfloat16")


def test_a_saved_model_on_two_replicas(tmp_path, tf):
    folder = tmp_path / "exported"
    keras_model().export(folder, verbose=False)
    record(folder)
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    with tf.distribute.MirroredStrategy(devices).scope():
        check(extract(IMAGES, folder, batch_size=4), str(folder))


def test_a_saved_model_with_named_outputs(tmp_path, tf):
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 1], tf.float32)])
    def serve(images):
        hidden = tf.nn.relu(tf.reshape(images, [-1, 64]) @ HIDDEN)
        return {"logits": hidden @ OUT + BIAS, "features": hidden, "other": hidden * 2}

    module.serve = serve
    folder = record(tmp_path / "named")
    tf.saved_model.save(module, str(folder), signatures=serve)
    check(extract(IMAGES, folder), str(folder))
    other = extract(IMAGES, folder, layer="other")
    np.testing.assert_allclose(other.features, EXPECTED * 2, atol=1e-5)


def test_a_saved_model_that_reads_files_is_refused(tmp_path, tf):
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 1], tf.float32)])
    def serve(images):
        size = tf.strings.length(tf.io.read_file("/etc/hostname"))
        return tf.reshape(images, [-1, 64]) @ HIDDEN + tf.cast(size, tf.float32)

    module.serve = serve
    folder = record(tmp_path / "reader")
    tf.saved_model.save(module, str(folder), signatures=serve)
    refused("ReadFile", IMAGES, folder)


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("batch", ["n", 1, 4])
def test_an_onnx_classifier(softmax, batch, tmp_path):
    path = onnx_model(record(tmp_path / "own.onnx"), softmax, batch)
    check(extract(IMAGES, f"classifier:{path}", batch_size=3), str(path))


def test_layers_and_layout_of_an_onnx_classifier(tmp_path):
    path = onnx_model(record(tmp_path / "own.onnx", {"layout": "NCHW"}), transposed=True)
    check(extract(IMAGES, f"classifier:{path}"), str(path))
    wide = extract(IMAGES, f"classifier:{path}", layer="wide")
    np.testing.assert_allclose(wide.features, VALUES @ HIDDEN, atol=1e-5)
    refused(r"has no layer 'nix'; name one with --layer: it has flat, wide", IMAGES,
            f"classifier:{path}", layer="nix")  # fmt: skip
    record(path, {"layout": "NHWC"})
    refused(r"takes \['n', 1, 8, 8\], but its \.json makes", IMAGES, f"classifier:{path}")


def test_images_of_another_size_are_resized_where_that_is_asked_for(tmp_path):
    large = IMAGES.repeat(2, 1).repeat(2, 2)
    path = onnx_model(record(tmp_path / "own.onnx"))
    name = f"classifier:{path}"
    refused(r"16 x 16 x 1, features .* take 8 x 8 x 1.*--size 8 or --resize", large, name)
    check(extract(large, name, resize="nearest"), str(path))
    smooth = extract(large, name, resize="bilinear")
    assert np.abs(smooth.features - EXPECTED).max() > 1e-2
    record(path, {"resize": "bilinear"})
    output = extract(large, name)
    assert (output.features == smooth.features).all()
    assert (output.settings["resize"], smooth.settings["resize"]) == ("bilinear", "bilinear")
    assert extract(IMAGES, name).settings["resize"] is None


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ({"layout": "CHW"}, r"own\.json: layout 'CHW' must be one of NHWC, NCHW"),
        ({"resize": "soft"}, r"own\.json: resize 'soft' must be one of nearest"),
        ({"range": [0]}, r"own\.json is missing or damaged .*it must say"),
    ],
)
def test_damaged_records(form, line, tmp_path):
    path = onnx_model(record(tmp_path / "own.onnx", form))
    refused(line, IMAGES, f"classifier:{path}")


def test_files_that_are_no_classifiers(tmp_path, tf):
    import keras

    for name in ("own.keras", "own.onnx"):
        path = record(tmp_path / name)
        path.write_bytes(b"damaged")
        refused("cannot be used for features", IMAGES, f"classifier:{path}")
    folder = record(tmp_path / "own")
    folder.mkdir()
    refused("cannot be loaded as a SavedModel", IMAGES, f"classifier:{folder}")
    path = record(tmp_path / "own.keras", {"layout": "NCHW"})
    refused(r"layout NCHW is for ONNX files only", IMAGES, path)
    record(path)
    keras_model("sigmoid").save(path)
    refused(r"last layer 'top' has the activation sigmoid", IMAGES, path)
    keras_model(end=[keras.layers.Lambda(lambda x: x * 2)]).save(path)
    refused(r"own\.keras cannot be used for features", IMAGES, path)
    keras_model(end=[keras.layers.Reshape((3, 1))]).save(path)
    refused(r"outputs of shape \[\(None, 3, 1\)\]; a classifier has one input", IMAGES, path)
    refused(r"weights='setup\.cfg': features of the kind 'classifier'", IMAGES, path,
            weights="setup.cfg")  # fmt: skip

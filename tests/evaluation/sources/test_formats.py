"""One generator in every format gives the same images; what a file does not say can be said."""

import inspect
import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

import evaluation
from evaluation import GeneratorOptions, InputError, open_source
from evaluation.sources.sampler import to_uint8

DIM = 4
WEIGHTS = np.random.default_rng(3).standard_normal((DIM, 64)).astype(np.float32) / 2


def expected(n, seed=0):
    """uint8 images of the generator tanh(z W), by NumPy."""
    draws = np.random.default_rng([seed, 0]).standard_normal((-(-n // 64) * 64, DIM))
    images = np.tanh(draws[:n].astype(np.float32).astype(float) @ WEIGHTS)
    return to_uint8(images.reshape(n, 8, 8, 1), (-1, 1), "x")


@pytest.fixture(scope="module")
def keras_model(tf):
    """Latents (n, 4) -> images (n, 8, 8, 1), tanh(z W)."""
    import keras

    latents = keras.Input((DIM,), name="z")
    flat = keras.layers.Dense(64, activation="tanh", use_bias=False)(latents)
    model = keras.Model(latents, keras.layers.Reshape((8, 8, 1))(flat))
    model.layers[1].set_weights([WEIGHTS])
    return model


def onnx_model(path, channels_first=False, classes=0):
    """The same in ONNX, NHWC or NCHW; with labels, each adds a tenth of its number."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    shape = [-1, 1, 8, 8] if channels_first else [-1, 8, 8, 1]
    weights = numpy_helper.from_array(WEIGHTS, "w")
    sides = numpy_helper.from_array(np.array(shape, np.int64), "shape")
    takes = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", DIM])]
    nodes = [helper.make_node("MatMul", ["z", "w"], ["flat"])]
    nodes.append(helper.make_node("Tanh", ["flat"], ["tanh"]))
    nodes.append(helper.make_node("Reshape", ["tanh", "shape"], ["images"]))
    if classes:
        takes.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]))
        nodes.insert(0, helper.make_node("Cast", ["label"], ["number"], to=TensorProto.FLOAT))
        nodes[-2] = helper.make_node("Mul", ["flat", "zero"], ["none"])
        nodes.insert(-1, helper.make_node("Unsqueeze", ["number", "one"], ["column"]))
        nodes.insert(-1, helper.make_node("Div", ["column", "ten"], ["tenths"]))
        nodes.insert(-1, helper.make_node("Add", ["none", "tenths"], ["tanh"]))
    extra = [
        numpy_helper.from_array(np.array(0.0, np.float32), "zero"),
        numpy_helper.from_array(np.array([1], np.int64), "one"),
        numpy_helper.from_array(np.array(10.0, np.float32), "ten"),
    ]
    sides_out = ["n", *shape[1:]]
    gives = [helper.make_tensor_value_info("images", TensorProto.FLOAT, sides_out)]
    graph = helper.make_graph(
        nodes, "g", takes, gives, [weights, sides, *(extra if classes else [])]
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    onnx.save(made, str(path))
    return path


def as_png(image):
    stream = io.BytesIO()
    Image.fromarray(image[..., 0]).save(stream, "PNG")
    return stream.getvalue()


def write_records(tf, path, images, labels=None):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row, image in enumerate(images):
            feature = {
                "image/encoded": tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[as_png(image)])
                )
            }
            if labels is not None:
                number = tf.train.Int64List(value=[int(labels[row])])
                feature["image/class/label"] = tf.train.Feature(int64_list=number)
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    return path


@pytest.fixture(scope="module")
def formats(tf, keras_model, tmp_path_factory):
    """The generator, or 400 of its images, in all formats."""
    root = tmp_path_factory.mktemp("formats")
    keras_model.save(root / "g.keras")
    keras_model.save(root / "g.h5")
    keras_model.export(root / "exported", verbose=False)
    tf.saved_model.save(keras_model, str(root / "saved"))
    onnx_model(root / "g.onnx")
    onnx_model(root / "first.onnx", channels_first=True)
    images = expected(400)
    np.save(root / "images.npy", images)
    np.savez(root / "images.npz", images=images)
    floats = images.astype(np.float64) / 255
    np.save(root / "floats.npy", floats)
    folder = root / "folder"
    folder.mkdir()
    with zipfile.ZipFile(root / "images.zip", "w") as archive:
        for row, image in enumerate(images):
            (folder / f"{row}.png").write_bytes(as_png(image))
            archive.writestr(f"all/{row}.png", as_png(image))
    write_records(tf, root / "images.tfrecord-00000-of-00002", images[:150])
    write_records(tf, root / "images.tfrecord-00001-of-00002", images[150:])
    return root


HARMLESS = {"CTCBeamSearchDecoder"}  # whose paths are through a lattice
GENERATORS = ["g.keras", "g.h5", "exported", "saved", "g.onnx", "first.onnx"]
STORED = ["images.npy", "images.npz", "folder", "images.zip", "images.tfrecord-0000*"]


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_in_every_format_draws_the_same(formats, name):
    """Within one level of NumPy's own: frameworks round tanh in their last bit."""
    source = open_source(formats / name)
    images = source.sample(400).images.astype(int)
    assert np.abs(images - expected(400)).max() <= 1
    assert (images == expected(400)).mean() > 0.999
    assert len(source.sha256) == 64
    assert source.notes == []
    assert "latents normal" in source.inferred


@pytest.mark.parametrize("name", STORED)
def test_stored_images_are_the_same_to_the_bit(formats, name):
    np.testing.assert_array_equal(open_source(formats / name).images, expected(400))


def test_floats_need_their_range(formats):
    options = GeneratorOptions(value_range=(0, 1))
    read = open_source(formats / "floats.npy", options=options)
    np.testing.assert_array_equal(read.images, expected(400))
    with pytest.raises(InputError, match="or floats with their --range"):
        open_source(formats / "floats.npy")
    with pytest.raises(InputError, match=r"\d+ of 25600 values outside the declared range"):
        open_source(formats / "floats.npy", options=GeneratorOptions(value_range=(0, 0.5)))


def test_metrics_are_the_same_for_every_format(formats, digits):
    """Exactly for stored uint8; to 1e-4 relative FID for generators of other frameworks."""
    reference = digits["train"].images
    exact = evaluation.evaluate(expected(400), reference, ["fid"], features="pixels", n=400)
    for name in (*STORED, *GENERATORS):
        result = evaluation.evaluate(formats / name, reference, ["fid"], features="pixels", n=400)
        if name in STORED:
            assert result["fid"].value == exact["fid"].value
        else:
            np.testing.assert_allclose(result["fid"].value, exact["fid"].value, rtol=1e-4)


class TestWhatIsInferred:
    """And what can be said instead."""

    def test_the_range_follows_the_last_layer_of_a_keras_model(self, tf, tmp_path):
        import keras

        latents = keras.Input((DIM,))
        flat = keras.layers.Dense(64, activation="sigmoid")(latents)
        keras.Model(latents, keras.layers.Reshape((8, 8, 1))(flat)).save(tmp_path / "g.keras")
        source = open_source(tmp_path / "g.keras")
        assert source.contract["images"]["range"] == [0.0, 1.0]
        assert "range [0, 1]" in source.inferred

    @pytest.mark.parametrize(
        ("options", "same", "message"),
        [
            ({"latent": "uniform"}, False, None),
            ({"latent": "truncated:0.5"}, False, None),
            ({"value_range": (-2, 2)}, False, None),
            ({"batch_size": 16}, True, None),
            ({"latent_dim": 5}, None, "no generator.json, and none of its signatures clearly"),
            ({"labels": "uniform"}, None, "labels='uniform': .* takes no labels"),
            ({"signature": "other"}, None, "signature='other': .* has none of that name"),
            ({"step": 3}, None, "step=3: .* is no training run"),
        ],
    )
    def test_each_option_has_an_effect(self, formats, options, same, message):
        options = GeneratorOptions(**options)
        if message:
            with pytest.raises(InputError, match=message) as caught:
                open_source(formats / "g.onnx", options=options)
            assert "\n" not in str(caught.value)
            return
        images = open_source(formats / "g.onnx", options=options).sample(64).images
        assert bool(np.abs(images.astype(int) - expected(64)).max() <= 1) is same

    def test_truncated_latents_stay_within_their_bound_and_fill_it(self):
        from evaluation.sources.drawing import draw_latents

        drawn = draw_latents("truncated:0.5", (2000, 3), np.random.default_rng(0))
        assert np.abs(drawn).max() <= 0.5
        # the variance of a normal cut at b is 1 - 2 b phi(b) / (2 Phi(b) - 1)
        assert abs(drawn.var() - 0.0806) < 0.004

    @pytest.mark.parametrize("law", ["normal", "uniform", "truncated:0.5"])
    def test_how_many_are_drawn_at_once_changes_nothing(self, formats, law):
        few, many = (
            open_source(formats / "g.onnx", options=GeneratorOptions(latent=law, batch_size=size))
            for size in (16, 128)
        )
        np.testing.assert_array_equal(few.sample(128).images, many.sample(128).images)

    def test_latents_like_images_and_a_flag_for_training(self, tf, tmp_path):
        def serve(z, training):
            flat = tf.tanh(tf.matmul(z[:, :, 0, 0], tf.constant(WEIGHTS)))
            flat = tf.where(training, tf.ones_like(flat), flat)
            return {"images": tf.reshape(flat, [-1, 1, 8, 8])}

        specs = {
            "z": tf.TensorSpec([None, DIM, 1, 1], tf.float32, "z"),
            "training": tf.TensorSpec([], tf.bool, "training"),
        }
        save(tf, tmp_path / "g", lambda z, training: serve(z, training), specs)
        source = open_source(tmp_path / "g")
        assert "layout NCHW" in source.inferred
        images = source.sample(64).images.astype(int)
        assert np.abs(images - expected(64)).max() <= 1
        assert source.notes == []

    def test_a_layout_against_the_shape_is_seen_when_drawn(self, formats):
        options = GeneratorOptions(layout="NCHW")
        with pytest.raises(InputError, match="must be 1 or 3 channels"):
            open_source(formats / "g.onnx", options=options)

    def test_labels_of_a_conditional_onnx_model(self, tmp_path, digits):
        path = onnx_model(tmp_path / "c.onnx", classes=10)
        with pytest.raises(InputError, match="does not declare the number of classes; give"):
            open_source(path)
        following = open_source(
            path, options=GeneratorOptions(labels="reference", value_range=(-1, 1))
        )
        images = following.with_labels(digits["test"].labels, "digits").sample(300).images
        assert len(np.unique(images)) == 10
        source = open_source(path, options=GeneratorOptions(labels=3, value_range=(-1, 1)))
        assert np.unique(source.sample(70).images).tolist() == [166]  # rint(1.3 / 2 * 255)
        form = {"height": 8, "width": 8, "channels": 1, "range": [-1, 1]}
        labels = {"classes": 10, "law": [0.1] * 10}
        latents = {"dim": DIM, "law": "normal"}
        contract = {"format": 1, "latents": latents, "labels": labels, "images": form}
        path.with_suffix(".json").write_text(json.dumps(contract))
        assert len(np.unique(open_source(path).sample(200).images)) == 10
        with pytest.raises(InputError, match=r"labels=10: .* has 10 classes, 0 to 9"):
            open_source(path, options=GeneratorOptions(labels=10))
        waiting = open_source(path, options=GeneratorOptions(labels="reference"))
        with pytest.raises(InputError, match="no reference to take them from"):
            waiting.sample(3)
        rare = np.repeat([0, 7], [300, 100])
        images = waiting.with_labels(rare, "real").sample(2000).images[:, 0, 0, 0]
        values, counts = np.unique(images, return_counts=True)
        assert values.tolist() == [128, 217]  # labels 0 and 7
        assert abs(counts[1] / 2000 - 0.25) < 4 * (0.25 * 0.75 / 2000) ** 0.5
        with pytest.raises(InputError, match="real has no labels"):
            waiting.with_labels(None, "real")
        with pytest.raises(InputError, match=r"has the label 10, and .* has 10 classes"):
            waiting.with_labels(np.array([10]), "real")

    def test_one_hot_labels_tell_the_classes(self, tf, tmp_path):
        def serve(z, one_hot_label):
            shade = tf.linalg.matvec(one_hot_label, tf.constant([-0.5, 0.0, 0.5]))
            return {"images": tf.reshape(tf.tile(shade[:, None], [1, 64]), [-1, 8, 8, 1])}

        specs = {
            "z": tf.TensorSpec([None, DIM], tf.float32, "z"),
            "one_hot_label": tf.TensorSpec([None, 3], tf.float32, "one_hot_label"),
        }
        save(tf, tmp_path / "g", lambda z, one_hot_label: serve(z, one_hot_label), specs)
        source = open_source(tmp_path / "g", options=GeneratorOptions(value_range=(-1, 1)))
        assert source.contract["labels"]["classes"] == 3
        assert "labels uniform" in source.inferred
        assert np.unique(source.sample(100).images).tolist() == [64, 128, 191]

    def test_several_signatures_must_be_chosen_from(self, tf, tmp_path):
        module = tf.Module()
        spec = tf.TensorSpec([None, DIM], tf.float32, "z")

        def shaped(values):
            return {"images": tf.reshape(tf.tile(values, [1, 16]), [-1, 8, 8, 1])}

        module.a = tf.function(lambda z: shaped(tf.tanh(z)), input_signature=[spec])
        module.b = tf.function(lambda z: shaped(-tf.tanh(z)), input_signature=[spec])
        both = {"a": module.a, "b": module.b}
        tf.saved_model.save(module, str(tmp_path / "g"), signatures=both)
        with pytest.raises(InputError, match=r"2 signatures .*a\(z .*b\(z .*--signature"):
            open_source(tmp_path / "g")
        named = {"serving_default": module.a, "other": module.b}
        tf.saved_model.save(module, str(tmp_path / "h"), signatures=named)
        with pytest.raises(InputError, match=r"2 signatures .*--signature"):
            open_source(tmp_path / "h")
        images = {
            name: open_source(tmp_path / "g", options=GeneratorOptions(signature=name)).sample(9)
            for name in both
        }
        sums = images["a"].images.astype(int) + images["b"].images
        assert np.abs(sums - 255).max() <= 1


def save(tf, directory, function, specs):
    module = tf.Module()
    module.serve = tf.function(function).get_concrete_function(**specs)
    tf.saved_model.save(module, str(directory), signatures={"serving_default": module.serve})


class TestBatches:
    """What an image owes to the others drawn with it."""

    def test_batch_norm_in_training_mode_is_noticed(self, tf, make_generator, tmp_path):
        def normed(latents):
            mean, variance = tf.nn.moments(latents, [0])
            values = tf.tanh((latents - mean) / tf.sqrt(variance))
            return tf.reshape(tf.tile(values, [1, 16]), [-1, 8, 8, 1])

        source = open_source(make_generator(tmp_path / "g", normed))
        assert source.notes == []
        source.sample(3)
        assert "depends on the others drawn with it" in source.notes[0]

    def test_a_keras_model_runs_its_batch_norm_in_inference_mode(self, tf, tmp_path):
        import keras

        latents = keras.Input((DIM,))
        flat = keras.layers.Dense(64)(latents)
        flat = keras.layers.Activation("tanh")(keras.layers.BatchNormalization()(flat))
        keras.Model(latents, keras.layers.Reshape((8, 8, 1))(flat)).save(tmp_path / "g.keras")
        source = open_source(tmp_path / "g.keras")
        source.sample(3)
        assert source.notes == []

    def test_noise_of_its_own_is_noticed(self, tf, make_generator, tmp_path):
        def noisy(latents):
            values = tf.tanh(latents + tf.random.normal(tf.shape(latents), seed=1))
            return tf.reshape(tf.tile(values, [1, 16]), [-1, 8, 8, 1])

        source = open_source(make_generator(tmp_path / "g", noisy))
        source.sample(3)
        assert "draws noise of its own" in source.notes[0]


class TestProgramsAreNotTrusted:
    """What a model could do beside arithmetic is refused by name before it is loaded."""

    @pytest.mark.parametrize(
        ("does", "named"),
        [
            ("read", "ReadFile reads files"),
            ("write", "WriteFile writes files"),
            ("python", "EagerPyFunc calls Python"),
        ],
    )
    def test_a_saved_model_that_does_more(self, tf, make_generator, tmp_path, does, named):
        touched = tmp_path / "touched"

        def function(latents):
            images = tf.reshape(tf.tile(tf.tanh(latents), [1, 16]), [-1, 8, 8, 1])
            if does == "read":
                return images + 0 * tf.cast(tf.strings.length(tf.io.read_file("x")), tf.float32)
            if does == "write":
                with tf.control_dependencies([tf.io.write_file(str(touched), "x")]):
                    return tf.identity(images)
            return tf.ensure_shape(tf.py_function(lambda x: x, [images], tf.float32), images.shape)

        path = make_generator(tmp_path / "g", function)
        with pytest.raises(InputError, match=f"does more than compute: {named}.*--trust") as caught:
            open_source(path)
        assert "\n" not in str(caught.value)
        assert not touched.exists()
        if does == "write":
            open_source(path, options=GeneratorOptions(trust=True)).sample(1)
            assert touched.exists()

    def test_every_operation_with_a_path_is_refused_or_known_to_be_harmless(self, tf):
        """An oracle of its own: operations that take something called a file or an address."""
        from evaluation.sources import saved_model_scan

        words = ("filename", "file_pattern", "file_name", "directory", "address", "path")
        result = set()
        for name in filter(lambda name: name[0].isupper(), dir(tf.raw_ops)):
            takes = inspect.signature(getattr(tf.raw_ops, name)).parameters
            named = any(word in argument for argument in takes for word in words)
            if named and not saved_model_scan.refusal(name):
                result.add(name)
        assert result <= HARMLESS, result - HARMLESS

    def test_a_keras_file_with_python_code(self, tf, tmp_path):
        import keras

        latents = keras.Input((64,))
        shaped = keras.layers.Reshape((8, 8, 1))(keras.layers.Lambda(lambda x: x / 9)(latents))
        keras.Model(latents, shaped).save(tmp_path / "g.keras")
        with pytest.raises(InputError, match=r"holds Python code \(a layer Lambda\).*--trust"):
            open_source(tmp_path / "g.keras")

    def test_torch_files_need_torch_and_are_no_pickles(self, tmp_path, monkeypatch):
        import sys

        (tmp_path / "g.pt").write_bytes(b"x")
        (tmp_path / "g.pt2").write_bytes(b"x")
        with pytest.raises(InputError, match=r"g\.pt2 may hold pickles.*--trust"):
            open_source(tmp_path / "g.pt2")
        monkeypatch.setitem(sys.modules, "torch", None)
        with pytest.raises(InputError, match=r"needs PyTorch.*gantf\[torch\]"):
            open_source(tmp_path / "g.pt")


class TestOthers:
    """Archives, records, functions by name, runs."""

    @pytest.mark.parametrize("name", ["../up.png", "/root.png", "C:\\x.png"])
    def test_names_that_leave_the_archive(self, tmp_path, name):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(name, as_png(expected(1)[0]))
        with pytest.raises(InputError, match="points outside of it"):
            open_source(tmp_path / "a.zip")

    def test_an_archive_that_explodes(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.png", bytes(300 << 20))
        with pytest.raises(InputError, match="times when unpacked"):
            open_source(tmp_path / "a.zip")

    def test_a_corrupt_member_is_named_or_skipped(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("cat/1.png", as_png(expected(1)[0]))
            archive.writestr("dog/2.png", b"no image")
        with pytest.raises(InputError, match=r"a\.zip/dog/2\.png cannot be decoded"):
            open_source(tmp_path / "a.zip")
        read = open_source(tmp_path / "a.zip", skip_corrupt=True)
        assert len(read) == 1
        assert len(read.skipped) == 1

    def test_labels_of_folders_in_an_archive(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for name in ("cat/10.png", "cat/9.png", "dog/1.png"):
                archive.writestr(name, as_png(expected(1)[0]))
        read = open_source(tmp_path / "a.zip")
        assert read.files == ("cat/9.png", "cat/10.png", "dog/1.png")
        assert read.class_names == ("cat", "dog")
        assert read.labels.tolist() == [0, 0, 1]

    def test_records_with_labels_raw_bytes_and_damage(self, tf, tmp_path):
        images = expected(3)
        path = write_records(tf, tmp_path / "a.tfrecord", images, [2, 0, 1])
        assert open_source(path).labels.tolist() == [2, 0, 1]
        assert len(open_source(tmp_path)) == 3  # a directory of records
        raw = tf.train.Feature(bytes_list=tf.train.BytesList(value=[images[0].tobytes()]))
        sides = tf.train.Feature(int64_list=tf.train.Int64List(value=[1, 8, 8]))
        features = tf.train.Features(feature={"data": raw, "shape": sides})
        with tf.io.TFRecordWriter(str(tmp_path / "b.tfrecords")) as writer:
            writer.write(tf.train.Example(features=features).SerializeToString())
        np.testing.assert_array_equal(open_source(tmp_path / "b.tfrecords").images, images[:1])
        content = path.read_bytes()
        path.write_bytes(content[:-9])
        with pytest.raises(InputError, match=r"a\.tfrecord is damaged"):
            open_source(path)
        with tf.io.TFRecordWriter(str(path)) as writer:
            writer.write(tf.train.Example().SerializeToString())
        with pytest.raises(InputError, match="holds no image: it has nothing"):
            open_source(path)

    def test_functions_by_name(self, tmp_path):
        file = tmp_path / "mine.py"
        file.write_text(
            "import numpy as np\n"
            "def draw(n, rng):\n    return rng.uniform(0, 1, (n, 1, 4, 4))\n"
            "def fails(n, rng):\n    raise KeyError('gone')\n"
        )
        options = GeneratorOptions(value_range=(0, 1), layout="NCHW")
        assert open_source(f"{file}:draw", options=options).sample(5).images.shape == (5, 4, 4, 1)
        with pytest.raises(InputError, match="has no function 'other'"):
            open_source(f"{file}:other")
        with pytest.raises(InputError, match="raised KeyError: 'gone'"):
            open_source(f"{file}:fails").sample(1)
        with pytest.raises(InputError, match=r"latent_dim=3: .* is a function"):
            open_source(f"{file}:draw", options=GeneratorOptions(latent_dim=3))
        file.write_text("1 / 0")
        with pytest.raises(InputError, match=r"cannot be imported \(ZeroDivisionError"):
            open_source(f"{file}:draw")

    def test_the_step_of_a_run(self, make_generator, tmp_path):
        run = tmp_path / "run"
        make_generator(run / "generator")
        make_generator(run / "step-500" / "generator", contract={"step": 500})
        assert open_source(run).contract["step"] == 20
        assert open_source(run, options=GeneratorOptions(step=500)).contract["step"] == 500
        with pytest.raises(InputError, match=r"gantf export .*run --checkpoint 7"):
            open_source(run, options=GeneratorOptions(step=7))
        make_generator(run / "best" / "generator", contract={"step": 10})
        assert open_source(run).contract["step"] == 10

    def test_a_first_hub_module_is_refused(self, tmp_path):
        (tmp_path / "tfhub_module.pb").write_bytes(b"")
        with pytest.raises(InputError, match="TF-Hub's first format"):
            open_source(tmp_path)

    def test_a_graph_of_tensorflow_1(self, tf, tmp_path):
        v1 = tf.compat.v1
        with v1.Graph().as_default(), v1.Session() as session:
            z = v1.placeholder(tf.float32, [None, DIM], "z")
            weights = v1.get_variable("w", initializer=WEIGHTS)
            images = tf.reshape(tf.tanh(tf.matmul(z, weights)), [-1, 8, 8, 1])
            session.run(v1.global_variables_initializer())
            v1.saved_model.simple_save(session, str(tmp_path / "g"), {"z": z}, {"images": images})
        images = open_source(tmp_path / "g").sample(64).images
        assert np.abs(images.astype(int) - expected(64)).max() <= 1

    def test_options_of_what_is_no_generator(self, formats):
        for name in ("folder", "images.zip", "digits"):
            source = formats / name if name != "digits" else name
            with pytest.raises(InputError, match=r"latent='uniform': .* is no generator"):
                open_source(source, options=GeneratorOptions(latent="uniform"))

    def test_bad_options(self):
        for options, message in (
            ({"latent": "cauchy"}, "latent='cauchy'; it must be normal, uniform, or truncated"),
            ({"latent": "truncated:0"}, "bound of 0.01 or more"),
            ({"labels": -1}, "labels=-1"),
            ({"value_range": (1, 1)}, "low < high"),
            ({"layout": "HWC"}, "layout='HWC'"),
            ({"batch_size": 0}, "batch_size"),
            ({"trust": 1}, "trust=1"),
        ):
            with pytest.raises(InputError, match=message):
                GeneratorOptions(**options)

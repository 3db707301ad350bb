"""A saved generator is sampled as its generator.json says, or refused in one line."""

import json
import shutil

import numpy as np
import pytest

from evaluation import InputError, open_source
from evaluation.sources.sampler import to_uint8


def test_generator_draws_declared_latents(tanh_generator):
    """Pixel k is tanh of latent k mod 4, so the images give back the latents' law."""
    images = open_source(tanh_generator).sample(1000, seed=0).images.reshape(1000, 64)
    expected = np.random.default_rng([0, 0]).standard_normal((1024, 4)).astype(np.float32)[:1000]
    assert (images == np.tile(to_uint8(np.tanh(expected), (-1, 1), "x"), 16)).mean() > 0.999
    assert (
        np.abs(images.astype(int) - np.tile(to_uint8(np.tanh(expected), (-1, 1), ""), 16)).max()
        <= 1
    )


def test_uniform_latents_stay_within_one(make_generator, tmp_path):
    contract = {"latents": {"dim": 4, "law": "uniform"}}
    images = open_source(make_generator(tmp_path / "g", contract=contract)).sample(500).images
    bound = to_uint8(np.tanh([-1.0, 1.0]), (-1, 1), "x")
    assert bound[0] <= images.min() < bound[0] + 3
    assert bound[1] - 3 < images.max() <= bound[1]


def test_fewer_images_are_a_prefix_of_more(tanh_generator):
    source = open_source(tanh_generator)
    many, few = source.sample(200, seed=5), source.sample(70, seed=5)
    assert (many.images[:70] == few.images).all()
    assert many.sha256 != source.sample(200, seed=6).sha256


def test_run_directory_stands_for_its_generator(tanh_generator):
    run = tanh_generator.parent
    assert open_source(run).sample(10).sha256 == open_source(tanh_generator).sample(10).sha256
    assert open_source(run).run_dir is None
    (run / "metrics.jsonl").write_text("")
    assert open_source(run).run_dir == run


def test_labels_are_drawn_by_their_law(tf, make_generator, tmp_path):
    def by_label(latents, labels):
        gray = tf.cast(labels, tf.float32)[:, None] / 2 - 0.5 + 0 * latents[:, :1]
        return tf.reshape(tf.tile(gray, [1, 64]), [-1, 8, 8, 1])

    contract = {"labels": {"classes": 3, "law": [0.2, 0.0, 0.8]}}
    path = make_generator(tmp_path / "g", by_label, contract, labels=True)
    values = open_source(path).sample(1000).images[:, 0, 0, 0]
    shares = {value: np.mean(values == value) for value in np.unique(values).tolist()}
    assert set(shares) == {64, 191}
    assert abs(shares[64] - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 1000)


def test_foreign_generator_is_inferred_and_said_so(make_generator, tmp_path):
    path = make_generator(tmp_path / "g", contract=None, latents_name="z")
    source = open_source(path)
    assert source.inferred == ("latents normal", "range [-1, 1]")
    assert source.contract["latents"] == {"dim": 4, "law": "normal"}
    assert source.sample(3).images.shape == (3, 8, 8, 1)


def test_foreign_generator_in_zero_one_is_refused(tf, make_generator, tmp_path):
    path = make_generator(tmp_path / "g", contract=None)
    open_source(path).sample(3)
    path = make_generator(
        tmp_path / "h", lambda z: tf.reshape(tf.tile(tf.sigmoid(z), [1, 16]), [-1, 8, 8, 1]), None
    )
    with pytest.raises(InputError, match=r"no negative value.*generator\.json"):
        open_source(path).sample(3)


def test_foreign_model_of_another_kind_lists_its_signatures(make_generator, tmp_path):
    path = make_generator(tmp_path / "g", lambda z: z * 2, contract=None)
    with pytest.raises(InputError, match=r"serving_default\(latents \(n, 4\) float32\) -> images"):
        open_source(path)


FORM = {"height": 8, "width": 8, "channels": 1, "range": [-1, 1]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signature": "sample"}, r"no signature 'sample'.*it has serving_default\("),
        ({"latents": {"dim": 5, "law": "normal"}}, r"takes latents \(n, 5\)"),
        ({"latents": {"dim": 4, "law": "cauchy"}}, r"damaged \(latents\.law: "),
        ({"images": FORM | {"range": [float("-inf"), 1]}}, "-Infinity is not a JSON number"),
        ({"step": float("nan")}, "NaN is not a JSON number"),
        ({"images": {"height": 8}}, r"damaged \(images\.width: Field required"),
        ({"labels": {"classes": 2, "law": [0.5, 0.4]}}, "one fraction per class"),
        ({"format": 2}, "has format 2, this version reads 1"),
    ],
)
def test_contract_that_does_not_fit_is_refused(tanh_generator, tmp_path, change, message):
    path = shutil.copytree(tanh_generator, tmp_path / "g")
    contract = json.loads((path / "generator.json").read_text())
    (path / "generator.json").write_text(json.dumps(contract | change))
    with pytest.raises(InputError, match=message) as caught:
        open_source(path)
    assert "\n" not in str(caught.value)


def test_contract_with_another_shape_is_refused_when_drawn(make_generator, tmp_path):
    form = {"height": 4, "width": 16, "channels": 1, "range": [-1, 1]}
    path = make_generator(tmp_path / "g", contract={"images": form})
    with pytest.raises(
        InputError, match=r"shape \(8, 8, 1\), its generator.json says \(4, 16, 1\)"
    ):
        open_source(path).sample(1)


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_damaged_contract_is_refused(tanh_generator, tmp_path, content):
    path = shutil.copytree(tanh_generator, tmp_path / "g")
    (path / "generator.json").write_text(content)
    with pytest.raises(InputError, match=r"generator\.json is damaged"):
        open_source(path)


def test_range_past_all_floats_is_refused(tanh_generator, tmp_path):
    path = shutil.copytree(tanh_generator, tmp_path / "g") / "generator.json"
    path.write_text(path.read_text().replace("[-1.0, 1.0]", "[-1.0, 1e999]"))
    with pytest.raises(InputError, match=r"images\.range\.1: Input should be a finite number"):
        open_source(path.parent)


SMALL = {"format": 1, "latents": {"dim": 4, "law": "normal"}, "images": FORM}


def save_module(tf, directory, function, specs, contract=SMALL):
    module = tf.Module()
    module.serve = tf.function(function, input_signature=specs)
    tf.saved_model.save(module, str(directory), signatures={"serving_default": module.serve})
    (directory / "generator.json").write_text(json.dumps(contract))
    return directory


def gray(tf, latents):
    return {"images": tf.zeros([tf.shape(latents)[0], 8, 8, 1])}


@pytest.mark.parametrize(
    ("shape", "kind", "shown"),
    [
        ([1, 4], "float32", r"latents \(1, 4\) float32"),
        ([None, 2, 4], "float32", r"latents \(n, 2, 4\)"),
        (None, "float32", r"latents \(\?\)"),
        ([None, 4], "int32", r"latents \(n, 4\) int32"),
    ],
)
def test_latents_of_another_form_are_refused_before_drawing(tf, tmp_path, shape, kind, shown):
    specs = [tf.TensorSpec(shape, kind, name="latents")]
    path = save_module(tf, tmp_path, lambda latents: gray(tf, latents), specs)
    with pytest.raises(InputError, match=rf"latents \(n, 4\) of floats, any n.*{shown}"):
        open_source(path)


@pytest.mark.parametrize(
    ("shape", "kind", "shown"),
    [
        ([None, 3], "int64", r"labels \(n, 3\) int64"),
        ([None], "float32", r"labels \(n\) float32"),
        ([64], "int64", r"labels \(64\) int64"),
    ],
)
def test_labels_of_another_form_are_refused_before_drawing(tf, tmp_path, shape, kind, shown):
    specs = [
        tf.TensorSpec([None, 4], tf.float32, name="latents"),
        tf.TensorSpec(shape, kind, name="labels"),
    ]
    contract = SMALL | {"labels": {"classes": 2, "law": [0.5, 0.5]}}
    path = save_module(tf, tmp_path, lambda latents, labels: gray(tf, latents), specs, contract)
    with pytest.raises(InputError, match=rf"labels \(n,\) of integers.*{shown}"):
        open_source(path)


def test_failure_in_the_model_tells_its_cause(tf, tmp_path):
    def of_32(latents):
        return {"images": tf.reshape(tf.tile(latents, [1, 16]), [32, 8, 8, 1])}

    specs = [tf.TensorSpec([None, 4], tf.float32, name="latents")]
    with pytest.raises(InputError, match="Input to reshape is a tensor with 4096") as caught:
        open_source(save_module(tf, tmp_path, of_32, specs)).sample(3)
    assert "\n" not in str(caught.value)
    assert "Graph execution error" not in str(caught.value)


def test_damaged_model_is_refused(tanh_generator, tmp_path):
    path = shutil.copytree(tanh_generator, tmp_path / "g")
    (path / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(InputError, match="cannot be loaded as a SavedModel") as caught:
        open_source(path)
    assert "\n" not in str(caught.value)
    (path / "saved_model.pb").unlink()
    with pytest.raises(InputError, match=r"has no saved_model\.pb"):
        open_source(path)


def test_nan_and_range_of_a_generator(tf, make_generator, tmp_path):
    def shaped(values):
        return tf.reshape(tf.tile(values, [1, 16]), [-1, 8, 8, 1])

    diverged = make_generator(tmp_path / "nan", lambda z: shaped(z * float("nan")))
    with pytest.raises(InputError, match=r"not finite \(4096 of 4096"):
        open_source(diverged).sample(3)
    wide = make_generator(tmp_path / "wide", lambda z: shaped(3 * tf.tanh(z)))
    with pytest.raises(InputError, match=r"outside its declared range \[-1, 1\]"):
        open_source(wide).sample(3)
    form = {"height": 8, "width": 8, "channels": 1, "range": [-3, 3]}
    mended = make_generator(tmp_path / "ok", lambda z: shaped(3 * tf.tanh(z)), {"images": form})
    assert open_source(mended).sample(3).images.shape == (3, 8, 8, 1)

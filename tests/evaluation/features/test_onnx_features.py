"""`onnx:PATH`: preparation and pooling against NumPy, on networks whose answer is known."""

import json

import numpy as np
import pytest
from PIL import Image

from evaluation import InputError, extract

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 12, 10, 3), dtype=np.uint8)
MEAN, STD = np.array([0.5, 0.4, 0.3]), np.array([0.2, 0.25, 0.5])
FORM = {"size": 8, "mean": MEAN.tolist(), "std": STD.tolist()}


def write(path, form=None, nodes=(("GlobalAveragePool", ["images"], ["out"], {}),), rank=4,
          outputs=("out",), layout="NCHW", **more):  # fmt: skip
    """A network of a few operations, and its .json."""
    import onnx
    from onnx import TensorProto, helper

    shape = ["n", 3, None, None] if layout == "NCHW" else ["n", None, None, 3]
    takes = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    gives = [helper.make_tensor_value_info(o, TensorProto.FLOAT, [None] * rank) for o in outputs]
    made = [helper.make_node(kind, i, o, **of) for kind, i, o, of in nodes]
    graph = helper.make_graph(made, "g", [takes], gives)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    content = {"images": FORM | (form or {}), **more}
    path.with_suffix(".json").write_text(json.dumps(content))
    return f"onnx:{path}"


FLAT = (("Flatten", ["images"], ["out"], {}),)


def prepared(method="BICUBIC", through=(8, 9), top=0, left=0):
    """Images resized to `through` (width, height), cut to 8 x 8 and normalised."""
    out = []
    for image in IMAGES:
        resized = np.asarray(Image.fromarray(image).resize(through, Image.Resampling[method]))
        out.append(resized[top : top + 8, left : left + 8])
    return (np.stack(out) / 255 - MEAN) / STD


def test_images_are_prepared_as_the_file_says(tmp_path):
    """The shorter side, 10, becomes 8: 12 x 10 becomes 9 x 8, of which the upper 8 rows stay."""
    result = extract(IMAGES, write(tmp_path / "a.onnx", nodes=FLAT, rank=2), batch_size=2)
    expected = prepared().transpose(0, 3, 1, 2).reshape(5, -1)
    np.testing.assert_allclose(result.features, expected, atol=1e-5)
    assert result.logits is None
    assert result.settings["fit"]["method"] == "bicubic"


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"crop": "squash"}, prepared(through=(8, 8))),
        ({"short_side": 10}, prepared(through=(10, 12), top=2, left=1)),
        ({"resize": "lanczos"}, prepared("LANCZOS")),
        ({"mean": [0, 0, 0], "std": [1, 1, 1]}, prepared() * STD + MEAN),
    ],
)
def test_each_key_has_its_effect(form, expected, tmp_path):
    result = extract(IMAGES, write(tmp_path / "a.onnx", form, FLAT, rank=2)).features
    np.testing.assert_allclose(result, expected.transpose(0, 3, 1, 2).reshape(5, -1), atol=1e-5)


def test_layout_and_resize_option(tmp_path):
    name = write(tmp_path / "a.onnx", {"layout": "NHWC"}, FLAT, rank=2, layout="NHWC")
    np.testing.assert_allclose(extract(IMAGES, name).features, prepared().reshape(5, -1), atol=1e-5)
    lanczos = extract(IMAGES, name, resize="lanczos").features
    np.testing.assert_allclose(lanczos, prepared("LANCZOS").reshape(5, -1), atol=1e-5)


def test_tokens_and_places_are_pooled_as_the_file_says(tmp_path):
    """An output (n, 3, 64): three "tokens", one per channel; or (n, 3, 8, 8): places."""
    channels = prepared().transpose(0, 3, 1, 2)
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    shape = numpy_helper.from_array(np.array([0, 3, 64]), "shape")
    node = helper.make_node("Reshape", ["images", "shape"], ["out"])
    takes = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 8, 8])
    gives = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 3, 64])
    graph = helper.make_graph([node], "g", [takes], [gives], [shape])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "a.onnx"
    onnx.save(model, str(path))
    for pool, expected in (
        ("first", channels[:, 0].reshape(5, -1)),
        ("mean", channels.mean(1).reshape(5, -1)),
    ):
        path.with_suffix(".json").write_text(json.dumps({"images": FORM, "pool": pool}))
        np.testing.assert_allclose(extract(IMAGES, f"onnx:{path}").features, expected, atol=1e-5)
    path.with_suffix(".json").write_text(json.dumps({"images": FORM}))
    line = r"output 'out' has shape \(5, 3, 64\); set \"pool\" in its"
    with pytest.raises(InputError, match=line):
        extract(IMAGES, f"onnx:{path}")
    name = write(tmp_path / "b.onnx", nodes=(("Identity", ["images"], ["out"], {}),), pool="mean")
    np.testing.assert_allclose(extract(IMAGES, name).features, channels.mean((2, 3)), atol=1e-5)


def test_one_of_several_outputs_is_named(tmp_path):
    nodes = (*FLAT, ("Neg", ["out"], ["minus"], {}))
    name = write(tmp_path / "a.onnx", nodes=nodes, rank=2, outputs=("out", "minus"))
    line = r"has the outputs out .*, minus .*; name one with --layer"
    with pytest.raises(InputError, match=line):
        extract(IMAGES, name)
    with pytest.raises(InputError, match=r"has no output 'nix'; it has out"):
        extract(IMAGES, name, layer="nix")
    plus, minus = (extract(IMAGES, name, layer=layer) for layer in ("out", "minus"))
    assert (plus.features == -minus.features).all()
    assert (plus.settings["output"], minus.settings["output"]) == ("out", "minus")
    text = write(tmp_path / "b.onnx", None, nodes, 2, ("out", "minus"), output="minus")
    assert (extract(IMAGES, text).features == minus.features).all()


def test_batch_size_changes_nothing_and_gray_is_rgb(tmp_path):
    name = write(tmp_path / "a.onnx", nodes=FLAT, rank=2)
    parts = [extract(IMAGES, name, batch_size=size).features for size in (1, 2, 32)]
    for part in parts[1:]:
        np.testing.assert_allclose(part, parts[0], atol=1e-5)
    gray = extract(IMAGES[..., :1], name).features
    np.testing.assert_allclose(gray, extract(np.repeat(IMAGES[..., :1], 3, -1), name).features)


def test_without_its_json_the_line_says_what_is_needed(tmp_path):
    name = write(tmp_path / "a.onnx", nodes=FLAT, rank=2)
    (tmp_path / "a.json").unlink()
    with pytest.raises(InputError, match=r'a\.json is missing .*"size": 224, "mean"'):
        extract(IMAGES, name)


@pytest.mark.parametrize(
    ("form", "more", "line"),
    [
        ({"std": [1, 1, 0]}, {}, r"std above 0"),
        ({"mean": [1]}, {}, r"three numbers each"),
        ({"size": 0}, {}, r"size must be 1 or more"),
        ({"colour": 1}, {}, r"images has 'colour'; it may hold size, mean, std"),
        ({"layout": "CHWN"}, {}, r"layout 'CHWN' must be one of NCHW, NHWC"),
        ({"resize": "soft"}, {}, r"resize 'soft' must be one of nearest"),
        ({"crop": "top"}, {}, r"crop 'top' must be one of center, squash"),
        ({"short_side": 7}, {}, r"short_side 7 must be a whole number, 8 or more"),
        ({}, {"pool": "last"}, r"pool 'last' must be one of first, mean"),
    ],
)
def test_damaged_files_of_preparation(form, more, line, tmp_path):
    name = write(tmp_path / "a.onnx", form, FLAT, 2, **more)
    with pytest.raises(InputError, match=line) as caught:
        extract(IMAGES, name)
    assert "\n" not in str(caught.value)


def test_other_networks_and_options_are_refused(tmp_path):
    name = write(tmp_path / "a.onnx", nodes=FLAT, rank=2)
    with pytest.raises(InputError, match=r"precision='bfloat16': features of the kind 'onnx'"):
        extract(IMAGES, name, precision="bfloat16")
    with pytest.raises(InputError, match=r"resize='soft'; it must be one of nearest"):
        extract(IMAGES, name, resize="soft")
    (tmp_path / "a.onnx").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"a\.onnx cannot be used for features"):
        extract(IMAGES, name)
    with pytest.raises(InputError, match=r"does not exist; give the path of an ONNX file"):
        extract(IMAGES, f"onnx:{tmp_path}")


def test_a_network_without_the_package_is_refused(tmp_path, monkeypatch):
    import sys

    name = write(tmp_path / "fresh.onnx", nodes=FLAT, rank=2)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"needs the package onnxruntime; install it with pip"):
        extract(IMAGES, name)

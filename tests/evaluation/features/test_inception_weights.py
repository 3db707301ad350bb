"""Weights from every kind of file, and the errors for wrong files."""

import hashlib
import io
import json
import tarfile
import zipfile

import numpy as np
import pytest

from evaluation import InputError, extract
from evaluation.features import inception_weights
from tests import inception_weights as drawn

pytestmark = pytest.mark.usefixtures("tf")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A directory for large files; they are removed after the test."""
    path = tmp_path_factory.mktemp("files")
    yield path
    for file in path.iterdir():
        file.unlink()


@pytest.fixture
def small(monkeypatch):
    """A network of three arrays, so that the wrong files are small."""
    shapes = {"a.bn.weight": (2,), "a.bn.running_var": (2,), "fc.weight": (3, 2)}
    monkeypatch.setattr(inception_weights, "shapes", lambda: shapes)
    return {name: np.ones(shape, np.float32) for name, shape in shapes.items()}


def refused(path, line):
    with pytest.raises(InputError, match=line) as caught:
        inception_weights.read(path)
    assert "\n" not in str(caught.value)


# --- reading ---


@pytest.mark.parametrize("form", drawn.WRITERS)
def test_every_file_gives_the_same_weights_and_features(form, folder):
    """Bit for bit; the features are those of the golden file."""
    torch = form.endswith(".pth")
    arrays = drawn.with_counters(drawn.draw()) if torch else drawn.draw()
    path = drawn.write(folder / form, form, arrays)
    result = inception_weights.read(path)
    assert list(result.arrays) == list(drawn.SHAPES)
    assert all((result.arrays[name] == values).all() for name, values in drawn.draw().items())
    with np.load(drawn.GOLDEN / "inception_features.npz") as golden:
        images, expected = golden["images/32x32"], golden["features/32x32/64"]
    features = extract(images, "inception", layer="64", weights=path).features
    assert np.linalg.norm(features - expected) < 1e-5 * np.linalg.norm(expected)
    path.unlink()


def test_an_archive_is_known_by_its_graph(tmp_path):
    """The hash of an archive is that of the graph in it."""
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        info = tarfile.TarInfo("folder/classify_image_graph_def.pb")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"graph"))
    expected = hashlib.sha256(b"graph").hexdigest()
    assert inception_weights.sha256_of(tmp_path / "a.tgz") == expected
    assert [path.name for path in tmp_path.iterdir()] == ["a.tgz"]


def test_published_files_are_recorded_by_their_names():
    for sha256, name in inception_weights.PUBLISHED.items():
        assert inception_weights.Weights({}, sha256).origin == name
    assert inception_weights.Weights({}, "0" * 64).origin == "other"


# --- refusals ---


def test_missing_extra_and_wrongly_shaped_arrays_are_named(small, tmp_path):
    del small["a.bn.weight"]
    small |= {"fc.weight": np.ones((2, 3), np.float32), "AuxLogits.fc.bias": np.ones(1)}
    for form in ("arrays.npz", "arrays.safetensors", "zip.pth", "stream.pth"):
        refused(
            drawn.write(tmp_path / form, form, small),
            rf"{form} does not hold the 2015-12-05 Inception network \(missing: a\.bn\.weight; not "
            r"the network's: AuxLogits\.fc\.bias; of another shape: fc\.weight is \(2, 3\), not "
            r"\(3, 2\)\); give its frozen graph",
        )


def test_of_many_missing_arrays_some_are_named(tmp_path):
    path = drawn.write(tmp_path / "w.npz", "arrays.npz", {"fc.bias": np.ones(1008, np.float32)})
    refused(path, r"missing: Conv2d_1a_3x3\.conv\.weight, .*, Conv2d_1a_3x3\.bn\.bias and 468 more")


def test_a_graph_of_another_network_is_refused(tmp_path):
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef()
    for name, shape in (("conv/conv2d_params", (3, 3, 32, 3)), ("mixed_11/conv/conv2d_params", 1)):
        node = graph.node.add(name=name, op="Const")
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.zeros(shape, np.float32)))
    path = tmp_path / "graph.pb"
    path.write_bytes(graph.SerializeToString())
    refused(
        path,
        r"missing: conv/batchnorm/gamma, .* more; not the network's: mixed_11/conv/conv2d_params; "
        r"of another shape: conv/conv2d_params is \(3, 3, 32, 3\), not \(3, 3, 3, 32\)\)",
    )


@pytest.mark.parametrize(
    ("name", "values", "line"),
    [
        ("fc.weight", np.ones((3, 2), np.float16), "fc.weight is float16; give float32 or float64"),
        ("fc.weight", np.full((3, 2), np.nan, np.float32), "fc.weight holds values that are not f"),
        ("a.bn.running_var", np.full(2, -1, np.float32), "running_var holds negative variances"),
    ],
)
def test_values_that_are_no_weights(name, values, line, small, tmp_path):
    refused(drawn.write(tmp_path / "w.npz", "arrays.npz", small | {name: values}), line)


@pytest.mark.parametrize("form", drawn.WRITERS)
def test_truncated_files_are_refused_and_named(form, small, tmp_path, monkeypatch):
    if form in ("graph.pb", "archive.tgz"):
        names = {"softmax/weights": ("fc.weight", (1, 0))}
        monkeypatch.setattr(inception_weights, "_graph_names", lambda: names)
        monkeypatch.setattr(drawn, "GRAPH_NAMES", {"softmax/weights": "fc.weight"})
    path = drawn.write(tmp_path / form, form, small)
    content = path.read_bytes()
    graph = b"softmax/weights"
    end = content.index(graph) + len(graph) if graph in content else len(content) * 2 // 3
    path.write_bytes(content[:end])
    refused(path, rf"{form} (is (truncated|damaged|not a weights file)|.*damaged)")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (
            b"",
            r"w\.pb does not hold the 2015-12-05 Inception network \(missing: conv/conv2d_params",
        ),
        (b"neither this nor that\n" * 9, r"w\.pb is not a weights file, or damaged"),
        (b"\x1f\x8bneither this nor that", r"w\.pb is truncated or damaged"),
        (b"\x80\x02neither this nor that", r"w\.pb is damaged or not a torch\.save file"),
        (b"PK\x03\x04neither this nor that", r"w\.pb is damaged or not a torch\.save file"),
        (b"\xff\xff\xff\xff\0\0\0\0{neither this nor that", r"w\.pb is truncated, damaged, or not"),
    ],
)
def test_other_files_are_refused(content, line, tmp_path):
    path = tmp_path / "w.pb"
    path.write_bytes(content)
    refused(path, line)


def test_no_file_at_all(tmp_path):
    refused(tmp_path / "none.pth", r"weights='.*none\.pth' is not a file; give the network's froze")


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    def denied(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(inception_weights, "_start", denied)
    (tmp_path / "w.npz").touch()
    refused(tmp_path / "w.npz", r"w\.npz cannot be read \(Permission denied\); make it readable")


def test_a_name_says_how_the_hash_begins(small, tmp_path):
    path = drawn.write(tmp_path / "pt_inception-2015-12-05-6726825d.pth", "zip.pth", small)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    line = rf"6726825d\.pth is truncated or another file: its SHA-256 begins with {sha256[:8]}, not"
    refused(path, line)
    right = path.with_name(f"own-{sha256[:8]}.pth")
    path.rename(right)
    assert inception_weights.read(right).sha256 == sha256


def test_objects_are_not_unpickled(small, tmp_path):
    np.savez(tmp_path / "w.npz", **small, more=np.array([{}], object))
    refused(tmp_path / "w.npz", r"w\.npz is damaged \(Object arrays cannot be loaded")


def test_a_member_that_is_no_array(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("fc.weight.npy", b"neither this nor that")
    refused(tmp_path / "w.npz", r"w\.npz is damaged \(a member is not an array\); save it again")


def test_a_table_of_safetensors_that_never_ends(tmp_path):
    header = b'{"fc.weight":' + b"[" * 200_000
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    refused(path, r"w\.safetensors is truncated, damaged, or not float32")


def test_archives_that_unpack_to_too_much_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(inception_weights, "LARGEST", 1 << 20)
    np.savez_compressed(tmp_path / "w.npz", a=np.zeros(1 << 20, np.uint8))
    refused(tmp_path / "w.npz", r"w\.npz unpacks to 1048\d{3} bytes; the network's weights have")
    with tarfile.open(tmp_path / "w.tgz", "w:gz") as archive:
        info = tarfile.TarInfo("classify_image_graph_def.pb")
        info.size = (1 << 20) + 1
        archive.addfile(info, io.BytesIO(bytes(info.size)))
    refused(tmp_path / "w.tgz", r"classify_image_graph_def\.pb in it unpacks to 1048577 bytes")


def test_an_archive_of_something_else(tmp_path):
    with tarfile.open(tmp_path / "w.tgz", "w:gz"):
        pass
    refused(
        tmp_path / "w.tgz", r"w\.tgz holds no classify_image_graph_def\.pb; give inception-2015"
    )


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"dtype": "BF16"}, "a tensor is BF16"),
        ({"data_offsets": [0, 20]}, "20 bytes for a tensor of 6 numbers"),
        ({"data_offsets": [24, 48]}, "a tensor lies beyond its end"),
        ({"data_offsets": [-24, 0]}, "a tensor lies beyond its end"),
        ({"shape": None}, r"w\.safetensors is truncated, damaged"),
        ({"more": 1}, r"w\.safetensors is truncated, damaged"),
    ],
)
def test_tables_of_safetensors_that_cannot_be(entry, line, tmp_path):
    entry = {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]} | entry
    header = json.dumps({"fc.weight": entry}).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(24))
    refused(path, line)

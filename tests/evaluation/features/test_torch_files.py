"""Files of torch.save: files that PyTorch wrote are read, and no code in a file ever runs."""

import collections
import os
import pickle
import zipfile

import numpy as np
import pytest

from evaluation import InputError
from evaluation.features.files import torch as torch_files
from tests import inception_weights as drawn

FORMS = ("zip", "stream")
TABLE = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([7], np.int64)}


def write(path, form, content=None, arrays=None, **options):
    """Writes a file as torch.save does, with the pickle `content`, or a pickle of `arrays`."""
    arrays = TABLE if arrays is None else arrays
    if content is None:
        content = drawn.pickled(arrays, *([None] if form == "stream" else []))
    {"zip": drawn.write_zip, "stream": drawn.write_stream}[form](path, content, arrays, **options)
    return path


def refused(path, line):
    with pytest.raises(InputError, match=line) as caught:
        torch_files.read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("form", FORMS)
def test_files_of_pytorch_itself(form):
    """PyTorch 2.13 wrote these files, in the present format and in the format before 1.6."""
    result = torch_files.read(drawn.GOLDEN / f"inception_torch_{form}.pth")
    expected = {
        "plain": np.array([[1.5, -2.0], [0.25, 3.0]], np.float32),
        "turned": np.arange(24, dtype=np.float32).reshape(4, 6).T,
        "part": np.arange(5, 9, dtype=np.float32),
        "counter": np.array(7),
        "double": np.linspace(0, 1, 5),
        "empty": np.empty((0, 3), np.float32),
    }
    assert list(result) == list(expected)
    for name, values in expected.items():
        assert result[name].dtype == values.dtype
        np.testing.assert_array_equal(result[name], values)


class _Call:
    """An object whose pickle calls a function."""

    def __init__(self, function, *words):
        self.call = function, words

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("function", "name"),
    [
        (os.mkdir, "posix.mkdir|nt.mkdir"),
        (eval, "__builtin__.eval"),
        (getattr, "__builtin__.getattr"),
    ],
)
def test_programs_are_refused_by_name_and_do_not_run(form, function, name, tmp_path):
    made = tmp_path / "made"
    words = {os.mkdir: [str(made)], eval: [f"__import__('os').mkdir({str(made)!r})"]}
    call = _Call(function, *words.get(function, [made, "mkdir"]))
    content = pickle.dumps(collections.OrderedDict(a=call), protocol=2)
    path = write(tmp_path / "w.pth", form, content, {})
    refused(path, rf"w\.pth names '({name})', which no table of tensors needs")
    assert not made.exists()


@pytest.mark.parametrize("form", FORMS)
def test_types_of_no_numbers_are_refused(form, tmp_path):
    content = b"\x80\x02ctorch\nQInt8Storage\n."
    refused(write(tmp_path / "w.pth", form, content, {}), r"names 'torch\.QInt8Storage'")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("value", "line"),
    [
        ([1, 2], "holds no table of tensors; save a state_dict"),
        ({"epoch": 3}, "holds 'epoch', which is not a tensor; save a state_dict alone"),
        ({5: 3}, "holds 5, which is not a tensor"),
    ],
)
def test_other_contents_are_refused(form, value, line, tmp_path):
    refused(write(tmp_path / "w.pth", form, pickle.dumps(value, protocol=2), {}), line)


def rebuilt(storage, offset, shape, strides):
    """Returns a pickle of one tensor with these parts."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            return ("storage", *value[1:]) if value == storage else None

    with drawn._names_of_torch():
        import sys

        torch = sys.modules["torch"]
        storage = ("here", torch.FloatStorage, *storage)
        call = _Call(torch._utils._rebuild_tensor_v2, storage, offset, shape, strides, False, {})
        import io

        file = io.BytesIO()
        Pickler(file, protocol=2).dump({"a": call})
    return file.getvalue()


@pytest.mark.parametrize(
    ("storage", "offset", "shape", "strides", "line"),
    [
        (("0", "cpu", 6), 1, (2, 3), (3, 1), "a tensor reaches beyond its storage"),
        (("0", "cpu", 6), 0, (10**9, 10**9), (0, 0), "a tensor reaches beyond its storage"),
        (("0", "cpu", 6), -1, (2, 3), (3, 1), "a tensor's shape is not whole numbers"),
        (("0", "cpu", 6), 0, (2, 3), (1,), "a tensor has an invalid description"),
        (("0", "cpu", -6), 0, (0,), (1,), "a storage has an invalid description"),
        (("0", "cpu", 7), 0, (2, 3), (3, 1), "storage 0 has 24 bytes instead of 28"),
    ],
)
def test_tensors_that_cannot_be(storage, offset, shape, strides, line, tmp_path):
    content = rebuilt(storage, offset, shape, strides)
    arrays = {"a": np.zeros(6, np.float32)}
    path = write(tmp_path / "w.pth", "zip", content, arrays)
    refused(path, rf"is damaged or not a torch\.save file .*{line}")


def test_a_byte_order_that_is_not_this_one(tmp_path):
    refused(write(tmp_path / "a.pth", "zip", order="big"), "its byte order is b'big'")
    refused(write(tmp_path / "b.pth", "stream", little=False), "its byte order is big")


def test_compressed_tensors_are_refused(tmp_path):
    path = write(tmp_path / "w.pth", "zip", method=zipfile.ZIP_DEFLATED)
    refused(path, "its tensors are compressed")


def test_archives_without_a_pickle_or_with_a_huge_one(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("words", "words")
    refused(tmp_path / "a.pth", r"it holds no data\.pkl, or a huge one")
    path = write(tmp_path / "b.pth", "zip")
    monkeypatch.setattr(torch_files, "LARGEST_PICKLE", 10)
    refused(path, r"it holds no data\.pkl, or a huge one")


def test_streams_that_begin_otherwise(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(pickle.dumps(1, protocol=2))
    refused(path, "it begins with wrong numbers")


def test_a_stream_whose_storage_has_another_length(tmp_path):
    path = write(tmp_path / "w.pth", "stream")
    content = path.read_bytes()
    count = (6).to_bytes(8, "little") + TABLE["a"].tobytes()
    path.write_bytes(content.replace(count, (5).to_bytes(8, "little") + count[8:]))
    refused(path, "storage 0 has a different length than its tensor")

"""Random weights of the Inception network, and writers of every file that holds such weights.

The weights are those of tests/golden/inception_features.npz. The writers of PyTorch's two forms do
without PyTorch: they pickle under its names.
"""

import collections
import contextlib
import functools
import io
import json
import pickle
import sys
import tarfile
import types
import unittest.mock
import zipfile
import zlib
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent / "golden"
SHAPES = json.loads((GOLDEN / "inception_shapes.json").read_text())
GRAPH_NAMES = json.loads((GOLDEN / "inception_graphdef_names.json").read_text())
PARTS = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
STORAGES = {"float32": "FloatStorage", "float64": "DoubleStorage", "int64": "LongStorage"}
MAGIC = 0x1950A86A20F9469CFC6C


@functools.cache
def draw() -> dict[str, np.ndarray]:
    """The weights, each from a generator seeded by its name."""
    return {name: _draw(name, shape) for name, shape in SHAPES.items()}


def _draw(name: str, shape: list[int]) -> np.ndarray:
    rng = np.random.default_rng([zlib.crc32(name.encode()), 0])
    z = rng.standard_normal(shape, dtype=np.float32)
    if name.endswith("running_var"):
        return 1 + np.float32(0.1) * np.abs(z)
    if name.endswith("bn.weight"):
        return 1 + np.float32(0.1) * z
    if name.endswith(("running_mean", "bias")):
        return np.float32(0.1) * z
    return z * np.float32(np.sqrt(2 / np.prod(shape[1:])))


def write(path: Path, form: str, arrays=None) -> Path:
    """Writes weights, the drawn ones if none are given, as one of WRITERS."""
    WRITERS[form](path, draw() if arrays is None else arrays)
    return path


def graph_of(arrays) -> bytes:
    """A frozen graph whose constants have the original's names and layouts."""
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef()
    for name, port in GRAPH_NAMES.items():
        if name.endswith("/batchnorm"):
            for part, of in PARTS.items():
                _add(tf, graph, f"{name}/{part}", arrays[f"{port}.{of}"])
        elif name.endswith("/conv2d_params"):
            _add(tf, graph, name, arrays[f"{port}.weight"].transpose(2, 3, 1, 0))
        else:
            _add(tf, graph, name, arrays[port].T)
    _add(tf, graph, "pool_3/_reshape/shape", np.array([1, 2048], np.int32))
    graph.node.add(name="conv", op="Relu", input=["conv/batchnorm"])
    return graph.SerializeToString()


def _add(tf, graph, name, value) -> None:
    node = graph.node.add(name=name, op="Const")
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.ascontiguousarray(value)))


def _write_archive(path, arrays) -> None:
    content = graph_of(arrays)
    with tarfile.open(path, "w:gz", compresslevel=0) as archive:
        for name, data in (("LICENSE", b"words"), ("classify_image_graph_def.pb", content)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def _write_safetensors(path, arrays) -> None:
    table, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, array in arrays.items():
        kind = {"float32": "F32", "float64": "F64", "float16": "F16"}[array.dtype.name]
        last = offset + array.nbytes
        table[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [offset, last]}
        offset = last
    header = json.dumps(table).encode()
    with open(path, "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).tobytes())


class _Tensor:
    """Pickled as torch.save pickles a tensor."""

    def __init__(self, key, array):
        self.key, self.array = key, array

    def __reduce_ex__(self, _):
        strides = tuple(step // self.array.itemsize for step in self.array.strides)
        storage = types.SimpleNamespace(key=self.key, array=self.array)
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (
            storage, 0, self.array.shape, strides, False, collections.OrderedDict(),
        )  # fmt: skip


class _Pickler(pickle.Pickler):
    """Names storages as torch.save does; a stream's names end in None."""

    def __init__(self, file, *view):
        super().__init__(file, protocol=2)
        self.view = view

    def persistent_id(self, value):
        if not isinstance(value, types.SimpleNamespace):
            return None
        kind = getattr(sys.modules["torch"], STORAGES[value.array.dtype.name])
        return ("storage", kind, value.key, "cpu", value.array.size, *self.view)


@contextlib.contextmanager
def _names_of_torch():
    """Modules called torch and torch._utils, with the names that a file of tensors uses."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in STORAGES.values():
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2():
        pass

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    torch._utils = utils
    with unittest.mock.patch.dict(sys.modules, {"torch": torch, "torch._utils": utils}):
        yield


def pickled(arrays, *view) -> bytes:
    """The pickle of a table of tensors."""
    table = collections.OrderedDict(
        (name, _Tensor(str(key), np.ascontiguousarray(array)))
        for key, (name, array) in enumerate(arrays.items())
    )
    file = io.BytesIO()
    with _names_of_torch():
        _Pickler(file, *view).dump(table)
    return file.getvalue()


def with_counters(arrays) -> dict[str, np.ndarray]:
    """The weights with the counters that the port keeps of its batch normalisations."""
    counters = {
        name.replace("weight", "num_batches_tracked"): np.int64(0).reshape(())
        for name in arrays
        if name.endswith("bn.weight")
    }
    return dict(arrays) | counters


def write_zip(path, content: bytes, arrays, method=zipfile.ZIP_STORED, order="little") -> None:
    """The archive of torch.save: a pickle, and the storages beside it."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/byteorder", order)
        for key, array in enumerate(arrays.values()):
            archive.writestr(f"archive/data/{key}", np.ascontiguousarray(array).tobytes())


def write_stream(path, content: bytes, arrays, little=True) -> None:
    """The older form of torch.save: pickles one after another, then the storages."""
    keys = [str(key) for key in range(len(arrays))]
    with open(path, "wb") as file:
        for value in (MAGIC, 1001, {"little_endian": little}):
            pickle.dump(value, file, protocol=2)
        file.write(content)
        pickle.dump(keys, file, protocol=2)
        for array in arrays.values():
            file.write(array.size.to_bytes(8, "little") + np.ascontiguousarray(array).tobytes())


WRITERS = {
    "graph.pb": lambda path, arrays: path.write_bytes(graph_of(arrays)),
    "archive.tgz": _write_archive,
    "zip.pth": lambda path, arrays: write_zip(path, pickled(arrays), arrays),
    "stream.pth": lambda path, arrays: write_stream(path, pickled(arrays, None), arrays),
    "arrays.npz": lambda path, arrays: np.savez(path, **arrays),
    "arrays.safetensors": _write_safetensors,
}

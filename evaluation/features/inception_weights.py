"""Reads the weights of the 2015-12-05 Inception network from any of its files.

These are the original frozen graph, by itself or in its archive; the PyTorch port; and an .npz or
.safetensors file with the port's names. The file's content decides its type, not its name. The
arrays always have the port's names and layout: convolutions (out, in, height, width), fc.weight
(out, in).
"""

import dataclasses
import hashlib
import re
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from evaluation.errors import InputError
from evaluation.features.files import safetensors as safetensors_files
from evaluation.features.files import torch as torch_files
from evaluation.features.inception_layers import CONVOLUTIONS, shapes
from evaluation.runtime.tensorflow import import_tensorflow

# SHA-256 of the two published files of this one network, as several of their users have recorded
# it; the files themselves were not available when this was written
PUBLISHED = {
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2": "PyTorch port",
    "009d6814d1bc560d4e7b236e170e9b2d5ca6f4b57bd8037f6db05776204415c6": "original graph",
}
GRAPH_FILE = "classify_image_graph_def.pb"
GZIP, ZIP, PICKLE = b"\x1f\x8b", b"PK\x03\x04", b"\x80\x02"  # the first bytes of files
LARGEST = 1 << 29  # limit of unpacked bytes; the network's weights are 96 MB
SHOWN = 3  # names listed in an error

_PARTS = {  # a batch normalisation's names in the graph and in the port
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


@dataclasses.dataclass(frozen=True)
class Weights:
    """The network's weights.

    Attributes:
      arrays: the arrays of `inception_layers.shapes`, by name, float32 or float64.
      sha256: hash of the file; for an archive, hash of the graph in it.
    """

    arrays: Mapping[str, np.ndarray]
    sha256: str

    @property
    def origin(self) -> str:
        """Returns which published file has this hash; "other" if none."""
        return PUBLISHED.get(self.sha256, "other")


def read(path: Path) -> Weights:
    """Reads a file of weights.

    Raises:
      InputError: the file is missing, damaged or of another type, or does not hold this network's
        weights; the message lists missing, extra and wrongly shaped arrays.
    """
    if not path.is_file():
        raise InputError(
            f"weights={str(path)!r} is not a file; give the network's frozen graph (.pb or .tgz), "
            "its PyTorch port (.pth), or an .npz or .safetensors with the port's names."
        )
    try:
        start = _start(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); make it readable, or give another file."
        ) from None
    if start[:2] == GZIP:
        content = _graph_of_archive(path)
        return Weights(_from_graph(content, path), hashlib.sha256(content).hexdigest())
    sha256 = sha256_of(path)
    named = re.search(r"-([0-9a-f]{8})\.pth$", path.name)
    if named and not sha256.startswith(named[1]):
        raise InputError(
            f"{path} is truncated or another file: its SHA-256 begins with {sha256[:8]}, not with "
            f"{named[1]} as in its name; download it again."
        )
    if start[:4] == ZIP and _is_npz(path):
        arrays = _from_npz(path)
    elif start[:4] == ZIP or start[:2] == PICKLE or path.suffix == ".pth":
        arrays = torch_files.read(path)
    elif start[8:9] == b"{":
        arrays = safetensors_files.read(path)
    else:
        return Weights(_from_graph(path.read_bytes(), path), sha256)
    return Weights(_checked(arrays, path), sha256)


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file, or of the graph in an archive, as hexadecimal digits.

    Raises:
      InputError: the archive is damaged.
    """
    if _start(path)[:2] == GZIP:
        return hashlib.sha256(_graph_of_archive(path)).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _start(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(16)


def _checked(arrays: Mapping[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    """Checks the arrays; returns them in the network's order, without the port's batch counters."""
    arrays = {k: v for k, v in arrays.items() if not k.endswith(".bn.num_batches_tracked")}
    _check_shapes({name: array.shape for name, array in arrays.items()}, shapes(), path)
    for name in shapes():
        array = arrays[name]
        if array.dtype not in (np.float32, np.float64):
            raise InputError(f"{path}: {name} is {array.dtype}; give float32 or float64 weights.")
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name} holds values that are not finite; get it again.")
        if name.endswith("running_var") and array.min() < 0:
            raise InputError(f"{path}: {name} holds negative variances; get it again.")
    return {name: arrays[name] for name in shapes()}


def _check_shapes(
    actual: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]], path: Path
) -> None:
    """Raises InputError unless the names and shapes are the expected ones."""
    wrong = [
        f"{name} is {actual[name]}, not {expected[name]}"
        for name in expected
        if name in actual and tuple(actual[name]) != expected[name]
    ]
    lists = {
        "missing": [name for name in expected if name not in actual],
        "not the network's": [name for name in actual if name not in expected],
        "of another shape": wrong,
    }
    problems = [f"{problem}: {_few(names)}" for problem, names in lists.items() if names]
    if problems:
        raise InputError(
            f"{path} does not hold the 2015-12-05 Inception network ({'; '.join(problems)}); give "
            f"its frozen graph, its PyTorch port, or all {len(shapes())} arrays with the port's "
            "names."
        )


def _few(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(repr(name)[1:-1][:80] for name in names[:SHOWN]) + more


def _graph_of_archive(path: Path) -> bytes:
    """Reads the frozen graph in an archive, without unpacking the archive to disk."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if Path(member.name).name == GRAPH_FILE and member.isfile():
                    if member.size > LARGEST:
                        raise InputError(
                            f"{path}: {GRAPH_FILE} in it unpacks to {member.size} bytes; the "
                            "network's has 96 MB."
                        )
                    file = archive.extractfile(member)
                    assert file is not None
                    content = file.read()
                    if len(content) != member.size:
                        raise EOFError("it ends early")
                    return content
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} is truncated or damaged ({error}); get it again.") from None
    raise InputError(f"{path} holds no {GRAPH_FILE}; give inception-2015-12-05.tgz.")


def _graph_names() -> dict[str, tuple[str, tuple[int, ...]]]:
    """Maps each constant of the frozen graph to its name in the port and its order of axes."""
    names: dict[str, tuple[str, tuple[int, ...]]] = {}
    for c in CONVOLUTIONS:
        names[f"{c.graph}/conv2d_params"] = (f"{c.name}.conv.weight", (3, 2, 0, 1))
        for part, port in _PARTS.items():
            names[f"{c.graph}/batchnorm/{part}"] = (f"{c.name}.bn.{port}", (0,))
    names["softmax/weights"] = ("fc.weight", (1, 0))
    names["softmax/biases"] = ("fc.bias", (0,))
    return names


def _from_graph(content: bytes, path: Path) -> dict[str, np.ndarray]:
    """Reads a GraphDef: convolutions are (height, width, in, out), softmax/weights (in, out)."""
    tf = import_tensorflow()
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(content)
    except Exception as error:  # the type of the error depends on protobuf's build
        raise InputError(
            f"{path} is not a weights file, or damaged ({type(error).__name__}); give the frozen "
            "graph (.pb or .tgz), the PyTorch port (.pth), an .npz or a .safetensors."
        ) from None
    names = _graph_names()
    parameter = re.compile(r"(.*/)?(conv2d_params|batchnorm/\w+|softmax/(weights|biases))")
    tensors = {
        node.name: node.attr["value"].tensor
        for node in graph.node
        if node.op == "Const" and (node.name in names or parameter.fullmatch(node.name))
    }
    actual = {k: tuple(d.size for d in t.tensor_shape.dim) for k, t in tensors.items()}
    ports = shapes()
    expected = {}
    for name, (port, axes) in names.items():
        sides = dict(zip(axes, ports[port], strict=True))
        expected[name] = tuple(sides[axis] for axis in range(len(axes)))
    _check_shapes(actual, expected, path)
    arrays = {}
    for name, (port, axes) in names.items():
        try:
            arrays[port] = tf.make_ndarray(tensors[name]).transpose(axes)
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: {name} is damaged ({error}); get it again.") from None
    return _checked(arrays, path)


def _is_npz(path: Path) -> bool:
    """Returns whether a zip archive holds NumPy arrays; the suffix decides if it is truncated."""
    try:
        with zipfile.ZipFile(path) as archive:
            return all(name.endswith(".npy") for name in archive.namelist())
    except zipfile.BadZipFile:
        return path.suffix.lower() == ".npz"


def _from_npz(path: Path) -> dict[str, np.ndarray]:
    """Reads the arrays of an .npz file; never unpickles."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
        if size > LARGEST:
            raise InputError(f"{path} unpacks to {size} bytes; the network's weights have 96 MB.")
        with np.load(path, allow_pickle=False) as arrays:
            members = dict(arrays)
        if not all(isinstance(member, np.ndarray) for member in members.values()):
            raise ValueError("a member is not an array")
        return members
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is damaged ({error}); save it again with numpy.savez.") from None

"""Extracts features of very many images with an Apache Beam pipeline.

    import apache_beam
    with apache_beam.Pipeline(options=...) as pipeline:
        batches = pipeline | apache_beam.Create(range(0, n, 32)) | apache_beam.Map(read)
        beam.extract(batches, "inception", (299, 299, 3), "gs://bucket/run", 32)

Each worker opens the network once, computes the features of (first row, images) batches and adds
them to its own moments. The pipeline merges these moments into statistics
(`evaluation.read_statistics`) and writes each batch's features as a shard (`read_shards`). It
needs the package apache-beam, whose requirements conflict with the newest TensorFlow: install it
in a separate environment.
"""

import contextlib
import dataclasses
import functools
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.core import validation
from evaluation.distances.moments import Moments
from evaluation.errors import InputError
from evaluation.features import Features, check, open_extractor
from evaluation.features import stream as streams
from evaluation.features.extractor import Extractor
from evaluation.features.files.statistics import Statistics, save_statistics
from evaluation.features.options import FeatureOptions

Batch = tuple[int, np.ndarray]  # the index of its first image, and images uint8 (b, H, W, C)


@dataclasses.dataclass(frozen=True)
class Job:
    """The settings that every worker receives.

    Attributes:
      options: how images become features; every worker must be able to read the paths.
      shape: (H, W, C) of the images.
      batch_size: images per batch; the last batch may be smaller.
    """

    options: FeatureOptions
    shape: tuple[int, int, int]
    batch_size: int


def compute(job: Job, batch: Batch) -> tuple[int, np.ndarray, np.ndarray | None]:
    """Computes the features of one batch, exactly as `evaluation.extract` does.

    Returns:
      The index of the first image, features (b, d), logits (b, classes) or None.

    Raises:
      InputError: the batch does not have the job's image shape or batch size.
    """
    first, images = batch
    if images.dtype != np.uint8 or images.shape[1:] != job.shape:
        raise InputError(
            f"batch {first} is {images.dtype} of shape {images.shape}; the job takes uint8 images "
            f"of {job.shape}."
        )
    if not 1 <= len(images) <= job.batch_size:
        raise InputError(
            f"batch {first} has {len(images)} images; the job takes 1 to {job.batch_size}."
        )
    stream = streams.Stream(
        lambda size: iter([images]), len(images), job.shape, str(first), lambda: None
    )
    ((features, logits),) = streams.run(stream, _open(job), job.batch_size)
    return first, features, logits


@functools.lru_cache(maxsize=2)
def _open(job: Job) -> Extractor:
    """Opens the network, once per worker."""
    empty = streams.Stream(
        lambda size: iter(()), job.batch_size, job.shape, "batches", lambda: None
    )
    return open_extractor(empty, dataclasses.replace(job.options, batch_size=job.batch_size))[0]


def merged(parts: Iterable[Moments | None]) -> Moments | None:
    """Merges moments; returns None if all parts are None."""
    whole: Moments | None = None
    for part in parts:
        if part is not None:
            whole = part if whole is None else whole.merge(part)
    return whole


def extract(
    batches: Any,
    features: str | os.PathLike,
    shape: tuple[int, int, int],
    out: str | os.PathLike,
    batch_size: int,
    *,
    layer: str | None = None,
    weights: str | os.PathLike | None = None,
    resize: str | None = None,
    precision: str = "float32",
) -> tuple[Any, Any]:
    """Adds the extraction to a pipeline.

    Args:
      batches: a PCollection of (index of the first image, uint8 images (b, H, W, C)).
      features: as in `evaluation.extract`.
      shape: (H, W, C) of the images.
      out: a directory for shards/NUMBER.npz and statistics.npz, in any file system that Beam
        supports.
      batch_size: images per batch; the last batch may be smaller. `evaluation.extract` with the
        same batch size gives the same features.
      layer: the layer of the network to read.
      weights: path of a weights file that every worker can read.
      resize: how images are resized for the network.
      precision: "float32" or "bfloat16".

    Returns:
      A PCollection of the shards' paths, and a PCollection of the statistics' path.

    Raises:
      InputError: apache-beam is missing, or an option is wrong.
    """
    try:
        import apache_beam as beam
    except ImportError:
        raise InputError(
            "a pipeline needs the package apache-beam; install it with pip install 'gantf[beam]' "
            "in a separate environment."
        ) from None
    options = FeatureOptions(features, layer, weights, resize, precision)
    check(options)
    validation.check_whole("batch_size", batch_size, 1)
    place = os.fspath(out)
    height, width, channels = shape
    job = Job(options, (height, width, channels), batch_size)
    computed = batches | "compute features" >> beam.Map(functools.partial(compute, job))
    shards = computed | "write shards" >> beam.Map(functools.partial(_write_shard, place))
    statistics = (
        computed
        | "take features" >> beam.Map(lambda computed_batch: computed_batch[1])
        | "merge moments" >> beam.CombineGlobally(_combine(beam))
        | "write statistics" >> beam.Map(functools.partial(_write_statistics, job, place))
    )
    return shards, statistics


def _combine(beam: Any) -> Any:
    """Returns the Beam CombineFn that sums moments on each worker and merges the workers' sums."""

    class Combine(beam.CombineFn):
        def create_accumulator(self) -> Moments | None:
            return None

        def add_input(self, whole: Moments | None, rows: np.ndarray) -> Moments | None:
            return merged([whole, Moments.from_rows(rows)])

        def merge_accumulators(self, parts: Iterable[Moments | None]) -> Moments | None:
            return merged(parts)

        def extract_output(self, whole: Moments | None) -> Moments | None:
            return whole

    return Combine()


def _write_shard(out: str, computed: tuple[int, np.ndarray, np.ndarray | None]) -> str:
    first, features, logits = computed
    arrays = {"features": features} | ({} if logits is None else {"logits": logits})
    content = io.BytesIO()
    np.savez(content, first=np.int64(first), allow_pickle=False, **arrays)
    return _write(out, f"shards/{first:012d}.npz", content.getvalue())


def _write_statistics(job: Job, out: str, moments: Moments | None) -> str:
    if moments is None or moments.n < 2:
        raise InputError("the pipeline had fewer than 2 images; a covariance needs 2.")
    extractor = _open(job)
    description = {
        "name": extractor.name,
        "sha256": extractor.sha256,
        "settings": dict(extractor.settings),
    }
    statistics = Statistics.from_moments(moments, **description)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "statistics.npz")
        save_statistics(statistics, path)
        with open(path, "rb") as file:
            _write(out, "features.json", json.dumps(description).encode())
            return _write(out, "statistics.npz", file.read())


def _write(out: str, name: str, content: bytes) -> str:
    """Writes a file atomically, even if two workers write the same file."""
    from apache_beam.io.filesystems import FileSystems

    path = FileSystems.join(out, *name.split("/"))
    folder = FileSystems.split(path)[0]
    if not FileSystems.exists(folder):
        with contextlib.suppress(OSError):  # another worker has just made it
            FileSystems.mkdirs(folder)
    temporary = f"{path}.{os.getpid()}.part"
    with FileSystems.create(temporary) as file:
        file.write(content)
    if FileSystems.exists(path):
        FileSystems.delete([path])
    FileSystems.rename([temporary], [path])
    return path


def read_shards(out: str | os.PathLike) -> Features:
    """Reads the features that a pipeline wrote to a local directory, in the order of the images.

    Raises:
      InputError: there are no features, or a shard is missing or duplicated.
    """
    paths = sorted((Path(out) / "shards").glob("*.npz"))
    if not paths or not (Path(out) / "features.json").is_file():
        raise InputError(f"{os.fspath(out)} holds no finished run; let the pipeline finish.")
    parts = list(_read_parts(paths))
    description = json.loads((Path(out) / "features.json").read_text())
    logits = [logits for _, logits in parts if logits is not None]
    return Features(
        np.concatenate([features for features, _ in parts]),
        np.concatenate(logits) if logits else None,
        **description,
    )


def _read_parts(paths: list) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yields each shard's features and logits; checks that no shard is missing between them."""
    expected = 0
    for path in paths:
        with np.load(path, allow_pickle=False) as shard:
            first = int(shard["first"])
            if first != expected:
                raise InputError(
                    f"{path} begins with image {first}, not {expected}; run the pipeline again."
                )
            features = shard["features"]
            logits = shard["logits"] if "logits" in shard.files else None
        expected += len(features)
        yield features, logits

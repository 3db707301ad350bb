"""Computes features of images: `extract`. Each kind of features is one file, named like the kind.

"pixels" needs no network. Each NAME.keras in this folder, with its NAME.json, is a shipped
classifier for the data set NAME.
"""

import dataclasses
import functools
import hashlib
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.core import validation
from evaluation.errors import InputError
from evaluation.features import cache as feature_cache
from evaluation.features import devices, identity, kinds
from evaluation.features import stream as streams
from evaluation.features.extractor import Extractor, Request
from evaluation.features.options import FeatureOptions, bind
from evaluation.sources.images import Images
from evaluation.sources.on_demand import OnDemand
from evaluation.sources.sampler import Progress, Sampler

BATCH_IMAGES = 256
BATCH_BYTES = 32 << 20  # of the images in a pass, if that is more than one image
PRECISIONS = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class Features:
    """The features of a set of images, and the settings that they were computed with.

    Attributes:
      features: float32, shape (n, d).
      logits: float32, shape (n, classes), unbounded; None without a classifier.
      name: "pixels", "pixels-8x8" (for larger images), a shipped classifier's name, the path of
        a classifier, "inception:2048" ...
      sha256: hash of the network's weights, or of the definition; empty for a Python function.
      settings: all other settings that change the numbers (layer, resize, precision ...), as plain
        JSON types.
      classes: the class names, in the order of the logits; empty if unknown.
      images: hash of the images' bytes, or of a generator with its seed; None if there is neither.
      notes: remarks for the user, in sentences; for example that the cache could not be written.
    """

    features: np.ndarray
    logits: np.ndarray | None
    name: str
    sha256: str
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    classes: tuple[str, ...] = ()
    images: str | None = None
    notes: tuple[str, ...] = ()

    def rows(self, index: np.ndarray) -> "Features":
        """Returns the features of the images at `index`, whole numbers (m,)."""
        part = hashlib.sha256(np.asarray(index, np.int64).tobytes()).hexdigest()
        return dataclasses.replace(
            self,
            features=self.features[index],
            logits=None if self.logits is None else self.logits[index],
            images=None if self.images is None else f"{self.images} rows {part}",
        )


def names() -> list[str]:
    """Returns the features that need no download and no other package."""
    return ["pixels", *kinds.shipped()]


def extract(
    images: Images | np.ndarray | OnDemand | Sampler,
    features: str | os.PathLike | FeatureOptions = "pixels",
    *,
    progress: Progress | None = None,
    n: int | None = None,
    seed: int = 0,
    **keywords: Any,
) -> Features:
    """Computes the features of images.

    TensorFlow networks run on all replicas of the strategy (`evaluation/features/devices.py`).
    Neither the number of replicas nor `batch_size` changes a feature by more than 1e-5.

    Args:
      images: `Images`, a uint8 array (n, H, W[, C]) in 0..255, or a generator from
        `evaluation.open_source`.
      features: "pixels" (reduced to 8 x 8 if an image has more than 256 numbers), a shipped
        classifier's name ("digits"), "inception", "random-conv" or "random-conv:SEED",
        "classifier:PATH", "onnx:PATH", "keras:NAME", "MODULE:FUNCTION", or the path of a Keras
        classifier. The file of that name in evaluation/features/ describes each kind. Or
        `FeatureOptions`.
      progress: called with (stage, done, total).
      n: number of images to draw from a generator.
      seed: seed of a generator's latents.
      **keywords: the other fields of `FeatureOptions` (layer, weights, resize, precision,
        batch_size, cache), instead of the object.

    Raises:
      InputError: unknown or unreadable features, options that this kind does not have, or images
        of a shape that it does not take.
    """
    options = bind(features, keywords)
    folder = feature_cache.features_directory(options.cache)
    stream = streams.open_stream(images, n, seed)
    _fetch(options, progress)
    extractor, size = open_extractor(stream, options)
    compute = functools.partial(_compute, stream, extractor, size, progress)
    notes: tuple[str, ...] = ()
    if folder is None:
        arrays = compute()
    elif (facts := identity.facts(stream, extractor)) is None:
        arrays = compute()
        notes = (
            f"{extractor.name} of {stream.name}: not cached, since no hash identifies the content.",
        )
    else:
        arrays, notes = _cached(folder, facts, compute)
    return Features(
        arrays["features"],
        arrays.get("logits"),
        extractor.name,
        extractor.sha256,
        dict(extractor.settings),
        extractor.classes,
        streams.images_id(stream),
        notes,
    )


def open_extractor(stream: streams.Stream, options: FeatureOptions) -> tuple[Extractor, int]:
    """Opens the network for a stream of images.

    Args:
      stream: the images.
      options: how images become features; `cache` is not read.

    Returns:
      The extractor, and the number of images that it takes in one pass.

    Raises:
      InputError: see `extract`.
    """
    kind, argument = kinds.parse(options.features)
    check(options)
    most = options.batch_size
    if most is None:
        most = getattr(kinds.load(kind), "BATCH_IMAGES", BATCH_IMAGES)
    size = min(most, 1 << (stream.count - 1).bit_length())  # few images need no full batch
    size = min(size, max(BATCH_BYTES // math.prod(stream.shape), 1))
    path = None if options.weights is None else os.fspath(options.weights)
    request = Request(
        kind,
        argument,
        options.layer,
        path,
        options.resize,
        options.precision,  # type: ignore[arg-type]
        stream.shape,
        size,
    )
    file = argument if kind in kinds.PATH_KINDS else argument.rpartition(":")[0]
    state = (str(feature_cache.directory()), identity.state(file), identity.state(path))
    return _open(request, state, devices.in_use()), size


def check(options: FeatureOptions) -> None:
    """Checks the options that can be checked before any image is read.

    Raises:
      InputError: unknown features, or an option of the wrong type.
    """
    kinds.parse(options.features)
    validation.check_choice("precision", options.precision, PRECISIONS)
    for name, value in (("layer", options.layer), ("resize", options.resize)):
        if value is not None and (not isinstance(value, str) or not value):
            raise InputError(f"{name}={validation.shown(value)}; it must be a name.")
    if options.batch_size is not None:
        validation.check_whole("batch_size", options.batch_size, 1)
    weights = options.weights
    if weights is None:
        return
    if not isinstance(weights, str | os.PathLike):
        raise InputError(f"weights={validation.shown(weights)}; it must be the path of a file.")
    if not Path(weights).exists():
        raise InputError(f"weights={os.fspath(weights)!r} does not exist; give a file of weights.")


def has_logits(features: str | os.PathLike) -> bool | None:
    """Returns whether features have a classifier's logits; None if that depends on the network.

    Raises:
      InputError: unknown features.
    """
    return getattr(kinds.load(kinds.parse(features)[0]), "HAS_LOGITS", None)


def default_features(reference: str, shape: tuple[int, ...]) -> str:
    """Returns a data set's shipped classifier if it takes images of `shape`, otherwise "pixels".

    Args:
      reference: the data set's name, with or without configuration and split ("digits:train").
      shape: (H, W, C) of the images.
    """
    base = reference.split(":")[0].split("/")[0]
    if base in kinds.shipped():
        from evaluation.features import classifier

        if classifier.read_record(kinds.SHIPPED / f"{base}.keras").shape == tuple(shape):
            return base
    return "pixels"


def _fetch(options: FeatureOptions, progress: Progress | None) -> None:
    """Downloads the files that a kind's network needs, and reports the progress."""
    fetch = getattr(kinds.load(kinds.parse(options.features)[0]), "fetch", None)
    if fetch is not None:
        fetch(None if options.weights is None else os.fspath(options.weights), progress)


def _cached(
    folder: Path, facts: dict[str, Any], compute: Callable[[], dict[str, np.ndarray]]
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Returns the cached arrays for these facts, or computes and caches them; and notes."""
    key = feature_cache.key(facts)
    arrays = feature_cache.read(folder, key)
    if arrays is not None:
        return arrays, ()
    arrays = compute()
    try:
        feature_cache.write(folder, key, arrays, facts)
    except InputError as error:
        return arrays, (f"The features were not cached: {error}",)
    return arrays, ()


def _compute(
    stream: streams.Stream, extractor: Extractor, size: int, progress: Progress | None
) -> dict[str, np.ndarray]:
    """Returns all images' "features", and their "logits" if the network has any."""
    parts = list(streams.run(stream, extractor, size, progress))
    arrays = {"features": np.concatenate([features for features, _ in parts])}
    logits = [logits for _, logits in parts if logits is not None]
    if logits:
        arrays["logits"] = np.concatenate(logits)
    return arrays


@functools.lru_cache(maxsize=4)
def _open(request: Request, state: tuple, strategy: object) -> Extractor:
    """Opens a network once per evaluation; `state` differs if one of its files has changed."""
    return kinds.load(request.kind).open_extractor(request)

"""Images to feature arrays: `extract`. One file, one kind of features, found by its name.

"pixels" always works; each NAME.keras here, with its NAME.json, is a classifier for the data NAME.
"""

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.core import validation
from evaluation.errors import InputError
from evaluation.features import cache as kept
from evaluation.features import devices, identity, kinds
from evaluation.features import stream as streams
from evaluation.features.extractor import Extractor, Request
from evaluation.sources.images import Images
from evaluation.sources.sampler import Progress, Sampler

BATCH_IMAGES = 256
PRECISIONS = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class Features:
    """What a feature extractor makes of a set of images.

    Attributes:
      features: float32, shape (n, d).
      logits: float32, shape (n, classes), unbounded; None where there is no classifier.
      name: "pixels", "pixels-8x8" (of larger images), a shipped classifier's name, the path of
        a classifier, "inception:2048" ...
      sha256: hash of the network's weights, or of the definition; empty of a Python function.
      settings: all else that decides the numbers (layer, resize, precision ...), plain JSON types.
      classes: the names of the logits' classes, where they are known.
      images: hash of the images' bytes, or what a generator's images are known by; None where
        nothing does.
      notes: what else there is to say, in sentences: that the cache could not be written, say.
    """

    features: np.ndarray
    logits: np.ndarray | None
    name: str
    sha256: str
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    classes: tuple[str, ...] = ()
    images: str | None = None
    notes: tuple[str, ...] = ()


def names() -> list[str]:
    """The features that come with the package and suit any machine."""
    return ["pixels", *kinds.shipped()]


def extract(
    images: Images | np.ndarray | Sampler,
    features: str | os.PathLike = "pixels",
    *,
    layer: str | None = None,
    weights: str | os.PathLike | None = None,
    resize: str | None = None,
    precision: str = "float32",
    batch_size: int | None = None,
    cache: bool | str | os.PathLike | None = None,
    progress: Progress | None = None,
    n: int | None = None,
    seed: int = 0,
) -> Features:
    """Computes the features of images.

    On a strategy's replicas (see `evaluation/features/devices.py`) where TensorFlow computes them;
    neither their number nor `batch_size` changes a feature by more than 1e-5.

    Args:
      images: `Images`, a uint8 array (n, H, W[, C]) in 0..255, or a generator as
        `evaluation.open_source` gives it.
      features: "pixels" (of images of more than 256 numbers reduced to 8 x 8), a shipped
        classifier's name ("digits"), "inception", "random-conv" or "random-conv:SEED",
        "classifier:PATH", "onnx:PATH", "keras:NAME", "MODULE:FUNCTION", or the path of a Keras
        classifier. The file of that name in evaluation/features/ says more of each.
      layer: which of the network's layers; None for its usual one.
      weights: a file of weights; None for the network's own.
      resize: how images become the network's size; None for its usual way.
      precision: "float32", or "bfloat16" of the networks that TensorFlow computes.
      batch_size: images per pass, all replicas together; None for the kind's usual number.
      cache: True keeps the features on disk and finds them again, in the usual place; a path does
        so there.
      progress: called with (stage, done, total).
      n: of a generator, how many images.
      seed: of a generator's latents.

    Raises:
      InputError: unknown or unreadable features, options that they do not have, or images of a
        form that they do not take.
    """
    folder = kept.features_directory(cache)
    stream = streams.of(images, n, seed)
    _fetch(features, weights, progress)
    extractor, size = open_extractor(
        features, stream, layer, weights, resize, precision, batch_size
    )
    found = functools.partial(_computed, stream, extractor, size, progress)
    facts = identity.facts(stream, extractor)
    notes: tuple[str, ...] = ()
    if folder is None:
        arrays = found()
    elif facts is None:
        arrays = found()
        notes = (f"{extractor.name} of {stream.name} was not kept: nothing tells its content.",)
    else:
        arrays, notes = _kept(folder, facts, found)
    return Features(
        arrays["features"],
        arrays.get("logits"),
        extractor.name,
        extractor.sha256,
        dict(extractor.settings),
        extractor.classes,
        streams.known_as(stream),
        notes,
    )


def open_extractor(
    features: str | os.PathLike,
    stream: streams.Stream,
    layer: str | None = None,
    weights: str | os.PathLike | None = None,
    resize: str | None = None,
    precision: str = "float32",
    batch_size: int | None = None,
) -> tuple[Extractor, int]:
    """The network for a stream's images, and how many of them it takes in one pass.

    Args:
      features: as for `extract`.
      stream: the images.
      layer: as for `extract`, and all that follow.
      weights: likewise.
      resize: likewise.
      precision: likewise.
      batch_size: likewise.

    Raises:
      InputError: as `extract`.
    """
    kind, argument = kinds.parse(features)
    check(features, layer, weights, resize, precision)
    if batch_size is None:
        batch_size = getattr(kinds.load(kind), "BATCH_IMAGES", BATCH_IMAGES)
    validation.check_whole("batch_size", batch_size, 1)
    size = min(batch_size, 1 << (stream.count - 1).bit_length())  # few images need no full batch
    path = None if weights is None else os.fspath(weights)
    request = Request(kind, argument, layer, path, resize, precision, stream.shape, size)  # type: ignore[arg-type]
    files = [argument] if kind in kinds.OF_PATHS else [argument.rpartition(":")[0]]
    state = (str(kept.directory()), *(identity.state(of) for of in [*files, path]))
    return _opened(request, state, devices.in_use()), size


def check(features, layer=None, weights=None, resize=None, precision="float32") -> None:
    """Refuses what can be refused before any image is read.

    Args:
      features: as for `extract`.
      layer: as for `extract`, and all that follow.
      weights: likewise.
      resize: likewise.
      precision: likewise.

    Raises:
      InputError: unknown features, or an option that is not of the right type.
    """
    kinds.parse(features)
    validation.check_choice("precision", precision, PRECISIONS)
    for name, value in (("layer", layer), ("resize", resize)):
        if value is not None and (not isinstance(value, str) or not value):
            raise InputError(f"{name}={validation.shown(value)}; it must be a name.")
    if weights is None:
        return
    if not isinstance(weights, str | os.PathLike):
        raise InputError(f"weights={validation.shown(weights)}; it must be the path of a file.")
    if not Path(weights).exists():
        raise InputError(f"weights={os.fspath(weights)!r} does not exist; give a file of weights.")


def has_logits(features: str | os.PathLike) -> bool | None:
    """Whether features come with a classifier's logits; None where only its network tells.

    Raises:
      InputError: there are no such features.
    """
    return getattr(kinds.load(kinds.parse(features)[0]), "HAS_LOGITS", None)


def default_features(reference: str, shape: tuple[int, ...]) -> str:
    """The features for a data set: its shipped classifier if that takes `shape`, or else pixels.

    Args:
      reference: the data's name, with or without configuration and split ("digits:train").
      shape: (H, W, C) of the images.
    """
    base = reference.split(":")[0].split("/")[0]
    if base in kinds.shipped():
        from evaluation.features import classifier

        if classifier.read_record(kinds.SHIPPED / f"{base}.keras").shape == tuple(shape):
            return base
    return "pixels"


def _fetch(features: Any, weights: str | os.PathLike | None, progress: Progress | None) -> None:
    """Downloads what a kind's network needs, while `progress` is at hand to tell of it."""
    fetch = getattr(kinds.load(kinds.parse(features)[0]), "fetch", None)
    if fetch is not None:
        fetch(None if weights is None else os.fspath(weights), progress)


def _kept(
    folder: Path, facts: dict[str, Any], compute: Callable[[], dict[str, np.ndarray]]
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """What the cache has of these facts, or else what is computed and kept there; notes."""
    key = kept.key(facts)
    arrays = kept.read(folder, key)
    if arrays is not None:
        return arrays, ()
    arrays = compute()
    try:
        kept.write(folder, key, arrays, facts)
    except InputError as error:
        return arrays, (f"The features were not kept: {error}",)
    return arrays, ()


def _computed(
    stream: streams.Stream, extractor: Extractor, size: int, progress: Progress | None
) -> dict[str, np.ndarray]:
    """Every image's features, and logits where there are any."""
    parts = list(streams.run(stream, extractor, size, progress))
    arrays = {"features": np.concatenate([features for features, _ in parts])}
    logits = [of for _, of in parts if of is not None]
    if logits:
        arrays["logits"] = np.concatenate(logits)
    return arrays


@functools.lru_cache(maxsize=4)
def _opened(request: Request, state: tuple, strategy: object) -> Extractor:
    """One network for all sets of images of an evaluation; the state tells a changed file."""
    return kinds.load(request.kind).open_extractor(request)

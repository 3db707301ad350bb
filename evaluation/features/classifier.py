"""The penultimate layer and the logits of a Keras classifier."""

import dataclasses
import functools
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.errors import InputError
from evaluation.features import Features
from evaluation.quiet import import_tensorflow
from evaluation.sources.images import Images
from evaluation.sources.sampler import Progress


@dataclasses.dataclass(frozen=True)
class Record:
    """What NAME.json says of NAME.keras.

    Attributes:
      shape: (H, W, C) of the images that it takes.
      value_range: (low, high) that 0 and 255 become.
      classes: the classes' names, in the order of the logits.
      content: the whole file.
    """

    shape: tuple[int, int, int]
    value_range: tuple[float, float]
    classes: tuple[str, ...]
    content: dict[str, Any]


def read_record(path: Path) -> Record:
    """Reads the JSON file beside a classifier.

    Raises:
      InputError: missing, damaged or incomplete.
    """
    beside = path.with_suffix(".json")
    try:
        content = json.loads(beside.read_text(encoding="utf-8"))
        form = content["images"]
        shape = (int(form["height"]), int(form["width"]), int(form["channels"]))
        low, high = map(float, form["range"])
        return Record(shape, (low, high), tuple(content.get("classes", ())), content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{beside} is missing or damaged ({type(error).__name__}: {error}); it must say "
            '{"images": {"height": H, "width": W, "channels": C, "range": [low, high]}}.'
        ) from None


def extract(
    images: Images, path: Path, name: str, batch_size: int, progress: Progress | None = None
) -> Features:
    """Runs the classifier over the images.

    Args:
      images: of the shape that the classifier's record names.
      path: the .keras file, its .json beside it; loaded in safe mode.
      name: recorded in the result.
      batch_size: images per pass.
      progress: called with (stage, done, total).

    Returns:
      features (n, d) of the layer "features", logits (n, classes) of the output.

    Raises:
      InputError: images of another shape; a file that is damaged or of another form.
    """
    record = read_record(path)
    if images.images.shape[1:] != record.shape:
        side = record.shape[0]
        square = record.shape[1] == side and images.images.shape[3] == record.shape[2]
        hint = f", or --size {side}" if square else ""
        given, taken = (" x ".join(map(str, s)) for s in (images.images.shape[1:], record.shape))
        raise InputError(
            f"{images.name} has images of {given}, features {name!r} take {taken}; use other "
            f"features (pixels take any){hint}."
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    model = _load(path, digest)
    low, high = record.value_range
    features, logits = [], []
    for start in range(0, len(images), batch_size):
        batch = images.images[start : start + batch_size].astype(np.float32)
        batch = batch * np.float32((high - low) / 255) + np.float32(low)
        missing = batch_size - len(batch)  # one shape for all batches: compiled once
        outputs = model(np.pad(batch, ((0, missing), (0, 0), (0, 0), (0, 0))))
        kept = len(batch)
        features.append(np.asarray(outputs[0], np.float32)[:kept])
        logits.append(np.asarray(outputs[1], np.float32)[:kept])
        if progress:
            progress("computing features", start + kept, len(images))
    return Features(np.concatenate(features), np.concatenate(logits), name, digest)


@functools.lru_cache(maxsize=2)
def _load(path: Path, digest: str):
    """A compiled function from images to (features, logits); the digest tells an old file by it."""
    tf = import_tensorflow()
    import keras

    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
        layer = model.get_layer("features").output
        both = keras.Model(model.inputs, [layer, model.outputs[0]])
    except Exception as error:  # Keras raises many kinds for damaged and unsafe files
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise InputError(
            f"{path} cannot be used for features ({reason[:200]}); give a Keras classifier with a "
            'layer named "features" and logits as its output.'
        ) from None
    if len(layer.shape) != 2 or len(model.outputs[0].shape) != 2:
        raise InputError(
            f'{path}: layer "features" has shape {layer.shape}, the output '
            f"{model.outputs[0].shape}; both must be (n, d)."
        )
    return tf.function(lambda batch: both(batch, training=False))

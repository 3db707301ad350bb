"""TFRecord files of `tf.train.Example`s that each hold one image."""

import functools
import glob
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from evaluation.errors import InputError
from evaluation.runtime.tensorflow import import_tensorflow
from evaluation.sources import pictures
from evaluation.sources.images import Images, check_not_empty
from evaluation.sources.pictures import Picture
from evaluation.sources.retries import RetryPolicy, reason

MARK = ".tfrecord"
ENCODED = ("image/encoded", "image", "image_raw", "encoded", "jpg", "png")
RAW = "data"  # beside "shape": uint8 in the order (C, H, W), or (H, W, C)
LABELS = ("image/class/label", "label", "labels", "class")


def find(name: str) -> list[Path]:
    """The files of a name: a file, a pattern, or a directory that holds some; natural order."""
    path = Path(name)
    if path.is_dir():
        found = [file for file in path.iterdir() if MARK in file.name and file.is_file()]
    elif path.is_file():
        found = [path] if MARK in path.name else []
    else:
        found = [Path(file) for file in glob.glob(name)] if MARK in name else []
    return sorted(found, key=lambda file: pictures.natural(str(file)))


def read(
    name: str,
    files: list[Path],
    size_px: int | None,
    skip_corrupt: bool,
    patience: RetryPolicy | None = None,
) -> Images:
    """Reads every image; labels where each example has one.

    An example holds an encoded image (PNG, JPEG ...) as one of `ENCODED`, or bytes as "data" with
    its "shape", channels first or last; and a label as one of `LABELS`.

    Args:
      name: what the user called it.
      files: as `find` gives them.
      size_px: side of the square that each image is cropped and resized to; None keeps the size.
      skip_corrupt: leave out examples whose image cannot be decoded, and the rest of a file that
        cannot be read.
      patience: with storage that stalls.

    Raises:
      InputError: damaged files, examples without an image, and what a folder is refused for.
    """
    check_not_empty(len(files), name, "give TFRecord files")
    patience = patience or RetryPolicy()
    torn: list[str] | None = [] if skip_corrupt else None
    found = pictures.read(
        lambda: _pictures(files, patience, torn), name, size_px, skip_corrupt, patience
    )
    labels: np.ndarray | None = None
    names: tuple[str, ...] = ()
    if all(label is not None for label in found.labels):
        labels = np.array(found.labels, np.int64)
        if labels.min() < 0:
            raise InputError(f"{name} has the label {labels.min()}; labels are 0 or more.")
        names = tuple(str(number) for number in range(int(labels.max()) + 1))
    skipped = (*found.skipped, *dict.fromkeys(torn or ()))
    return Images(found.images, labels, names, name, skipped)


def _pictures(
    files: list[Path], patience: RetryPolicy, torn: list[str] | None
) -> Iterator[Picture]:
    """The files' images; one that cannot be read any further goes to `torn`, if that is asked."""
    tf = import_tensorflow()
    for file in files:
        number = 0
        source = functools.partial(tf.data.TFRecordDataset, str(file))
        try:
            for record in patience.each(source, str(file)):
                yield _picture(record.numpy(), f"{file}#{number}")
                number += 1
        except (tf.errors.OpError, OSError) as error:
            if torn is None:
                raise InputError(
                    f"{file} is damaged ({reason(error)}); write it anew, or leave out what is "
                    "behind the damage with --skip-corrupt."
                ) from None
            torn.append(f"{file} from its image {number} on")


def _picture(record: bytes, name: str) -> Picture:
    tf = import_tensorflow()
    from google.protobuf.message import DecodeError

    try:
        features = tf.train.Example.FromString(record).features.feature
    except DecodeError:
        raise InputError(f"{name} is no tf.train.Example; write such with tf.io.") from None
    label = next((_whole(features[key]) for key in LABELS if key in features), None)
    if RAW in features and "shape" in features:
        raw, shape = features[RAW].bytes_list.value[0], list(features["shape"].int64_list.value)
        return Picture(name, name, lambda: _of_bytes(raw, shape, name), label)
    contents = [features[key].bytes_list.value for key in ENCODED if key in features]
    content = next((bytes(values[0]) for values in contents if values), None)
    if content is not None:
        return Picture(name, name, lambda: pictures.decode(io.BytesIO(content), name), label)
    raise InputError(
        f"{name} holds no image: it has {', '.join(sorted(features)) or 'nothing'}, and one of "
        f"{', '.join(ENCODED)}, or {RAW} with its shape, is read."
    )


def _whole(feature: Any) -> int | None:
    values = feature.int64_list.value
    return int(values[0]) if len(values) == 1 else None


def _of_bytes(raw: bytes, shape: list[int], name: str) -> Image.Image:
    if len(shape) != 3 or np.prod(shape) != len(raw):
        raise ValueError(f"{len(raw)} bytes are no uint8 image of shape {shape}")
    pixels = np.frombuffer(raw, np.uint8).reshape(shape)
    if shape[2] not in (1, 3) and shape[0] in (1, 3):
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.shape[2] not in (1, 3):
        raise InputError(f"{name} has shape {shape}; images have 1 or 3 channels.")
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)

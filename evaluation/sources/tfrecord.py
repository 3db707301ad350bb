"""Reads TFRecord files of `tf.train.Example`s with one image each."""

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
from evaluation.sources.headers import Header
from evaluation.sources.images import Images, check_not_empty
from evaluation.sources.pictures import Picture
from evaluation.sources.retries import RetryPolicy, reason

MARK = ".tfrecord"
ENCODED = ("image/encoded", "image", "image_raw", "encoded", "jpg", "png")
RAW = "data"  # beside "shape": uint8 in the order (C, H, W), or (H, W, C)
LABELS = ("image/class/label", "label", "labels", "class")


def find(name: str) -> list[Path]:
    """Returns the TFRecord files of a file's name, a pattern or a directory, in natural order."""
    path = Path(name)
    if path.is_dir():
        files = [file for file in path.iterdir() if MARK in file.name and file.is_file()]
    elif path.is_file():
        files = [path] if MARK in path.name else []
    else:
        files = [Path(file) for file in glob.glob(name)] if MARK in name else []
    return sorted(files, key=lambda file: pictures.natural(str(file)))


def read(
    name: str,
    files: list[Path],
    size_px: int | None,
    skip_corrupt: bool,
    retry: RetryPolicy | None = None,
) -> Images:
    """Reads every image, and the labels if every example has one.

    An example holds an encoded image (PNG, JPEG ...) as one of `ENCODED`, or bytes as "data" with
    their "shape", channels first or last; and a label as one of `LABELS`.

    Args:
      name: the user's name for the files.
      files: the files, from `find`.
      size_px: side of the square that each image is cropped and resized to; None keeps the size.
      skip_corrupt: leave out examples whose image cannot be decoded, and the rest of a file that
        cannot be read.
      retry: how often a read is tried, and for how long.

    Raises:
      InputError: files are damaged, or examples have no image; and the errors of `pictures.read`.
    """
    check_not_empty(len(files), name, "give TFRecord files")
    retry = retry or RetryPolicy()
    cut_off: list[str] | None = [] if skip_corrupt else None
    decoded = pictures.read(
        lambda: _pictures(files, retry, cut_off), name, size_px, skip_corrupt, retry
    )
    labels: np.ndarray | None = None
    names: tuple[str, ...] = ()
    if all(label is not None for label in decoded.labels):
        labels = np.array(decoded.labels, np.int64)
        if labels.min() < 0:
            raise InputError(f"{name} has the label {labels.min()}; labels are 0 or more.")
        names = tuple(str(number) for number in range(int(labels.max()) + 1))
    skipped = (*decoded.skipped, *dict.fromkeys(cut_off or ()))
    return Images(decoded.images, labels, names, name, skipped)


def _pictures(
    files: list[Path], retry: RetryPolicy, cut_off: list[str] | None
) -> Iterator[Picture]:
    """Yields the images; adds a file with an unreadable rest to `cut_off`, or raises if None."""
    tf = import_tensorflow()
    for file in files:
        number = 0
        source = functools.partial(tf.data.TFRecordDataset, str(file))
        try:
            for record in retry.each(source, str(file)):
                yield _picture(record.numpy(), f"{file}#{number}")
                number += 1
        except (tf.errors.OpError, OSError) as error:
            if cut_off is None:
                raise InputError(
                    f"{file} is damaged ({reason(error)}); write it again, or leave out the "
                    "rest of the file with --skip-corrupt."
                ) from None
            cut_off.append(f"{file} from its image {number} on")


def _picture(record: bytes, name: str) -> Picture:
    tf = import_tensorflow()
    from google.protobuf.message import DecodeError

    try:
        features = tf.train.Example.FromString(record).features.feature
    except DecodeError:
        raise InputError(f"{name} is no tf.train.Example; write Examples with tf.io.") from None
    label = next((_whole(features[key]) for key in LABELS if key in features), None)
    if RAW in features and "shape" in features:
        raw, shape = features[RAW].bytes_list.value[0], list(features["shape"].int64_list.value)

        def decode() -> Image.Image:
            return _image_from_bytes(raw, shape, name)

        def header() -> Header:
            image = decode()
            return Header(image.size, image.mode == "L")

        return Picture(name, name, header, decode, label)
    contents = [features[key].bytes_list.value for key in ENCODED if key in features]
    content = next((bytes(values[0]) for values in contents if values), None)
    if content is not None:
        return pictures.from_file(lambda: io.BytesIO(content), name, name, label)
    raise InputError(
        f"{name} holds no image: it has {', '.join(sorted(features)) or 'nothing'}; write the "
        f"image as one of {', '.join(ENCODED)}, or as {RAW} with its shape."
    )


def _whole(feature: Any) -> int | None:
    values = feature.int64_list.value
    return int(values[0]) if len(values) == 1 else None


def _image_from_bytes(raw: bytes, shape: list[int], name: str) -> Image.Image:
    if len(shape) != 3 or np.prod(shape) != len(raw):
        raise ValueError(f"{len(raw)} bytes are no uint8 image of shape {shape}")
    pixels = np.frombuffer(raw, np.uint8).reshape(shape)
    if shape[2] not in (1, 3) and shape[0] in (1, 3):
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.shape[2] not in (1, 3):
        raise InputError(f"{name} has shape {shape}; images have 1 or 3 channels.")
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)

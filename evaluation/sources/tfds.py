"""Reads data sets of TensorFlow Datasets (TFDS) by name, the built-in ones included."""

import contextlib
import difflib
import functools
import importlib
import io
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from evaluation import datasets
from evaluation.errors import InputError, NoSplitError
from evaluation.runtime.progress import on_terminal
from evaluation.runtime.tensorflow import import_tensorflow
from evaluation.sources import pictures
from evaluation.sources.images import Images, allocate, as_array, check_not_empty, resize
from evaluation.sources.on_demand import in_threads
from evaluation.sources.retries import RetryPolicy, reason

AHEAD = 64  # images that wait for their turn
SIMILARITY = 0.8  # least difflib ratio of a suggested TFDS name


def read(
    name: str,
    split: str = "train",
    size_px: int | None = None,
    skip_corrupt: bool = False,
    retry: RetryPolicy | None = None,
) -> Images:
    """Reads one split of a TFDS data set into an array; downloads and prepares it if necessary.

    Files are read one after the other, so that errors name the missing, damaged or stalled file.

    Args:
      name: "digits", "photo_patches/64", "mnist", "celeb_a" ...; it must have an "image" feature.
      split: a TFDS split ("train", "test", "train[:1000]").
      size_px: side of the square that each image is cropped and resized to; None keeps the size,
        which must then be fixed.
      skip_corrupt: leave out missing files, and the rest of a file after the first damage.
      retry: how often a read is tried, and for how long.

    Raises:
      InputError: the name or split is unknown; the download failed; a file cannot be read; there
        are no images; or the sizes differ and size_px is None.
    """
    builder = prepare(name)
    count = _count(builder, name, split)
    features = builder.info.features
    if features is None or "image" not in features:
        raise InputError(f"{name} has no feature named 'image'; choose a data set of images.")
    check_not_empty(count, f"{name}:{split}", "choose another split")
    height, width, channels = features["image"].shape
    if size_px is None and (height is None or width is None):
        raise InputError(f"{name} has images of differing sizes; give --size to resize them.")
    shape = (size_px, size_px) if size_px else (height, width)
    rooms = {"image": allocate((count, *shape, 1 if channels == 1 else 3))}
    label = dict(features).get("label")
    labels = np.empty(count, np.int64) if hasattr(label, "num_classes") else None
    inputs = _room_for_inputs(dict(features).get("input"), count, shape)
    if inputs is not None:
        rooms["input"] = inputs
    skipped: list[str] = []

    def decoded(named: tuple[str, dict]) -> dict[str, Any] | pictures.DamagedImage:
        place, example = named
        values = {"label": example["label"].numpy() if labels is not None else None}
        try:
            for key, room in rooms.items():
                values[key] = _pixels(example[key].numpy(), size_px, room.shape[-1], place)
        except pictures.DamagedImage as error:
            return error
        return values

    row = 0
    examples = _examples(builder, split, retry or RetryPolicy(), skip_corrupt, skipped)
    for values in in_threads(decoded, examples, AHEAD):
        if isinstance(values, pictures.DamagedImage):
            if not skip_corrupt:
                raise values
            skipped.append(values.name)
            continue
        for key, room in rooms.items():
            room[row] = values[key]
        if labels is not None:
            labels[row] = values["label"]
        row += 1
    check_not_empty(row, f"{name}:{split}", "none of its files can be read")
    names = tuple(label.names) if label is not None and labels is not None else ()
    return Images(
        rooms["image"][:row],
        labels if labels is None else labels[:row],
        names,
        f"{name}:{split}",
        tuple(skipped),
        inputs=inputs if inputs is None else inputs[:row],
    )


def _examples(
    builder, split: str, retry: RetryPolicy, skip_corrupt: bool, skipped: list[str]
) -> Iterator[tuple[str, dict]]:
    """Yields the place and the example of all rows, file by file; adds files to `skipped`.

    Images of 8 bits are not decoded: TFDS decodes JPEGs by a fast transform, which changes pixels.
    """
    import tensorflow as tf

    decoders = _encoded(builder.info.features)
    for file, part, count in _files(builder, split):
        done = 0
        try:
            source = functools.partial(
                builder.as_dataset, split=part, shuffle_files=False, decoders=decoders
            )
            for example in retry.each(source, file):
                yield f"{file}#{done}", example
                done += 1
        except (tf.errors.OpError, OSError) as error:
            if not skip_corrupt:
                raise InputError(
                    f"{file} cannot be read after {done} of {count} images ({reason(error)}); "
                    "restore it, prepare the data set again, or leave out the rest of such files "
                    "with --skip-corrupt."
                ) from None
            skipped.append(f"{file} ({count - done} of {count} images)")


def _files(builder, split: str) -> Iterator[tuple[str, Any, int]]:
    """Yields the files of a split in order: path, the part of the split in it, its examples."""
    import tensorflow_datasets as tfds

    splits = builder.info.splits
    for wanted in tfds.core.ReadInstruction.from_spec(split).to_absolute(splits):
        whole = splits[wanted.splitname]
        first = wanted.from_ or 0
        last = whole.num_examples if wanted.to is None else wanted.to
        start = 0
        for file, length in zip(whole.filepaths, whole.shard_lengths, strict=True):
            low, high = max(first, start), min(last, start + length)
            start += length
            if low < high:
                part = tfds.core.ReadInstruction(wanted.splitname, from_=low, to=high, unit="abs")
                yield str(file), part, high - low


def _room_for_inputs(feature, count: int, shape: tuple[int, int]) -> np.ndarray | None:
    """Returns an array for the "input" images of a data set of pairs; None for other data sets."""
    if feature is None or len(feature.shape or ()) != 3 or feature.shape[2] is None:
        return None
    return allocate((count, *shape, 1 if feature.shape[2] == 1 else 3))


def _encoded(features) -> dict[str, Any]:
    """Returns TFDS decoders that leave images of 8 bits encoded."""
    import tensorflow_datasets as tfds

    return {
        key: tfds.decode.SkipDecoding()
        for key in ("image", "input")
        if isinstance(dict(features).get(key), tfds.features.Image)
        and features[key].np_dtype == np.uint8
    }


def _pixels(content: bytes | np.ndarray, size_px: int | None, channels: int, name: str):
    """Returns an image as uint8 (H, W, channels), cropped and resized unless size_px is None.

    Args:
      content: an encoded image, or its pixels (H, W, C).
      size_px: side of the result.
      channels: 1 or 3.
      name: the image's name in errors.

    Raises:
      DamagedImage: it cannot be decoded.
    """
    if isinstance(content, bytes):
        image = pictures.decode_or_name(lambda: pictures.decode(io.BytesIO(content), name), name)
    else:
        image = Image.fromarray(content[..., 0] if content.shape[2] == 1 else content[..., :3])
    image = image.convert("L" if channels == 1 else "RGB")
    return as_array(resize(image, size_px) if size_px else image)


def _count(builder, name: str, split: str) -> int:
    """Returns the number of images in a split, or in a part of a split."""
    try:
        return builder.info.splits[split].num_examples
    except Exception as error:  # TFDS has its own types for unknown and malformed splits
        raise NoSplitError(
            f"{name} has no split {split!r}; it has {', '.join(sorted(builder.info.splits))}, or a "
            "part of one, such as train[:100]."
        ) from error


def splits(name: str) -> list[str]:
    """Returns the names of a data set's splits; prepares the data set if necessary."""
    return sorted(prepare(name).info.splits)


def is_name(base: str) -> bool:
    """Returns whether a data set is built in, or has a builder in TFDS.

    Args:
      base: a data set's name without "/config" and ":split".
    """
    return base in datasets.names() or base in _tfds_names()


def similar_name(base: str) -> str | None:
    """Returns the built-in or TFDS data set with the most similar name, or None.

    Args:
      base: a data set's name without "/config" and ":split".
    """
    matches = difflib.get_close_matches(base, datasets.names(), n=1)
    matches = matches or difflib.get_close_matches(base, _tfds_names(), n=1, cutoff=SIMILARITY)
    return matches[0] if matches else None


def _tfds_names() -> list[str]:
    import_tensorflow()
    import tensorflow_datasets as tfds

    return tfds.list_builders(with_community_datasets=False)


def prepare(name: str):
    """Returns the TFDS builder of a data set; downloads and prepares its data if necessary."""
    import tensorflow_datasets as tfds

    base, _, config = name.split(":")[0].partition("/")
    if base in datasets.names():
        importlib.import_module(f"evaluation.datasets.{base}")
    elif not is_name(base):
        similar = f"folder:{name}" if Path(name).is_dir() else similar_name(base)
        hint = f" (did you mean {similar!r}?)" if similar else ""
        raise InputError(
            f"unknown data {name!r}{hint}; give built-in data ({', '.join(datasets.names())}), "
            "another TFDS name, or folder:PATH."
        )
    if base in datasets.names() and config:
        configs = [each.name for each in tfds.builder_cls(base).BUILDER_CONFIGS]
        if config not in configs:
            remedy = f"give {base}/{f', {base}/'.join(configs)}" if configs else f"give {base}"
            raise InputError(f"{base} has no configuration {config!r}; {remedy}.")
    for logger in ("absl", "urllib3"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    built_in = base in datasets.names()
    if built_in or not on_terminal():
        tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO() if built_in else sys.stderr), _few_retries():
            return _prepared_builder(name)
    except Exception as error:  # TFDS raises many types: network, disk, manual download, config
        message = str(error).strip().splitlines()[0] if str(error).strip() else "no message"
        raise InputError(
            f"{name} could not be prepared ({type(error).__name__}: {message[:200]}); copy the "
            "prepared data to TFDS_DATA_DIR, or use built-in data "
            f"({', '.join(datasets.names())}) or folder:PATH."
        ) from error


def _prepared_builder(name: str):
    """Returns a builder whose data are prepared, by this process or by another at the same time.

    If another process ends first, the files of TFDS 4.9 are complete, but it raises an OSError.
    """
    import tensorflow_datasets as tfds

    builder = tfds.builder(name, try_gcs=False)
    try:
        builder.download_and_prepare()
    except OSError:
        if not builder.data_path.exists():
            raise
        builder = tfds.builder(name, try_gcs=False)
    return builder


@contextlib.contextmanager
def _few_retries():
    """Limits TFDS to two download retries: by default it tries a silent host for three minutes."""
    from tensorflow_datasets.core.download import downloader

    usual, downloader.MAX_RETRIES = downloader.MAX_RETRIES, 2
    try:
        yield
    finally:
        downloader.MAX_RETRIES = usual

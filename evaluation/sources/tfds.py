"""A TensorFlow Datasets data set by name: a built-in one, or any other that TFDS knows."""

import contextlib
import difflib
import functools
import importlib
import io
import logging
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from evaluation import datasets
from evaluation.errors import InputError, NoSplitError
from evaluation.runtime.progress import on_terminal
from evaluation.sources.images import Images, allocate, as_array, check_not_empty, resize
from evaluation.sources.retries import RetryPolicy, reason

CLOSE = 0.8  # how like a TFDS name must be to be suggested, of 1


def read(
    name: str,
    split: str = "train",
    size_px: int | None = None,
    skip_corrupt: bool = False,
    patience: RetryPolicy | None = None,
) -> Images:
    """Reads one split of a TFDS data set into an array, downloading and preparing it if need be.

    Its files are read one after the other, so that one that is missing, damaged or stalls is named.

    Args:
      name: "digits", "photo_patches/64", "mnist", "celeb_a" ...; it must have an "image" feature.
      split: a TFDS split ("train", "test", "train[:1000]").
      size_px: side of the square that each image is cropped and resized to; None keeps the size,
        which must then be fixed.
      skip_corrupt: leave out what is behind the damage in a file, or all of one that is missing.
      patience: with storage that stalls.

    Raises:
      InputError: unknown name or split, no images, a failed download, differing sizes; a file that
        cannot be read.
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
    images = allocate((count, *shape, 1 if channels == 1 else 3))
    label = dict(features).get("label")
    labels = np.empty(count, np.int64) if hasattr(label, "num_classes") else None
    inputs = _room_for_inputs(dict(features).get("input"), count, shape)
    skipped: list[str] = []
    row = 0
    for example in _examples(builder, split, patience or RetryPolicy(), skip_corrupt, skipped):
        images[row] = _fitted(example["image"].numpy(), size_px)[..., : images.shape[-1]]
        if inputs is not None:
            inputs[row] = _fitted(example["input"].numpy(), size_px)[..., : inputs.shape[-1]]
        if labels is not None:
            labels[row] = example["label"].numpy()
        row += 1
    check_not_empty(row, f"{name}:{split}", "none of its files can be read")
    names = tuple(label.names) if label is not None and labels is not None else ()
    return Images(
        images[:row],
        labels if labels is None else labels[:row],
        names,
        f"{name}:{split}",
        tuple(skipped),
        inputs=inputs if inputs is None else inputs[:row],
    )


def _examples(
    builder, split: str, patience: RetryPolicy, skip_corrupt: bool, skipped: list[str]
) -> Iterator[dict]:
    """The examples of a split, file by file; what cannot be read goes to `skipped`, if asked."""
    import tensorflow as tf

    for file, part, count in _files(builder, split):
        given = 0
        try:
            source = functools.partial(builder.as_dataset, split=part, shuffle_files=False)
            for example in patience.each(source, file):
                yield example
                given += 1
        except (tf.errors.OpError, OSError) as error:
            if not skip_corrupt:
                raise InputError(
                    f"{file} cannot be read after {given} of {count} images ({reason(error)}); "
                    "bring it back, prepare the data set anew, or leave the rest of such files out "
                    "with --skip-corrupt."
                ) from None
            skipped.append(f"{file} ({count - given} of {count} images)")


def _files(builder, split: str) -> Iterator[tuple[str, Any, int]]:
    """The files that make up a split, in order: path, what of the data set it holds, how much."""
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
    """Room for the "input" of pairs, where a data set has such images of the other ones' size."""
    if feature is None or len(feature.shape or ()) != 3 or feature.shape[2] is None:
        return None
    return allocate((count, *shape, 1 if feature.shape[2] == 1 else 3))


def _fitted(image: np.ndarray, size_px: int | None) -> np.ndarray:
    """An image (H, W, C), cropped and resized if a size is asked for."""
    if not size_px or image.shape[:2] == (size_px, size_px):
        return image
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image[..., :3])
    return as_array(resize(picture, size_px))


def _count(builder, name: str, split: str) -> int:
    """The number of images in a split, or in a part of one."""
    try:
        return builder.info.splits[split].num_examples
    except Exception as error:  # TFDS has its own kinds for unknown, malformed and misplaced ones
        raise NoSplitError(
            f"{name} has no split {split!r}; it has {', '.join(sorted(builder.info.splits))}, or a "
            "part of one, such as train[:100]."
        ) from error


def splits(name: str) -> list[str]:
    """The splits of a data set, prepared if need be."""
    return sorted(prepare(name).info.splits)


def prepare(name: str):
    """The TFDS builder of that name, its data on disk."""
    import tensorflow_datasets as tfds

    base, _, config = name.split(":")[0].partition("/")
    if base in datasets.names():
        importlib.import_module(f"evaluation.datasets.{base}")
    elif base not in tfds.list_builders(with_community_datasets=False):
        others = tfds.list_builders(with_community_datasets=False)
        near = difflib.get_close_matches(base, datasets.names(), n=1)
        near = near or difflib.get_close_matches(base, others, n=1, cutoff=CLOSE)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise InputError(
            f"unknown data {name!r}{hint}; give built-in data ({', '.join(datasets.names())}), "
            "another TFDS name, or folder:PATH."
        )
    if base in datasets.names() and config:
        known = [found.name for found in tfds.builder_cls(base).BUILDER_CONFIGS]
        if config not in known:
            have = f"give {base}/{f', {base}/'.join(known)}" if known else f"give {base}"
            raise InputError(f"{base} has no configuration {config!r}; {have}.")
    for logger in ("absl", "urllib3"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    built_in = base in datasets.names()
    if built_in or not on_terminal():
        tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO() if built_in else sys.stderr), _few_retries():
            builder = tfds.builder(name, try_gcs=False)
            builder.download_and_prepare()
    except (
        Exception
    ) as error:  # TFDS raises dozens of kinds: network, disk, manual download, config
        told = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
        raise InputError(
            f"{name} could not be prepared ({type(error).__name__}: {told[:200]}); bring the "
            "prepared data to TFDS_DATA_DIR, or use built-in data "
            f"({', '.join(datasets.names())}) or folder:PATH."
        ) from error
    return builder


@contextlib.contextmanager
def _few_retries():
    """TFDS asks a silent host ten times, for three minutes; twice tells that it is silent."""
    from tensorflow_datasets.core.download import downloader

    usual, downloader.MAX_RETRIES = downloader.MAX_RETRIES, 2
    try:
        yield
    finally:
        downloader.MAX_RETRIES = usual

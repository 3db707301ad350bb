"""A TensorFlow Datasets data set by name: a built-in one, or any other that TFDS knows."""

import contextlib
import difflib
import importlib
import io
import logging
import sys

import numpy as np
from PIL import Image

from evaluation import datasets
from evaluation.errors import InputError
from evaluation.sources.images import Images, allocate, as_array, check_not_empty, resize

CLOSE = 0.8  # how like a TFDS name must be to be suggested, of 1


def read(name: str, split: str = "train", size_px: int | None = None) -> Images:
    """Reads one split of a TFDS data set into an array, downloading and preparing it if need be.

    Args:
      name: "digits", "photo_patches/64", "mnist", "celeb_a" ...; it must have an "image" feature.
      split: a TFDS split ("train", "test", "train[:1000]").
      size_px: side of the square that each image is cropped and resized to; None keeps the size,
        which must then be fixed.

    Raises:
      InputError: unknown name or split, no images, a failed download, differing sizes.
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
    for row, example in enumerate(builder.as_dataset(split=split, shuffle_files=False)):
        images[row] = _fitted(example["image"].numpy(), size_px)[..., : images.shape[-1]]
        if inputs is not None:
            inputs[row] = _fitted(example["input"].numpy(), size_px)[..., : inputs.shape[-1]]
        if labels is not None:
            labels[row] = example["label"].numpy()
    names = tuple(label.names) if label is not None and labels is not None else ()
    return Images(images, labels, names, f"{name}:{split}", inputs=inputs)


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
        raise InputError(
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
    if built_in or not sys.stderr.isatty():
        tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO() if built_in else sys.stderr), _few_retries():
            builder = tfds.builder(name, try_gcs=False)
            builder.download_and_prepare()
    except (
        Exception
    ) as error:  # TFDS raises dozens of kinds: network, disk, manual download, config
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
        raise InputError(
            f"{name} could not be prepared ({type(error).__name__}: {reason[:200]}); bring the "
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

"""Anything that yields images: `load_images` reads a data set, `open_source` takes any source."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from evaluation import datasets
from evaluation.errors import InputError
from evaluation.sources.images import Images
from evaluation.sources.options import GeneratorOptions, refuse_others
from evaluation.sources.retries import RetryPolicy
from evaluation.sources.sampler import Sampler

Source = str | os.PathLike | np.ndarray | Images | Sampler | Callable[[int, Any], Any]


def load_images(
    source: str,
    split: str | None = None,
    size_px: int | None = None,
    skip_corrupt: bool = False,
    patience: RetryPolicy | None = None,
) -> Images:
    """Reads a set of images by its name.

    Args:
      source: "folder:PATH", or the name of a built-in or any other TFDS data set, with an optional
        split behind a colon ("digits:test").
      split: the TFDS split; if None, the one in the name, or else "train". Both may be given only
        if they agree. A folder is all "train".
      size_px: side of the square to crop and resize to; None keeps the size.
      skip_corrupt: leave out files that cannot be read.
      patience: with storage that stalls; by default three times two minutes for each read.

    Raises:
      InputError: it is unknown, empty, corrupt, or of differing sizes without `size_px`.
    """
    if not isinstance(source, str):
        raise InputError(f"source={source!r}; it must be a data set's name or folder:PATH.")
    if split is not None and not isinstance(split, str):
        raise InputError(f"split={split!r}; it must be a split's name, such as 'train'.")
    if source.startswith("folder:"):
        if split not in (None, "train"):
            raise InputError(f"split={split!r}: {source} has no splits; leave it out.")
        from evaluation.sources import folder

        return folder.read(source.removeprefix("folder:"), size_px, skip_corrupt, patience)
    from evaluation.runtime.tensorflow import import_tensorflow

    import_tensorflow()
    from evaluation.sources import tfds

    name, colon, named = source.partition(":")
    if colon and not named:
        raise InputError(f"{source!r} names no split after its colon; give one, as {name}:test.")
    if named and split and named != split:
        raise InputError(f"split={split!r}: {source!r} names another; give one of the two.")
    return tfds.read(name, split or named or "train", size_px, skip_corrupt, patience)


def open_source(
    source: Source,
    size_px: int | None = None,
    skip_corrupt: bool = False,
    options: GeneratorOptions | None = None,
) -> Images | Sampler:
    """Takes anything that yields images.

    Args:
      source: the path of a saved generator (the directory of a SavedModel or of a training run
        that exported one; .keras, .h5, .onnx, TorchScript .pt, .pt2), of a directory or .zip of
        images, of a .npy or .npz file, of TFRecord files; "folder:PATH"; a data set's name with an
        optional split ("digits:test"); "module:function" or "file.py:function"; a uint8 array
        (n, H, W[, C]); `Images`; a function f(n, rng) -> images.
      size_px: side of the square to crop and resize files to; None keeps the size.
      skip_corrupt: leave out files that cannot be decoded.
      options: what the source does not say itself.

    Returns:
      The images, or, where they are drawn on demand, a `Sampler`.

    Raises:
      InputError: there is nothing of that name, or it is empty, damaged, or of another form; or an
        option does not concern it.
    """
    options = options or GeneratorOptions()
    if isinstance(source, Images | Sampler):
        return source
    if isinstance(source, np.ndarray):
        from evaluation.sources import arrays

        return arrays.from_array(source, options=options)
    if isinstance(source, str | os.PathLike):
        return _open_name(os.fspath(source), size_px, skip_corrupt, options)
    if callable(source):
        from evaluation.sources import sampler

        return sampler.from_function(source, options=options)
    raise InputError(
        f"a {type(source).__name__} is no source of images; give a path, a data set's name, a "
        "uint8 array or a function f(n, rng)."
    )


def _open_name(
    name: str, size_px: int | None, skip_corrupt: bool, options: GeneratorOptions
) -> Images | Sampler:
    from evaluation.sources import archive, arrays, generator, python_function, tfrecord

    path = Path(name)
    suffix = path.suffix.lower()
    if suffix in arrays.SUFFIXES:
        return arrays.read(name, options)
    if path.is_dir() and (generator.find(path) or options.step is not None):
        return generator.load(path, options)
    if suffix in generator.SUFFIXES and path.is_file():
        return generator.load(path, options)
    if python_function.is_named(name) and name.partition(":")[0] not in datasets.names():
        return python_function.load(name, options)
    refuse_others(options, (), name, "no generator")
    if suffix == ".zip" and path.is_file():
        return archive.read(name, size_px, skip_corrupt)
    records = tfrecord.find(name)
    if records:
        return tfrecord.read(name, records, size_px, skip_corrupt)
    if path.is_dir():
        if (path / "config.yaml").is_file() or (path / "metrics.jsonl").is_file():
            raise InputError(
                f"{name} is a training run without an exported generator; let the training finish, "
                "or give a generator's directory."
            )
        return load_images(f"folder:{name}", None, size_px, skip_corrupt)
    if path.is_file():
        known = ", ".join((*arrays.SUFFIXES, ".zip", tfrecord.MARK, *generator.SUFFIXES))
        raise InputError(
            f"{name} is a file of unknown kind; give {known}, or a directory of images or of a "
            "generator."
        )
    if _looks_like_path(name):
        raise InputError(
            f"{name} does not exist; give a generator, a directory of images, or data."
        )
    return load_images(name, None, size_px, skip_corrupt)


def _looks_like_path(name: str) -> bool:
    """Whether a name with a separator is no "dataset/config"."""
    if name.startswith("folder:") or os.sep not in name:
        return False
    base = name.split("/")[0]
    if base in datasets.names():
        return False
    from evaluation.runtime.tensorflow import import_tensorflow

    import_tensorflow()
    import tensorflow_datasets

    return base not in tensorflow_datasets.list_builders(with_community_datasets=False)

"""Sources of images: `load_images` reads a data set, `open_source` takes any source."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from evaluation import datasets
from evaluation.errors import InputError
from evaluation.runtime import metrics_log
from evaluation.sources.images import Images
from evaluation.sources.options import GeneratorOptions, refuse_others
from evaluation.sources.retries import RetryPolicy
from evaluation.sources.sampler import Sampler

Source = str | os.PathLike | np.ndarray | Images | Sampler | Callable[[int, Any], Any]

# Suffixes of files that a command or an option reads, beside arrays, generators and image files.
OTHER_SUFFIXES = (".json", ".pkl", ".pth", ".pb", ".zip")


def load_images(
    source: str,
    split: str | None = None,
    size_px: int | None = None,
    skip_corrupt: bool = False,
    retry: RetryPolicy | None = None,
) -> Images:
    """Reads a data set, or a folder of images, by its name.

    Args:
      source: "folder:PATH", or the name of a built-in or any other TFDS data set, with an optional
        split after a colon ("digits:test").
      split: the TFDS split; if None, the split in the name, or else "train". If both are set, they
        must agree. All images of a folder are "train".
      size_px: side of the square to crop and resize to; None keeps the size.
      skip_corrupt: leave out files that cannot be read.
      retry: how often a read is tried, and for how long; by default three times two minutes.

    Raises:
      InputError: the data set is unknown, empty, corrupt, or of differing sizes without `size_px`;
        or the name is a path.
    """
    if not isinstance(source, str):
        raise InputError(f"source={source!r}; it must be a data set's name or folder:PATH.")
    if split is not None and not isinstance(split, str):
        raise InputError(f"split={split!r}; it must be a split's name, such as 'train'.")
    if source.startswith("folder:"):
        if split not in (None, "train"):
            raise InputError(f"split={split!r}: {source} has no splits; leave it out.")
        from evaluation.sources import folder

        return folder.read(source.removeprefix("folder:"), size_px, skip_corrupt, retry)
    if _is_path(source):
        raise _path_as_data_set(source)
    from evaluation.runtime.tensorflow import import_tensorflow

    import_tensorflow()
    from evaluation.sources import tfds

    name, colon, split_in_name = source.partition(":")
    if colon and not split_in_name:
        raise InputError(f"{source!r} names no split after its colon; give one, as {name}:test.")
    if split_in_name and split and split_in_name != split:
        raise InputError(f"split={split!r}: {source!r} names another; give one of the two.")
    return tfds.read(name, split or split_in_name or "train", size_px, skip_corrupt, retry)


def open_source(
    source: Source,
    size_px: int | None = None,
    skip_corrupt: bool = False,
    options: GeneratorOptions | None = None,
) -> Images | Sampler:
    """Opens any source of images.

    Args:
      source: the path of a saved generator (the directory of a SavedModel or of a training run
        that exported one; .keras, .h5, .onnx, TorchScript .pt, .pt2), of a directory or .zip of
        images, of a .npy or .npz file, of TFRecord files; "folder:PATH"; a data set's name with an
        optional split ("digits:test"); "module:function" or "file.py:function"; a uint8 array
        (n, H, W[, C]); `Images`; a function f(n, rng) -> images.
      size_px: side of the square to crop and resize files to; None keeps the size.
      skip_corrupt: leave out files that cannot be decoded.
      options: properties of the source that it does not declare itself.

    Returns:
      The images, or a `Sampler` if the images are drawn on demand.

    Raises:
      InputError: the source does not exist, or is empty, damaged, or of another form; or an option
        does not apply to it.
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
    records = tfrecord.find(name)
    if not records and not path.is_dir() and not path.is_file() and _is_path(name):
        raise _missing(name, "give a generator, images, or a data set's name")
    refuse_others(options, (), name, "no generator")
    if suffix == ".zip" and path.is_file():
        return archive.read(name, size_px, skip_corrupt)
    if records:
        return tfrecord.read(name, records, size_px, skip_corrupt)
    if path.is_dir():
        if (path / "config.yaml").is_file() or (path / metrics_log.FILE).is_file():
            raise InputError(
                f"{name} is a training run without an exported generator; let the training finish, "
                "or give a generator's directory."
            )
        return load_images(f"folder:{name}", None, size_px, skip_corrupt)
    if path.is_file():
        suffixes = ", ".join((*arrays.SUFFIXES, ".zip", tfrecord.MARK, *generator.SUFFIXES))
        raise InputError(
            f"{name} is a file of unknown kind; give {suffixes}, or a directory of images or of a "
            "generator."
        )
    return load_images(name, None, size_px, skip_corrupt)


def _is_path(name: str) -> bool:
    """Returns whether a name is meant as a path and not as a data set's name.

    A path starts with "~" or ".", has a backslash or the suffix of a file that some command reads,
    or has a slash. "dataset/config" of TFDS and "namespace:dataset/config" are no paths.
    """
    from evaluation.sources import arrays, generator, pictures, tfrecord

    if name.startswith("folder:"):
        return False
    before_colon, colon, after_colon = name.partition(":")
    suffixes = (*arrays.SUFFIXES, *generator.SUFFIXES, *pictures.SUFFIXES, *OTHER_SUFFIXES)
    if name.startswith(("~", ".")) or "\\" in name or tfrecord.MARK in name:
        return True
    if Path(before_colon).suffix.lower() in suffixes or name.endswith(".py"):
        return True
    if "/" not in name:
        return False
    base = before_colon.partition("/")[0]
    if not base.isidentifier():
        return True
    if colon and base == before_colon:  # namespace:dataset/config; but also s3://bucket and C:/x
        return after_colon.startswith("/")
    from evaluation.sources import tfds

    return not tfds.is_name(base)


def _path_as_data_set(name: str) -> InputError:
    """Returns the error for a path where only "folder:PATH" or a data set's name is read."""
    path = Path(name)
    if path.is_dir():
        return InputError(f"{name} is a folder; give folder:{name} to read its images.")
    if path.is_file():
        return InputError(f"{name} is a file; give a data set's name, or images as folder:PATH.")
    return _missing(name, "give a data set's name, or images as folder:PATH")


def _missing(name: str, remedy: str) -> InputError:
    from evaluation.sources import missing, tfds

    base, slash, config = name.partition("/")
    may_be_data_set = slash and base.isidentifier() and not Path(config).suffix
    data_set = tfds.similar_name(base) if may_be_data_set else None
    return missing.does_not_exist(name, remedy, data_set and f"{data_set}/{config}")

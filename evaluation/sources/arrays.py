"""Reads images from a NumPy array, or from a .npy or .npz file."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from evaluation.errors import InputError
from evaluation.sources import missing
from evaluation.sources import options as generator_options
from evaluation.sources.images import Images, allocate, check_not_empty
from evaluation.sources.options import GeneratorOptions
from evaluation.sources.sampler import check_form, count_outside, to_uint8

SUFFIXES = (".npy", ".npz")
ROWS = 1024  # images converted at once
MOST_BYTES = 1 << 40  # of one array
ALLOWED_OPTIONS = ("value_range", "layout")


def read(path: str, options: GeneratorOptions | None = None) -> Images:
    """Reads the images of a .npy file, or the images and labels of a .npz file.

    In a .npz the images are the array `images`, or the only array of three axes or more. The labels
    are whole numbers (n,) named `labels`, `label` or `y`; beside `arr_0`, the only array of one
    axis. Nothing is unpickled.

    Raises:
      InputError: the file is missing, damaged or pickled, or holds no images.
    """
    if not Path(path).exists():
        raise missing.does_not_exist(path, "give a .npy or .npz file of uint8 images")
    if not Path(path).is_file():
        raise InputError(f"{path} is not a file; give a .npy or .npz file of uint8 images.")
    if path.lower().endswith(".npz") and not zipfile.is_zipfile(path):
        raise InputError(f"{path} is not a valid npz file; save it again with numpy.savez.")
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return from_array(loaded, path, options)
        with loaded:
            shapes = _shapes(path)
            key = _key(shapes, path)
            labels = _labels_key(shapes, key)
            return from_array(loaded[key], path, options, loaded[labels] if labels else None)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} cannot be read as an array ({str(error).splitlines()[0]}); save it again "
            "with numpy.save, uint8, no objects."
        ) from None


def from_array(
    images: np.ndarray,
    name: str = "array",
    options: GeneratorOptions | None = None,
    labels: np.ndarray | None = None,
) -> Images:
    """Returns an array of images as `Images`.

    Args:
      images: uint8, shape (n, H, W) or (n, H, W, C); (n, C, H, W) if options.layout is NCHW;
        floats if options.value_range is set, which are rounded to 256 levels.
      name: the array's name in errors.
      options: `value_range` and `layout` are used.
      labels: whole numbers >= 0, shape (n,).

    Raises:
      InputError: another dtype or shape, no images, or floats that are not finite or outside
        value_range.
    """
    options = options or GeneratorOptions()
    generator_options.refuse_others(options, ALLOWED_OPTIONS, name, "no generator")
    if images.dtype != np.uint8 and options.value_range is None:
        raise InputError(
            f"{name} is {images.dtype}; give uint8 in 0..255, or floats with their --range, such "
            "as -1,1 (value_range=(-1, 1))."
        )
    images = images[..., None] if images.ndim == 3 else images
    if options.layout == "NCHW":
        images = np.moveaxis(images, 1, -1) if images.ndim == 4 else images
    elif options.layout is None and _is_channels_first(images.shape):
        raise InputError(
            f"{name} has shape {images.shape}; if its second axis is the channels, give --layout "
            "NCHW."
        )
    check_form(images, name)
    check_not_empty(images.size and len(images), name, "give at least one")
    if images.dtype != np.uint8:
        assert options.value_range is not None
        images = _quantised(images, options.value_range, name)
    elif options.value_range not in (None, (0.0, 255.0)):
        raise InputError(
            f"value_range={options.value_range}: {name} is uint8, in 0..255; leave it out."
        )
    return Images(np.ascontiguousarray(images), *_checked_labels(labels, len(images), name), name)


def _is_channels_first(shape: tuple[int, ...]) -> bool:
    """Returns whether the second axis can be channels, and the last axis cannot."""
    return len(shape) == 4 and shape[-1] not in (1, 3) and shape[1] in (1, 3)


def _quantised(images: np.ndarray, value_range: tuple[float, float], name: str) -> np.ndarray:
    """Returns floats as uint8; the error counts the bad values of all images."""
    parts = [slice(start, start + ROWS) for start in range(0, len(images), ROWS)]
    broken, outside = np.sum([count_outside(images[part], value_range) for part in parts], axis=0)
    if broken:
        raise InputError(
            f"{name} has {broken} of {images.size} values that are not finite; remove those images."
        )
    if outside:
        low, high = value_range
        raise InputError(
            f"{name} has {outside} of {images.size} values outside the declared range "
            f"[{low:g}, {high:g}] ({images.min():.4g} to {images.max():.4g}); correct it: "
            "--range LOW,HIGH."
        )
    whole = allocate(images.shape)
    for part in parts:
        whole[part] = to_uint8(images[part], value_range, name)
    return whole


def _checked_labels(
    labels: np.ndarray | None, count: int, name: str
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    if labels is None:
        return None, ()
    if labels.shape != (count,):
        raise InputError(
            f"{name} has {count} images and labels of shape {labels.shape}; it takes one label "
            "per image."
        )
    if labels.min() < 0:
        raise InputError(f"{name} has the label {labels.min()}; labels are 0 or more.")
    return labels.astype(np.int64), tuple(str(number) for number in range(labels.max() + 1))


def _shapes(path: str) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Returns the shape and dtype of each array in a .npz, from the arrays' headers alone."""
    shapes = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if not member.endswith(".npy"):
                continue
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                reader = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = reader(file)
            if np.prod(shape, dtype=np.float64) * dtype.itemsize > MOST_BYTES:
                raise InputError(
                    f"{path} declares shape {shape} for its array {member!r}, more than "
                    f"{MOST_BYTES >> 40} TiB; save it again."
                )
            shapes[member.removesuffix(".npy")] = (shape, dtype)
    return shapes


def _key(shapes: dict[str, tuple[tuple[int, ...], np.dtype]], path: str) -> str:
    if "images" in shapes:
        return "images"
    candidates = [key for key, (shape, _) in shapes.items() if len(shape) >= 3]
    if len(candidates) == 1:
        return candidates[0]
    if len(shapes) == 1:
        return next(iter(shapes))  # its shape is refused later, with a better message
    raise InputError(
        f"{path} holds {len(shapes)} arrays ({', '.join(shapes)}), {len(candidates)} of them with "
        "the shape of images; name the array of images 'images'."
    )


def _labels_key(shapes: dict[str, tuple[tuple[int, ...], np.dtype]], images: str) -> str | None:
    whole = [
        key
        for key, (shape, dtype) in shapes.items()
        if key != images and len(shape) == 1 and np.issubdtype(dtype, np.integer)
    ]
    for name in ("labels", "label", "y"):
        if name in whole:
            return name
    return whole[0] if images == "arr_0" and len(whole) == 1 else None

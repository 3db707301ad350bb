"""Images in a NumPy array, or in a .npy or .npz file."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from evaluation.errors import InputError
from evaluation.sources.images import Images, check_not_empty
from evaluation.sources.sampler import check_form

SUFFIXES = (".npy", ".npz")


def read(path: str) -> Images:
    """Reads a .npy file, or from a .npz file the array `images` (or its only one); never pickles.

    Raises:
      InputError: missing, damaged, pickled, or no uint8 images.
    """
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist; give a .npy or .npz file of uint8 images.")
    if path.lower().endswith(".npz") and not zipfile.is_zipfile(path):
        raise InputError(f"{path} is not a valid npz file; save it anew with numpy.savez.")
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return from_array(loaded, path)
        with loaded:
            return from_array(loaded[_key(loaded.files, path)], path)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} cannot be read as an array ({str(error).splitlines()[0]}); save it anew with "
            "numpy.save, uint8, no objects."
        ) from None


def from_array(images: np.ndarray, name: str = "array") -> Images:
    """An array of uint8 images, shape (n, H, W) or (n, H, W, C), as `Images`.

    Raises:
      InputError: another dtype or shape, or no images.
    """
    if images.dtype != np.uint8:
        raise InputError(
            f"{name} is {images.dtype}; give uint8 in 0..255 (floats in [-1, 1]: "
            "numpy.rint((x + 1) * 127.5).astype('uint8'))."
        )
    images = images[..., None] if images.ndim == 3 else images
    check_form(images, name)
    check_not_empty(images.size and len(images), name, "give at least one")
    return Images(images, None, (), name)


def _key(keys: list[str], path: str) -> str:
    if "images" in keys:
        return "images"
    if len(keys) != 1:
        raise InputError(
            f"{path} holds {len(keys)} arrays ({', '.join(keys)}); name the one of images 'images'."
        )
    return keys[0]

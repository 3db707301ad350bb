"""Images as arrays, and the conversions that all sources share."""

import dataclasses
import hashlib
import tempfile

import numpy as np
from PIL import Image, ImageOps

from evaluation.errors import InputError

WHITE_16_BITS = 65535
IN_MEMORY_BYTES = 2 << 30  # larger sets lie in a memory-mapped temporary file


@dataclasses.dataclass(frozen=True)
class Images:
    """A set of images, all of one shape.

    Attributes:
      images: uint8, shape (n, H, W, C), 0..255, C in {1, 3}.
      labels: int64, shape (n,), or None.
      class_names: the labels' names in order; empty without labels.
      name: the user's name for the set, with its split ("digits:train").
      skipped: files that could not be read and were skipped on request.
      inputs: uint8, shape (n, H', W', C'), the input images of a data set of pairs; else None.
      files: each image's path below its folder; empty for images that do not come from files.
    """

    images: np.ndarray
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    name: str
    skipped: tuple[str, ...] = ()
    inputs: np.ndarray | None = None
    files: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def sha256(self) -> str:
        """Hash of shape and content; equal images have one hash in every file format."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        for start in range(0, len(self.images), 4096):
            digest.update(np.ascontiguousarray(self.images[start : start + 4096]).tobytes())
        return digest.hexdigest()


def allocate(shape: tuple[int, ...]) -> np.ndarray:
    """Returns an uninitialised uint8 array: in memory, or in a temporary file if it is large."""
    if int(np.prod(shape)) <= IN_MEMORY_BYTES:
        return np.empty(shape, np.uint8)
    return np.memmap(tempfile.TemporaryFile(), np.uint8, "w+", shape=shape)


def to_eight_bits(image: Image.Image, name: str) -> Image.Image:
    """Returns any Pillow image as "L" or "RGB", upright, with 8 bits.

    Palettes are resolved, 16 bits are scaled, and transparent pixels are blended with white.

    Raises:
      InputError: `name` holds floats, or integers above 16 bits, whose black and white are unknown.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise InputError(f"{name} holds floats of an unknown range; save it with 8 or 16 bits.")
    if image.mode.startswith("I"):
        values = np.asarray(image, np.int64)  # Pillow opens some 16-bit files in mode "I"
        if values.min() < 0 or values.max() > WHITE_16_BITS:
            raise InputError(
                f"{name} holds values from {values.min()} to {values.max()}; 16 bits hold "
                f"0..{WHITE_16_BITS}: save it with 8 or 16 bits."
            )
        return Image.fromarray(np.rint(values * (255 / WHITE_16_BITS)).astype(np.uint8))
    if image.mode in ("1", "L"):
        return image.convert("L")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa", "P") or "transparency" in image.info:
        gray = image.mode in ("LA", "La")
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
        return image.convert("L" if gray else "RGB")
    return image.convert("RGB")


def resize(image: Image.Image, size_px: int) -> Image.Image:
    """Returns the centre square of an image, size_px x size_px (Lanczos with antialiasing)."""
    if image.size == (size_px, size_px):
        return image
    return ImageOps.fit(image, (size_px, size_px), Image.Resampling.LANCZOS)


def as_array(image: Image.Image) -> np.ndarray:
    """Returns an "L" or "RGB" image as uint8 (H, W, C)."""
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array


def check_not_empty(count: int, name: str, remedy: str) -> None:
    """Raises InputError if `name` has no images."""
    if count == 0:
        raise InputError(f"{name} holds no images; {remedy}.")


def resized(images: Images, size_px: int) -> Images:
    """Returns the centre squares of all images, size_px x size_px."""
    if images.images.shape[1:3] == (size_px, size_px):
        return images
    pixels = allocate((len(images), size_px, size_px, images.images.shape[-1]))
    for row, image in enumerate(images.images):
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        pixels[row] = as_array(resize(picture, size_px))
    return dataclasses.replace(images, images=pixels)


def as_rgb(images: Images) -> Images:
    """Repeats the channel of gray images three times; returns RGB images unchanged."""
    if images.images.shape[-1] == 3:
        return images
    return dataclasses.replace(images, images=np.repeat(images.images, 3, axis=-1))


def rows(images: Images, index: np.ndarray) -> Images:
    """Returns the images at `index`, with their labels."""
    labels = None if images.labels is None else images.labels[index]
    return dataclasses.replace(images, images=images.images[index], labels=labels)

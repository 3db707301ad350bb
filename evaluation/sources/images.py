"""Images as arrays, and the conversions that all sources share."""

import dataclasses
import tempfile
from collections.abc import Callable, Hashable

import numpy as np
from PIL import ExifTags, Image, ImageOps

from evaluation.errors import InputError
from evaluation.sources import on_demand
from evaluation.sources.on_demand import OnDemand

WHITE_16_BITS = 65535
IN_MEMORY_BYTES = 2 << 30  # larger sets lie in a memory-mapped temporary file


@dataclasses.dataclass(frozen=True)
class Images:
    """A set of images, all of one shape.

    Attributes:
      images: uint8, shape (n, H, W, C), 0..255, C in {1, 3}. A large set of files is an
        `OnDemand`, which decodes the images that are indexed.
      labels: int64, shape (n,), or None.
      class_names: the labels' names in order; empty without labels.
      name: the user's name for the set, with its split ("digits:train").
      skipped: files that could not be read and were skipped on request.
      inputs: uint8, shape (n, H', W', C'), the input images of a data set of pairs; else None.
      files: each image's path below its folder; empty for images that do not come from files.
    """

    images: np.ndarray | OnDemand
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
        if isinstance(self.images, OnDemand):
            return self.images.sha256
        return on_demand.sha256_of(self.images)

    @property
    def fingerprint(self) -> str:
        """`sha256` of images in memory; of images on demand, a hash of their names and sizes."""
        if isinstance(self.images, OnDemand):
            return self.images.fingerprint
        return self.sha256

    @property
    def identity(self) -> Hashable:
        """A key for caches in memory, which decodes no image."""
        return self.images.identity if isinstance(self.images, OnDemand) else self.sha256

    def rows(self, index: np.ndarray) -> "Images":
        """Returns the images at `index`, whole numbers (m,), with all that belongs to them."""
        lazy = isinstance(self.images, OnDemand)
        return dataclasses.replace(
            self,
            images=self.images.take(index) if lazy else self.images[index],
            labels=None if self.labels is None else self.labels[index],
            inputs=None if self.inputs is None else self.inputs[index],
            files=tuple(self.files[row] for row in index) if self.files else (),
        )

    def resized(self, size_px: int) -> "Images":
        """Returns the centre squares of all images, size_px x size_px."""
        channels = self.images.shape[-1]
        if self.images.shape[1:3] == (size_px, size_px):
            return self

        def convert(image: np.ndarray) -> np.ndarray:
            return as_array(resize(_picture(image), size_px))

        return self._converted(f"{size_px} px", convert, (size_px, size_px, channels))

    def as_rgb(self) -> "Images":
        """Repeats the channel of gray images three times; returns RGB images unchanged."""
        if self.images.shape[-1] == 3:
            return self
        height, width = self.images.shape[1:3]
        return self._converted("rgb", lambda image: image.repeat(3, axis=-1), (height, width, 3))

    def _converted(
        self, name: str, convert: Callable[[np.ndarray], np.ndarray], shape: tuple[int, int, int]
    ) -> "Images":
        if isinstance(self.images, OnDemand):
            return dataclasses.replace(self, images=self.images.map(name, convert, shape))
        pixels = allocate((len(self), *shape))
        for row, image in enumerate(self.images):
            pixels[row] = convert(image)
        return dataclasses.replace(self, images=pixels)


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
    image.load()
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # else Pillow would make a copy
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
    return image if image.mode == "RGB" else image.convert("RGB")


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


def _picture(pixels: np.ndarray) -> Image.Image:
    """Returns uint8 (H, W, 1 or 3) as an "L" or "RGB" image."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)

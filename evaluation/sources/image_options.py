"""`ImageOptions`: how images are read."""

import dataclasses

from evaluation.core import validation


@dataclasses.dataclass(frozen=True)
class ImageOptions:
    """The size of the images, and the treatment of corrupt files.

    Attributes:
      size_px: side of the square that all images are cropped and resized to, in pixels; None keeps
        their size.
      skip_corrupt: leave out files that cannot be decoded.

    Raises:
      InputError: `size_px` is not a whole number of 1 or more.
    """

    size_px: int | None = None
    skip_corrupt: bool = False

    def __post_init__(self) -> None:
        if self.size_px is not None:
            validation.check_whole("size_px", self.size_px, 1)

"""The height and width of images at each stage of a network."""

from keras import layers


def resolutions(
    image_shape: tuple[int, ...],
    smallest_px: int = 8,
    coarsest_px: int = 4,
    least_stages: int = 3,
) -> list[tuple[int, int]]:
    """Returns (H, W) of each stage, finest first; each stage halves both sides, rounding up.

    Args:
      image_shape: (H, W, ...).
      smallest_px: smallest side that an image may have.
      coarsest_px: halving ends when no side is larger than this.
      least_stages: smallest number of stages, however small the image.

    Raises:
      ValueError: a side is smaller than `smallest_px`.
    """
    height, width = image_shape[:2]
    if min(height, width) < smallest_px:
        raise ValueError(
            f"images of {height} x {width} pixels: sides must have {smallest_px} pixels or more; "
            "choose another size with --size"
        )
    sides = [(height, width)]
    while max(sides[-1]) > coarsest_px or len(sides) < least_stages:
        sides.append(((sides[-1][0] + 1) // 2, (sides[-1][1] + 1) // 2))
    return sides


def crop(x, side: tuple[int, int]):
    """Returns the upper left (H, W) part of images; images of that size stay as they are."""
    extra = x.shape[1] - side[0], x.shape[2] - side[1]
    return layers.Cropping2D(((0, extra[0]), (0, extra[1])))(x) if any(extra) else x

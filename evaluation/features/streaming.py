"""Moments of the features of any number of images, in constant memory."""

import os
from collections.abc import Iterable, Iterator

import numpy as np

from evaluation.distances.moments import Moments
from evaluation.errors import InputError
from evaluation.features import open_extractor
from evaluation.features import stream as streams
from evaluation.features.files.statistics import Statistics
from evaluation.sources.images import Images
from evaluation.sources.sampler import Progress, Sampler

BLOCK_ENTRIES = 8_000_000  # numbers gathered before they are added up


def extract_statistics(
    images: Images | np.ndarray | Sampler,
    features: str | os.PathLike = "pixels",
    *,
    layer: str | None = None,
    weights: str | os.PathLike | None = None,
    resize: str | None = None,
    precision: str = "float32",
    batch_size: int | None = None,
    progress: Progress | None = None,
    n: int | None = None,
    seed: int = 0,
) -> Statistics:
    """Mean and covariance of images' features, without holding these.

    A generator's images are drawn as they are needed, so that memory does not grow with `n`.

    Args:
      images: as for `evaluation.extract`, and all that follow.
      features: likewise.
      layer: likewise.
      weights: likewise.
      resize: likewise.
      precision: likewise.
      batch_size: likewise.
      progress: likewise.
      n: likewise.
      seed: likewise.

    Raises:
      InputError: as `evaluation.extract`, and fewer than 2 images.
    """
    stream = streams.of(images, n, seed)
    if stream.count < 2:
        raise InputError(f"{stream.name} has {stream.count} image; a covariance needs 2.")
    extractor, size = open_extractor(
        features, stream, layer, weights, resize, precision, batch_size
    )
    found = streams.run(stream, extractor, size, progress)
    return Statistics.of_moments(
        moments_of_blocks(rows for rows, _ in found),
        name=extractor.name,
        sha256=extractor.sha256,
        settings=dict(extractor.settings),
        images=streams.known_as(stream),
    )


def moments_of_blocks(blocks: Iterable[np.ndarray]) -> Moments:
    """The moments of all rows of all blocks, in float64 and constant memory.

    Args:
      blocks: arrays (rows, d) of real numbers, of any number of rows.

    Raises:
      InputError: there are no rows.
    """
    whole: Moments | None = None
    for block in _gathered(blocks):
        found = Moments.of(block)
        whole = found if whole is None else whole.merge(found)
    if whole is None:
        raise InputError("blocks holds no rows; give at least one.")
    return whole


def _gathered(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The same rows in fewer, larger blocks."""
    waiting: list[np.ndarray] = []
    entries = 0
    for block in blocks:
        if len(block):
            waiting.append(block)
            entries += block.size
        if entries >= BLOCK_ENTRIES:
            yield np.concatenate(waiting)
            waiting, entries = [], 0
    if waiting:
        yield np.concatenate(waiting)

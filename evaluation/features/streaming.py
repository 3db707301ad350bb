"""Computes the moments of the features of any number of images, in constant memory."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from evaluation.distances.moments import Moments
from evaluation.errors import InputError
from evaluation.features import open_extractor
from evaluation.features import stream as streams
from evaluation.features.files.statistics import Statistics
from evaluation.features.options import FeatureOptions, bind
from evaluation.sources.images import Images
from evaluation.sources.sampler import Progress, Sampler

BLOCK_ENTRIES = 8_000_000  # numbers collected before they are summed


def extract_statistics(
    images: Images | np.ndarray | Sampler,
    features: str | os.PathLike | FeatureOptions = "pixels",
    *,
    progress: Progress | None = None,
    n: int | None = None,
    seed: int = 0,
    **keywords: Any,
) -> Statistics:
    """Computes mean and covariance of images' features, without storing the features.

    A generator's images are drawn on demand, so memory does not grow with `n`.

    Args:
      images: as in `evaluation.extract`, like all arguments below.
      features: a name or `FeatureOptions`; there is no cache.
      progress: called with (stage, done, total).
      n: number of images to draw from a generator.
      seed: seed of a generator's latents.
      **keywords: fields of `FeatureOptions`, instead of the object.

    Raises:
      InputError: see `evaluation.extract`; or fewer than 2 images, or a cache.
    """
    options = bind(features, keywords)
    if options.cache:
        raise InputError(f"cache={options.cache!r}: no features are kept; leave it out.")
    stream = streams.open_stream(images, n, seed)
    if stream.count < 2:
        raise InputError(f"{stream.name} has {stream.count} image; a covariance needs 2 or more.")
    extractor, size = open_extractor(stream, options)
    batches = streams.run(stream, extractor, size, progress)
    return Statistics.from_moments(
        moments_of_blocks(rows for rows, _ in batches),
        name=extractor.name,
        sha256=extractor.sha256,
        settings=dict(extractor.settings),
        images=streams.images_id(stream),
    )


def moments_of_blocks(blocks: Iterable[np.ndarray]) -> Moments:
    """Returns the moments of all rows of all blocks, in float64 and constant memory.

    Args:
      blocks: real arrays (rows, d), with any number of rows each.

    Raises:
      InputError: there are no rows.
    """
    whole: Moments | None = None
    for block in _larger_blocks(blocks):
        part = Moments.from_rows(block)
        whole = part if whole is None else whole.merge(part)
    if whole is None:
        raise InputError("blocks holds no rows; give at least one.")
    return whole


def _larger_blocks(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yields the same rows in fewer, larger blocks."""
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

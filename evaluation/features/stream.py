"""Passes batches of images through an extractor; a thread prepares the next batches."""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from evaluation.core import validation
from evaluation.errors import InputError
from evaluation.features import cache as feature_cache
from evaluation.features.extractor import Extractor
from evaluation.sources.images import Images
from evaluation.sources.on_demand import OnDemand
from evaluation.sources.sampler import Progress, Sampler

AHEAD = 2  # batches prepared in advance
STAGE = "computing features"


@dataclasses.dataclass(frozen=True)
class Stream:
    """Images in batches, and the facts that identify them.

    Attributes:
      batches: batch_size -> iterator of uint8 (b, H, W, C), all full except the last.
      count: number of images.
      shape: (H, W, C) of the images.
      name: name of the source.
      facts: returns the facts that decide the images, for the cache's key: the hash of their bytes,
        or a generator's hash with its seed; None without a hash. Images on demand are decoded for
        it unless `batches` has yielded them all.
    """

    batches: Callable[[int], Iterator[np.ndarray]]
    count: int
    shape: tuple[int, int, int]
    name: str
    facts: Callable[[], Mapping[str, Any] | None]


def open_stream(images: Any, n: int | None = None, seed: int = 0) -> Stream:
    """Makes a stream from images or a generator.

    Args:
      images: as in `evaluation.extract`.
      n: number of images to draw from a generator.
      seed: seed of a generator's latents.

    Raises:
      InputError: `images` is neither images nor a generator, or `n` is set without a generator.
    """
    if isinstance(images, Sampler):
        validation.check_whole("n", n, 1)
        return from_sampler(images, int(n or 0), validation.check_whole("seed", seed, 0))
    if n is not None:
        raise InputError(f"n={validation.shown(n)}: only a generator takes n; leave it out.")
    if isinstance(images, OnDemand):
        images = Images(images, None, (), "images")
    if isinstance(images, np.ndarray):
        from evaluation.sources import arrays

        images = arrays.from_array(images)
    if not isinstance(images, Images):
        raise InputError(
            f"images is {type(images).__name__}; give a uint8 array (n, H, W, C), or the result of "
            "evaluation.open_source."
        )
    return from_images(images)


def images_id(stream: Stream) -> str | None:
    """Returns a hash that identifies the stream's images; None without facts."""
    facts = stream.facts()
    if facts is None:
        return None
    return facts.get("images") or feature_cache.key(facts)


def from_images(images: Images) -> Stream:
    """Makes a stream from a set of images."""

    def batches(batch_size: int) -> Iterator[np.ndarray]:
        if isinstance(images.images, OnDemand):
            yield from images.images.batches(batch_size)
            return
        for start in range(0, len(images), batch_size):
            yield images.images[start : start + batch_size]

    def facts() -> Mapping[str, Any]:
        return {"images": images.sha256}

    height, width, channels = images.images.shape[1:]
    return Stream(batches, len(images), (height, width, channels), images.name, facts)


def from_sampler(sampler: Sampler, n: int, seed: int) -> Stream:
    """Makes a stream of the first n images that a generator draws from `seed`, on demand.

    Raises:
      InputError: the sampler needs the labels of a reference, which a stream does not have. The
        stream raises it if the images differ in shape.
    """
    if getattr(sampler, "with_labels", None) is not None:
        raise InputError(
            f"labels='reference': {sampler.name} has no reference to take them from; give "
            "uniform, or a class's number."
        )
    shape = _declared_shape(sampler) or next(iter(sampler.batches(seed))).shape[1:]

    def batches(batch_size: int) -> Iterator[np.ndarray]:
        waiting, left = np.empty((0, *shape), np.uint8), n
        for drawn in sampler.batches(seed):
            if drawn.shape[1:] != shape:
                raise InputError(
                    f"{sampler.name} returned images of shape {drawn.shape[1:]} after {shape}; all "
                    "images must have the same shape."
                )
            waiting = np.concatenate([waiting, drawn])
            while left and len(waiting) >= min(batch_size, left):
                size = min(batch_size, left)
                yield waiting[:size]
                waiting, left = waiting[size:], left - size
            if not left:
                return

    facts, sha256 = None, getattr(sampler, "sha256", None)
    if sha256 is not None:
        contract = dict(sampler.contract)
        facts = {"generator": sha256, "contract": contract, "seed": seed, "n": n}
    return Stream(batches, n, shape, sampler.name, lambda: facts)


def _declared_shape(sampler: Sampler) -> tuple[int, int, int] | None:
    """Returns the images' shape from the generator's contract; None if a draw is needed."""
    form = sampler.contract.get("images") or {}
    height, width, channels = (form.get(side) for side in ("height", "width", "channels"))
    if isinstance(height, int) and isinstance(width, int) and isinstance(channels, int):
        return height, width, channels
    return None


def run(
    stream: Stream, extractor: Extractor, batch_size: int, progress: Progress | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yields the features and logits of each batch.

    Args:
      stream: the images.
      extractor: an extractor for the images' shape and for `batch_size`.
      batch_size: images per pass.
      progress: called with (stage, done, total).

    Raises:
      InputError: a feature or logit is not finite.
    """
    prepare, done = extractor.prepare, 0

    def prepared(batch: np.ndarray) -> tuple[int, Any]:
        batch = np.ascontiguousarray(batch)
        return len(batch), batch if prepare is None else prepare(batch)

    for count, batch in _ahead(prepared, stream.batches(batch_size)):
        features, logits = extractor.run(batch)
        bad = int(np.sum(~np.isfinite(features).all(axis=1)))
        if bad or (logits is not None and not np.isfinite(logits).all()):
            values = f"features of {bad} of {count} images" if bad else "logits"
            raise InputError(
                f"features {extractor.name!r} gave {values} that are not finite, in images {done} "
                f"to {done + count - 1} of {stream.name}; use other weights, or precision float32."
            )
        yield features, logits
        done += count
        if progress:
            progress(STAGE, done, stream.count)


def _ahead(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """Yields function(item) for each item, computed in a thread a few items ahead."""
    waiting: deque[Future] = deque()
    source = iter(items)
    with ThreadPoolExecutor(1, "images") as thread:

        def next_result() -> tuple[bool, Any]:
            try:
                item = next(source)
            except StopIteration:
                return False, None
            return True, function(item)

        try:
            waiting.extend(thread.submit(next_result) for _ in range(AHEAD))
            while True:
                more, result = waiting.popleft().result()
                if not more:
                    return
                waiting.append(thread.submit(next_result))
                yield result
        finally:
            for future in waiting:
                future.cancel()

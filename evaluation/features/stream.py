"""Batches of images through an extractor: the next ones are made ready while the network works."""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from evaluation.core import validation
from evaluation.errors import InputError
from evaluation.features import cache
from evaluation.features.extractor import Extractor
from evaluation.sources.images import Images
from evaluation.sources.sampler import Progress, Sampler

AHEAD = 2  # batches made ready in advance
STAGE = "computing features"


@dataclasses.dataclass(frozen=True)
class Stream:
    """Images in batches, and what they are known by.

    Attributes:
      batches: batch_size -> the images once, uint8 (b, H, W, C), every batch but the last full.
      count: how many images.
      shape: (H, W, C).
      name: of their source.
      facts: what decides the images, for a cache's key: the hash of their bytes, or that of a
        generator with the seed; None where nothing does.
    """

    batches: Callable[[int], Iterator[np.ndarray]]
    count: int
    shape: tuple[int, int, int]
    name: str
    facts: Mapping[str, Any] | None


def of(images: Any, n: int | None = None, seed: int = 0) -> Stream:
    """Images in batches, whatever they are.

    Args:
      images: as for `evaluation.extract`.
      n: of a generator, how many.
      seed: of a generator's latents.

    Raises:
      InputError: it is no set of images and no generator, or `n` does not go with it.
    """
    if isinstance(images, Sampler):
        validation.check_whole("n", n, 1)
        return of_sampler(images, int(n or 0), validation.check_whole("seed", seed, 0))
    if n is not None:
        raise InputError(f"n={validation.shown(n)}: it goes with a generator only; leave it out.")
    if isinstance(images, np.ndarray):
        from evaluation.sources import arrays

        images = arrays.from_array(images)
    if not isinstance(images, Images):
        raise InputError(
            f"images is {type(images).__name__}; give a uint8 array (n, H, W, C), or what "
            "evaluation.open_source makes of a source."
        )
    return of_images(images)


def known_as(stream: Stream) -> str | None:
    """A hash that tells a stream's images from others; None where nothing does."""
    if stream.facts is None:
        return None
    return stream.facts.get("images") or cache.key(stream.facts)


def of_images(images: Images) -> Stream:
    """Images that are there."""

    def batches(batch_size: int) -> Iterator[np.ndarray]:
        for start in range(0, len(images), batch_size):
            yield images.images[start : start + batch_size]

    height, width, channels = images.images.shape[1:]
    facts = {"images": images.sha256}
    return Stream(batches, len(images), (height, width, channels), images.name, facts)


def of_sampler(sampler: Sampler, n: int, seed: int) -> Stream:
    """The first n images that a generator draws from `seed`, made as they are asked for.

    Raises:
      InputError: what it draws is no set of images of one shape, or its labels are to follow a
        reference that is not known here.
    """
    if getattr(sampler, "with_labels", None) is not None:
        raise InputError(
            f"labels='reference': {sampler.name} has no reference to take them from; give "
            "uniform, or a class's number."
        )
    shape = _declared(sampler) or next(iter(sampler.batches(seed))).shape[1:]

    def batches(batch_size: int) -> Iterator[np.ndarray]:
        kept, left = np.empty((0, *shape), np.uint8), n
        for drawn in sampler.batches(seed):
            if drawn.shape[1:] != shape:
                raise InputError(
                    f"{sampler.name} returned images of shape {drawn.shape[1:]} where {shape} were "
                    "due; all must have one."
                )
            kept = np.concatenate([kept, drawn])
            while left and len(kept) >= min(batch_size, left):
                size = min(batch_size, left)
                yield kept[:size]
                kept, left = kept[size:], left - size
            if not left:
                return

    facts, sha256 = None, getattr(sampler, "sha256", None)
    if sha256 is not None:
        contract = dict(sampler.contract)
        facts = {"generator": sha256, "contract": contract, "seed": seed, "n": n}
    return Stream(batches, n, shape, sampler.name, facts)


def _declared(sampler: Sampler) -> tuple[int, int, int] | None:
    """The images' shape, where the generator's contract tells it without a draw."""
    form = sampler.contract.get("images") or {}
    height, width, channels = (form.get(side) for side in ("height", "width", "channels"))
    if isinstance(height, int) and isinstance(width, int) and isinstance(channels, int):
        return height, width, channels
    return None


def run(
    stream: Stream, extractor: Extractor, batch_size: int, progress: Progress | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """The features and logits of one batch after the other.

    Args:
      stream: the images.
      extractor: made for their shape and for `batch_size`.
      batch_size: images per pass.
      progress: called with (stage, done, total).

    Raises:
      InputError: a feature that is not a finite number.
    """
    prepare, done = extractor.prepare, 0

    def ready(batch: np.ndarray) -> tuple[int, Any]:
        batch = np.ascontiguousarray(batch)
        return len(batch), batch if prepare is None else prepare(batch)

    for count, batch in _ahead(ready, stream.batches(batch_size)):
        features, logits = extractor.run(batch)
        bad = int(np.sum(~np.isfinite(features).all(axis=1)))
        if bad or (logits is not None and not np.isfinite(logits).all()):
            what = f"features of {bad} of {count} images" if bad else "logits"
            raise InputError(
                f"features {extractor.name!r} gave {what} that are not finite, among images {done} "
                f"to {done + count - 1} of {stream.name}; use other weights, or precision float32."
            )
        yield features, logits
        done += count
        if progress:
            progress(STAGE, done, stream.count)


def _ahead(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """What `function` makes of each item, computed in a thread a few items ahead."""
    waiting: deque[Future] = deque()
    source = iter(items)
    with ThreadPoolExecutor(1, "images") as thread:

        def one() -> tuple[bool, Any]:
            try:
                item = next(source)
            except StopIteration:
                return False, None
            return True, function(item)

        try:
            waiting.extend(thread.submit(one) for _ in range(AHEAD))
            while True:
                more, made = waiting.popleft().result()
                if not more:
                    return
                waiting.append(thread.submit(one))
                yield made
        finally:
            for future in waiting:
                future.cancel()

"""Images that are decoded when they are read, by several threads."""

import functools
import hashlib
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from evaluation.runtime.cores import usable_cores

AHEAD_BYTES = 64 << 20  # decoded images that wait for their reader
HASHED_AT_ONCE_BYTES = 16 << 20

Item = TypeVar("Item")
Result = TypeVar("Result")


class OnDemand:
    """A read-only array of images, uint8 (n, H, W, C). It decodes the images that are indexed.

    It takes the place of a NumPy array: it has `shape`, `dtype`, `ndim`, `nbytes` and `len`;
    indexing with a number, a slice or an array of numbers returns a NumPy array.

    Attributes:
      shape: (n, H, W, C).
      identity: a key for caches in memory; arrays with equal keys hold equal images. Its first
        entry differs for each source that was read, its second is the hash of the listing, and the
        others name what `take` and `map` did.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self,
        decode: Callable[[int], np.ndarray],
        image_shape: tuple[int, int, int],
        rows: np.ndarray,
        identity: tuple[Hashable, ...],
    ):
        """Makes an array of the images that `decode` returns.

        Args:
          decode: row -> one image, uint8 of `image_shape`. Several threads call it at once.
          image_shape: (H, W, C).
          rows: the argument of `decode` for each image, shape (n,).
          identity: see above.
        """
        self.shape = (len(rows), *image_shape)
        self.identity = identity
        self._decode, self._rows = decode, rows
        self._sha256: str | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of all images when decoded."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key) -> np.ndarray:
        chosen = self._rows[key]
        if np.ndim(chosen) == 0:
            return self._decode(int(chosen))
        images = np.empty((len(chosen), *self.shape[1:]), np.uint8)

        def fill(place: int) -> None:
            images[place] = self._decode(int(chosen[place]))

        for _ in in_threads(fill, range(len(chosen)), ahead=2 * usable_cores()):
            pass
        return images

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def take(self, index: np.ndarray) -> "OnDemand":
        """Returns the images at `index`, whole numbers (m,), without decoding them."""
        identity = (*self.identity, np.asarray(index).tobytes())
        return OnDemand(self._decode, self.shape[1:], self._rows[index], identity)

    def map(
        self,
        name: str,
        convert: Callable[[np.ndarray], np.ndarray],
        image_shape: tuple[int, int, int],
    ) -> "OnDemand":
        """Returns the images as `convert` changes them when they are read.

        Args:
          name: names what `convert` does, in `identity`.
          convert: image (H, W, C) -> uint8 of `image_shape`.
          image_shape: shape of the converted images.
        """
        identity = (*self.identity, name)
        return OnDemand(lambda row: convert(self._decode(row)), image_shape, self._rows, identity)

    def batches(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yields all images in order; decodes ahead, and hashes on the way.

        Args:
          batch_size: images in each array; the last may have fewer.
        """
        digest = _digest(self.shape)
        images_ahead = max(AHEAD_BYTES // max(self.nbytes // len(self), 1), usable_cores())
        decoded = in_threads(lambda row: self._decode(int(row)), self._rows, images_ahead)
        for start in range(0, len(self), batch_size):
            size = min(batch_size, len(self) - start)
            images = np.empty((size, *self.shape[1:]), np.uint8)
            for place in range(size):
                images[place] = next(decoded)
            digest.update(images)
            yield images
        self._sha256 = digest.hexdigest()

    @property
    def fingerprint(self) -> str:
        """Hash of the listing, and of what `take` and `map` did; decodes no image."""
        return hashlib.sha256(repr(self.identity[1:]).encode()).hexdigest()

    @property
    def sha256(self) -> str:
        """Hash of shape and content; decodes all images unless `batches` has done so."""
        if self._sha256 is None:
            for _ in self.batches(max(HASHED_AT_ONCE_BYTES // int(np.prod(self.shape[1:])), 1)):
                pass
        assert self._sha256 is not None
        return self._sha256


def sha256_of(images: np.ndarray) -> str:
    """Returns the hash of an array's shape and content, as `OnDemand.sha256`."""
    digest = _digest(images.shape)
    rows = max(HASHED_AT_ONCE_BYTES // max(int(np.prod(images.shape[1:])), 1), 1)
    for start in range(0, len(images), rows):
        digest.update(np.ascontiguousarray(images[start : start + rows]))
    return digest.hexdigest()


def _digest(shape: tuple[int, ...]):
    return hashlib.sha256(repr(tuple(shape)).encode())


def in_threads(
    work: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Yields work(item) for each item in order, computed by one thread for each CPU core.

    Args:
      work: called in several threads at once. Its first error, in the order of items, is raised.
      items: what to work on; read as results are taken.
      ahead: number of results that may wait.
    """
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(_pool().submit(work, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(usable_cores(), "decode")

"""Retries reads from storage that stalls or fails, and names the file if it does not recover."""

import dataclasses
import queue
import re
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")

_END = object()


class StalledError(OSError):
    """A read that returned nothing in time."""


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclasses.dataclass
class RetryPolicy:
    """The time limit of a read from storage, and the number of tries. Threads may share it.

    Attributes:
      seconds: time limit of one read.
      tries: reads before giving up.
      pause_seconds: pause before the second read; doubled before each further read.
      say: called with one line for each retry.
      retried: the name of the read, once for each retry.
    """

    seconds: float = 120.0
    tries: int = 3
    pause_seconds: float = 1.0
    say: Callable[[str], None] = _to_stderr
    retried: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self):
        """Prepares the readers, one for each calling thread."""
        self._readers = threading.local()

    def call(self, work: Callable[[], Item], name: str) -> Item:
        """Returns the result of `work`, which is retried if storage stalls or fails.

        Args:
          work: a read. Its errors are raised here; errors other than storage errors at once.
          name: the name of the data in messages.

        Raises:
          StalledError: no try returned in time.
        """
        attempt = 1
        while True:
            try:
                return self._read(work)
            except Exception as error:
                self._pause_or_raise(name, error, attempt)
                attempt += 1

    def each(self, source: Callable[[], Iterable[Item]], name: str) -> Iterator[Item]:
        """Yields every item once; after a storage error, opens `source` again at the next item.

        Args:
          source: returns a new iterable over the same items, each time it is called.
          name: the name of the data in messages.

        Raises:
          StalledError: no try returned in time.
        """
        done = 0
        items = _Items(source, 0)
        attempt = 1
        while True:
            try:
                item = self._read(items.next)
            except Exception as error:
                self._pause_or_raise(name, error, attempt)
                attempt += 1
                items = _Items(source, done)
                continue
            if item is _END:
                return
            done += 1
            attempt = 1
            yield item

    def _pause_or_raise(self, name: str, error: Exception, attempt: int) -> None:
        """Waits before the next try; raises the error if there is no next try."""
        if not _may_pass(error) or attempt >= self.tries:
            raise error
        self.retried.append(name)
        self.say(f"{name}: {reason(error)}; trying again ({attempt + 1} of {self.tries})")
        time.sleep(self.pause_seconds * 2 ** (attempt - 1))

    def _read(self, work: Callable[[], Any]) -> Any:
        reader = getattr(self._readers, "reader", None)
        if reader is None:
            reader = self._readers.reader = _Reader()
        try:
            return reader.run(work, self.seconds)
        except queue.Empty:
            self._readers.reader = None  # the old one may hang for ever
            raise StalledError(f"nothing came for {self.seconds:g} s") from None


class _Items:
    """An iterator that opens its source, and skips the first items, at the first `next`."""

    def __init__(self, source: Callable[[], Iterable[Any]], start: int):
        self._source, self._start = source, start
        self._items: Iterator[Any] | None = None

    def next(self) -> Any:
        if self._items is None:
            items = iter(self._source())
            for _ in range(self._start):
                next(items, None)
            self._items = items
        return next(self._items, _END)


class _Reader:
    """A daemon thread that runs reads; the program ends without waiting for it."""

    def __init__(self):
        self._work: queue.SimpleQueue = queue.SimpleQueue()
        self._done: queue.SimpleQueue = queue.SimpleQueue()
        self._begun = False

    def run(self, work: Callable[[], Any], seconds: float) -> Any:
        """Returns the result of `work` or raises its error; queue.Empty after `seconds`."""
        if not self._begun:
            self._begun = True
            threading.Thread(target=_serve, args=(self._work, self._done), daemon=True).start()
            weakref.finalize(self, self._work.put, None)
        self._work.put(work)
        result, error = self._done.get(timeout=seconds)
        if error is not None:
            raise error
        return result


def _serve(requests: queue.SimpleQueue, done: queue.SimpleQueue) -> None:
    while (work := requests.get()) is not None:
        try:
            done.put((work(), None))
        except Exception as error:  # `_Reader.run` raises it
            done.put((None, error))


def _may_pass(error: Exception) -> bool:
    """Returns whether an error comes from storage or the network, not from a file's content."""
    if isinstance(error, StalledError):
        return True
    if isinstance(error, OSError):
        return error.errno is not None
    return type(error).__module__.startswith("tensorflow.")


def reason(error: Exception) -> str:
    """Returns an error in a few words, without the place in TensorFlow and the file's name."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = re.sub(r"\{\{.*?\}\}|\[Op:.*", "", str(text)).strip()
    parts = text.splitlines()[0].split("; ") if text else [type(error).__name__]
    if len(parts) > 1 and " " not in parts[0]:
        parts = parts[1:]
    return parts[0].strip()[:160]

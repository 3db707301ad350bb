"""Storage that stalls or fails for a while: asked again, and named when it does not come back."""

import dataclasses
import queue
import re
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

Answer = TypeVar("Answer")

_END = object()


class StalledError(OSError):
    """A read that gave nothing in time."""


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclasses.dataclass
class RetryPolicy:
    """How long to wait for storage, and how often to ask it.

    Attributes:
      seconds: that one read may take.
      tries: reads before giving up.
      pause_seconds: before the second read; doubled before each further one.
      say: told of each read that is tried again.
      retried: what had to be read again, once for each time.
    """

    seconds: float = 120.0
    tries: int = 3
    pause_seconds: float = 1.0
    say: Callable[[str], None] = _to_stderr
    retried: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self):
        """No thread yet: the first read starts it."""
        self._reader = _Reader()

    def call(self, work: Callable[[], Answer], name: str) -> Answer:
        """What `work` gives, tried again where storage stalls or has an error.

        Args:
          work: reads; what it raises is raised here, at once if it is not an error of storage.
          name: what is read.

        Raises:
          StalledError: it gave nothing in time, as often as it was tried.
        """
        tried = 1
        while True:
            try:
                return self._read(work)
            except Exception as error:
                self._prepare_again(name, error, tried)
                tried += 1

    def each(self, source: Callable[[], Iterable[Answer]], name: str) -> Iterator[Answer]:
        """Every item of what `source` gives; after an error from a new one, behind the last item.

        Arguments and errors as for `call`.
        """
        given = 0
        items = _Items(source, 0)
        tried = 1
        while True:
            try:
                item = self._read(items.next)
            except Exception as error:
                self._prepare_again(name, error, tried)
                tried += 1
                items = _Items(source, given)
                continue
            if item is _END:
                return
            given += 1
            tried = 1
            yield item

    def _prepare_again(self, name: str, error: Exception, tried: int) -> None:
        """Waits before the next try; raises the error where there is to be none."""
        if not _may_pass(error) or tried >= self.tries:
            raise error
        self.retried.append(name)
        self.say(f"{name}: {reason(error)}; trying again ({tried + 1} of {self.tries})")
        time.sleep(self.pause_seconds * 2 ** (tried - 1))

    def _read(self, work: Callable[[], Any]) -> Any:
        try:
            return self._reader.run(work, self.seconds)
        except queue.Empty:
            self._reader = _Reader()  # the other one may hang for ever
            raise StalledError(f"nothing came for {self.seconds:g} s") from None


class _Items:
    """An iterator from some item on, which is made when the first item is asked for."""

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
    """A thread that reads for others; nobody waits for it at the end of the program."""

    def __init__(self):
        self._work: queue.SimpleQueue = queue.SimpleQueue()
        self._done: queue.SimpleQueue = queue.SimpleQueue()
        self._begun = False

    def run(self, work: Callable[[], Any], seconds: float) -> Any:
        """What `work` gives or raises; queue.Empty if that takes longer."""
        if not self._begun:
            self._begun = True
            threading.Thread(target=_serve, args=(self._work, self._done), daemon=True).start()
            weakref.finalize(self, self._work.put, None)
        self._work.put(work)
        answer, error = self._done.get(timeout=seconds)
        if error is not None:
            raise error
        return answer


def _serve(asked: queue.SimpleQueue, done: queue.SimpleQueue) -> None:
    while (work := asked.get()) is not None:
        try:
            done.put((work(), None))
        except Exception as error:  # raised where it is waited for
            done.put((None, error))


def _may_pass(error: Exception) -> bool:
    """Whether an error is one of storage or of the way there, and not of a file's content."""
    if isinstance(error, StalledError):
        return True
    if isinstance(error, OSError):
        return error.errno is not None
    return type(error).__module__.startswith("tensorflow.")


def reason(error: Exception) -> str:
    """An error in a few words, without where in TensorFlow it was, and without the file's name."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = re.sub(r"\{\{.*?\}\}|\[Op:.*", "", str(text)).strip()
    parts = text.splitlines()[0].split("; ") if text else [type(error).__name__]
    if len(parts) > 1 and " " not in parts[0]:
        parts = parts[1:]
    return parts[0].strip()[:160]

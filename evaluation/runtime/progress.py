"""Progress of long work: a bar in a notebook or a terminal, plain lines elsewhere."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator

from evaluation.core import validation
from evaluation.errors import InputError

Progress = Callable[[str, int, int], None]  # (stage, done, total)
LINE_EVERY_SECONDS = 10.0


@contextlib.contextmanager
def shown(progress: Progress | bool | None) -> Iterator[Progress | None]:
    """Yields the function that reports progress, or None.

    Args:
      progress: a function of (stage, done, total), which is yielded unchanged. True: a tqdm bar in
        a notebook (if tqdm is installed), a rich bar in a terminal, otherwise a line on stderr at
        each stage and every 10 seconds. None or False: no progress.

    Raises:
      InputError: `progress` is something else.
    """
    if progress is None or progress is False:
        yield None
    elif progress is True:
        with (_tqdm if _in_notebook() else _rich if on_terminal() else _lines)() as show:
            yield show
    elif callable(progress):
        yield progress
    else:
        raise InputError(
            f"progress={validation.shown(progress)}; it must be True, None or a function of "
            "(stage, done, total)."
        )


def on_terminal() -> bool:
    """Whether stderr is a terminal that can show a moving bar.

    False for a file or a pipe, even with FORCE_COLOR, and for a notebook's `!command`, whose
    terminal keeps all output as text.
    """
    in_notebook = "JPY_PARENT_PID" in os.environ  # set by Jupyter for its kernels
    stream = sys.stderr  # None if it was closed before the start
    return bool(stream and stream.isatty()) and os.environ.get("TERM") != "dumb" and not in_notebook


def prefixed(progress: Progress | None, prefix: str) -> Progress | None:
    """Returns a progress function that prefixes each stage, for example with a source's name."""
    if progress is None:
        return None
    return lambda stage, done, total: progress(f"{prefix}: {stage}", done, total)


def _in_notebook() -> bool:
    """Whether this is a notebook kernel in which tqdm can draw a bar."""
    if "ipykernel" not in sys.modules:
        return False
    try:
        import ipywidgets  # noqa: F401
        import tqdm.notebook  # noqa: F401
    except ImportError:
        return False
    return True


@contextlib.contextmanager
def _tqdm() -> Iterator[Progress]:
    from tqdm.auto import tqdm

    with tqdm(leave=False) as bar:

        def show(stage: str, done: int, total: int) -> None:
            bar.set_description(stage, refresh=False)
            bar.total, bar.n = total or None, done
            bar.refresh()

        yield show


@contextlib.contextmanager
def _rich() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def show(stage: str, done: int, total: int) -> None:
            bar.update(task, description=stage, completed=done, total=total or None)

        yield show


@contextlib.contextmanager
def _lines() -> Iterator[Progress]:
    last: dict[str, float] = {}

    def show(stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage in last and now - last[stage] < LINE_EVERY_SECONDS:
            return
        last[stage] = now
        sys.stderr.write(f"{stage} {done}/{total}\n" if total else f"{stage}\n")
        sys.stderr.flush()

    yield show

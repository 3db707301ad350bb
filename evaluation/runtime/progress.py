"""How far the work is: a bar in a notebook or on a terminal, plain lines anywhere else."""

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
    """What is called as the work goes on.

    Args:
      progress: a function of (stage, done, total), which is given as it is; True for a bar: of
        tqdm in a notebook, where it is installed, of rich on a terminal, or else a line on stderr
        at each stage and every 10 seconds; None or False for silence.

    Raises:
      InputError: it is none of these.
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
    """Whether stderr is a screen, on which a bar can move.

    A file or a pipe is none, whatever FORCE_COLOR says, nor is what a `!command` of a notebook
    gets: a terminal by its looks, but all that is written there is kept as text.
    """
    of_notebook = "JPY_PARENT_PID" in os.environ  # set by Jupyter for its kernels
    stream = sys.stderr  # None where it was closed before the start
    return bool(stream and stream.isatty()) and os.environ.get("TERM") != "dumb" and not of_notebook


def prefixed(progress: Progress | None, prefix: str) -> Progress | None:
    """The same with some words before each stage: which of several sources it is of."""
    if progress is None:
        return None
    return lambda stage, done, total: progress(f"{prefix}: {stage}", done, total)


def _in_notebook() -> bool:
    """Whether cells of a notebook run here, and tqdm can draw there."""
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

"""A run's directory belongs to one run, and to one process at a time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from evaluation import InputError
from gantf import config
from gantf.console import Terminal
from gantf.runs import checkpoints, config_file, files, locks


@contextlib.contextmanager
def exclusive(
    run: config.RunConfig, run_dir: Path, terminal: Terminal | None = None
) -> Iterator[None]:
    """Holds a directory for this run and this process alone while the block runs.

    Args:
      run: what is to be trained in it.
      run_dir: the directory; made if it is not there.
      terminal: where to tell that a dead process had left it locked; None for stderr.

    Raises:
      InputError: another process trains in it, or it holds another run or other things.
    """
    has_run = (run_dir / "config.yaml").exists()
    if has_run and checkpoints.paths(run_dir):  # without a checkpoint there is nothing to lose
        config_file.check_same_run(config_file.load(run_dir), run, run_dir)
    elif run.checkpoint_dir and checkpoints.paths_in(files.place(run.checkpoint_dir)):
        raise InputError(
            f"--checkpoint-dir {run.checkpoint_dir} holds checkpoints of another run; give an "
            f"empty one, or put that run's config.yaml into {run_dir} to go on with it."
        )
    elif not has_run and run_dir.exists() and _holds_things(run_dir):
        raise InputError(f"--run-dir {run_dir} holds other things; give a new or empty directory.")
    say = (terminal or Terminal()).say
    with contextlib.ExitStack() as locked:
        for place, option in _places(run, run_dir):
            place.mkdir(parents=True, exist_ok=True)
            locked.enter_context(locks.held(place, say, option))
        yield


def _places(run: config.RunConfig, run_dir: Path) -> list[tuple[Path, str]]:
    """The directories that only one run may use at a time, each once, and what gives them."""
    places = [(run_dir, "--run-dir")]
    other = files.place(run.checkpoint_dir) if run.checkpoint_dir else None
    if isinstance(other, Path) and other.resolve() != run_dir.resolve():
        places.append((other, "--checkpoint-dir"))
    return places


def _holds_things(path: Path) -> bool:
    return not path.is_dir() or any(entry.name != locks.FILE for entry in path.iterdir())

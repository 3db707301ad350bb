"""The directory of a run belongs to one run, and to one process at a time."""

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
    """Locks a directory for this run and this process while the block runs.

    Args:
      run: the configuration to train.
      run_dir: the directory; made if it does not exist.
      terminal: prints that a lock was taken over from a dead process; None for stderr.

    Raises:
      InputError: another process trains there, or the directory holds another run or other files.
    """
    has_run = (run_dir / config_file.FILE).exists()
    if has_run and checkpoints.paths(run_dir):  # without a checkpoint nothing can be lost
        config_file.check_same_run(config_file.load(run_dir), run, run_dir)
    elif run.checkpoint_dir and checkpoints.paths_in(files.place(run.checkpoint_dir)):
        raise InputError(
            f"--checkpoint-dir {run.checkpoint_dir} holds checkpoints of another run; give an "
            f"empty one, or put that run's config.yaml into {run_dir} to go on with it."
        )
    elif not has_run and run_dir.exists() and _holds_other_files(run_dir):
        raise InputError(f"--run-dir {run_dir} holds other things; give a new or empty directory.")
    say = (terminal or Terminal()).say
    with contextlib.ExitStack() as stack:
        for folder, option in _folders_to_lock(run, run_dir):
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locks.hold(folder, say, option))
        yield


def _folders_to_lock(run: config.RunConfig, run_dir: Path) -> list[tuple[Path, str]]:
    """Returns the run's local directories, each once, with the options that name them."""
    folders = [(run_dir, "--run-dir")]
    other = files.place(run.checkpoint_dir) if run.checkpoint_dir else None
    if isinstance(other, Path) and other.resolve() != run_dir.resolve():
        folders.append((other, "--checkpoint-dir"))
    return folders


def _holds_other_files(path: Path) -> bool:
    return not path.is_dir() or any(entry.name != locks.FILE for entry in path.iterdir())

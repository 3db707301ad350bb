"""Imports TensorFlow without its C++ log lines and without a search for TPUs."""

import contextlib
import gc
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

TPU_FILES = ("accel[0-9]*", "vfio/[0-9]*")  # device files of TPUs in /dev


def import_tensorflow():
    """Returns the module `tensorflow`; discards the stderr output of the first import.

    If no TPU is attached, tensorflow-tpu must not search the network for one: that takes many
    minutes.
    """
    if "tensorflow" not in sys.modules:
        if not tpu_files():
            os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with _without_stderr(), _without_collection():
            import tensorflow  # noqa: F401
        logging.getLogger("absl").setLevel(logging.ERROR)
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return sys.modules["tensorflow"]


def tpu_files(folder: Path = Path("/dev")) -> tuple[str, ...]:
    """Returns the device files of attached TPUs, such as /dev/accel0; empty if unreadable."""
    try:
        return tuple(
            path for pattern in TPU_FILES for path in sorted(map(str, folder.glob(pattern)))
        )
    except OSError:
        return ()


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """Pauses Python's garbage collector, which takes a fifth of the import and frees nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    if sys.stderr is None:  # the parent process closed it
        yield
        return
    sys.stderr.flush()
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)

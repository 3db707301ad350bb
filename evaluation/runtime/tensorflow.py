"""TensorFlow without the lines that its C++ part writes, and without its search for TPUs."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

TPU_FILES = ("accel[0-9]*", "vfio/[0-9]*")  # in /dev, of a TPU that is attached


def import_tensorflow():
    """The module `tensorflow`; on first import, what it says on stderr is dropped.

    Where no TPU is attached, tensorflow-tpu is kept from asking the network for one, which takes
    many minutes.
    """
    if "tensorflow" not in sys.modules:
        if not tpu_files():
            os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with _without_stderr():
            import tensorflow  # noqa: F401
        logging.getLogger("absl").setLevel(logging.ERROR)
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return sys.modules["tensorflow"]


def tpu_files(folder: Path = Path("/dev")) -> tuple[str, ...]:
    """The device files of attached TPUs, such as /dev/accel0; none if they cannot be read."""
    try:
        return tuple(
            path for pattern in TPU_FILES for path in sorted(map(str, folder.glob(pattern)))
        )
    except OSError:
        return ()


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    if sys.stderr is None:  # closed by who started the process
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

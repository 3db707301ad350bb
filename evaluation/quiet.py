"""TensorFlow without the lines that its C++ part writes to stderr before it can be told not to."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator


def import_tensorflow():
    """The module `tensorflow`; on first import, what it says on stderr is dropped."""
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with _without_stderr():
            import tensorflow  # noqa: F401
        logging.getLogger("absl").setLevel(logging.ERROR)
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return sys.modules["tensorflow"]


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
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

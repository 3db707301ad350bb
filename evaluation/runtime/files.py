"""The one way to write a file: whole, or not at all."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Opens a temporary file beside `path`; the file gets that name when the block ends.

    If the block raises, or the process dies, whatever `path` held before stays as it was.

    Raises:
      OSError: the folder is missing or cannot be written, or the disk is full.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}-{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "xb") as file:
            yield file
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

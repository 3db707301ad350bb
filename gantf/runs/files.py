"""Files by path or by URL: on the local disk, or wherever tf.io.gfile reaches.

`write` is the one way to write a file: to a temporary name first, then renamed.
"""

import contextlib
import dataclasses
import errno
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from evaluation import InputError

CHUNK = 2**18  # bytes; a hundred megabytes written at once take several times as long
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_OF_TENSORFLOW = {5: errno.ENOENT, 6: errno.EEXIST, 7: errno.EACCES, 8: errno.ENOSPC}
_OF_TENSORFLOW |= {16: errno.EACCES}  # the error codes of tf.errors, the rest is EREMOTEIO


@dataclasses.dataclass(frozen=True)
class Url:
    """A file or folder that tf.io.gfile reaches, with the methods of `Path` that gantf needs.

    The methods raise OSError as those of `Path` do, with the server's reason.
    """

    text: str

    def __str__(self) -> str:
        return self.text

    def __truediv__(self, name: str) -> "Url":
        return Url(f"{self.text.rstrip('/')}/{name}")

    @property
    def name(self) -> str:
        return self.text.rpartition("/")[2]

    @property
    def parent(self) -> "Url":
        return Url(self.text.rpartition("/")[0])

    def with_name(self, name: str) -> "Url":
        return self.parent / name

    def mkdir(self, parents: bool = True, exist_ok: bool = True) -> None:
        with self._gfile() as gfile:
            gfile.makedirs(self.text)

    def iterdir(self) -> Iterator["Url"]:
        with self._gfile() as gfile:
            names = gfile.listdir(self.text)
        return (self / name.rstrip("/") for name in names)

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Reads the whole file into memory."""
        return io.BytesIO(self.read_bytes())

    def read_bytes(self) -> bytes:
        with self._gfile() as gfile, gfile.GFile(self.text, "rb") as file:
            return file.read()

    def write_bytes(self, content: bytes) -> None:
        with self._gfile() as gfile, gfile.GFile(self.text, "wb") as file:
            file.write(content)

    def replace(self, target: "Url") -> None:
        with self._gfile() as gfile:
            gfile.rename(self.text, target.text, overwrite=True)

    def unlink(self, missing_ok: bool = False) -> None:
        try:
            with self._gfile() as gfile:
                gfile.remove(self.text)
        except FileNotFoundError:
            if not missing_ok:
                raise

    @contextlib.contextmanager
    def _gfile(self) -> Iterator:
        """Gives tf.io.gfile; turns its errors into OSError."""
        import tensorflow as tf

        try:
            yield tf.io.gfile
        except tf.errors.OpError as error:
            number = _OF_TENSORFLOW.get(error.error_code, errno.EREMOTEIO)
            reason = (error.message or "").strip() or os.strerror(number)
            raise OSError(number, reason.splitlines()[0], self.text) from None


Place = Path | Url


def place(text: str) -> Place:
    """Returns the path or the URL that a text names.

    Raises:
      InputError: TensorFlow does not reach this kind of URL.
    """
    scheme = re.match(r"(\w[\w+.-]*)://", text)
    if scheme is None:
        return Path(text)
    import tensorflow as tf

    schemes = sorted(filter(None, tf.io.gfile.get_registered_schemes()))
    if scheme[1] not in schemes:
        raise InputError(
            f"{text}: TensorFlow does not reach {scheme[0]} here; give a local directory, or "
            f"a URL of {', '.join(f'{name}://' for name in schemes)}."
        )
    return Url(text.rstrip("/"))


def stamp(path: Place) -> tuple[int, ...]:
    """Returns numbers that change when a file is rewritten.

    Raises:
      OSError: the file does not exist or cannot be reached.
    """
    if isinstance(path, Url):
        with path._gfile() as gfile:
            status = gfile.stat(path.text)
            return status.mtime_nsec, status.length
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


def write(path: Place, content: bytes, durable: bool = True) -> None:
    """Writes a file under a temporary name and renames it; a former file stays whole until then.

    Args:
      path: the file; its folder is made if it does not exist.
      content: of the file.
      durable: flush to the medium, and read the file back before it is renamed.

    Raises:
      InputError: the file cannot be written, or reads back differently; a former file is whole.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _put(temporary, content, durable)
        if durable and not _holds(temporary, content):
            raise InputError(
                f"{path} cannot be written: what is read back differs from what was written; "
                "what was saved before it is whole; check that disk, or give another place."
            )
        rename(temporary, path.name)
        if durable:
            _sync_folder(path.parent)
    except BaseException as error:  # Ctrl-C too
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritable(path, error) from None
        raise


def rename(path: Place, name: str) -> None:
    """Renames a file within its folder; replaces a file of the new name."""
    path.replace(path.with_name(name))  # type: ignore[arg-type]  # both are of the same kind


def unwritable(path: Place, error: OSError) -> InputError:
    """Returns the error for a file that could not be written: the path, the reason, the remedy."""
    remedy = "mend that"
    if error.errno in _FULL:
        remedy = "free some space there"
    elif error.errno in _FORBIDDEN:
        remedy = "make that place writable"
    return InputError(
        f"{path} cannot be written: {error.strerror or error}; what was saved before it is whole; "
        f"{remedy}, and the same command goes on."
    )


def _put(path: Place, content: bytes, durable: bool) -> None:
    """Writes a file; `durable` flushes a local one to the medium."""
    if isinstance(path, Url):
        path.write_bytes(content)
        return
    with path.open("wb") as file:
        for start in range(0, len(content), CHUNK):
            file.write(memoryview(content)[start : start + CHUNK])
        if durable:
            file.flush()
            os.fsync(file.fileno())


def _holds(path: Place, content: bytes) -> bool:
    """Returns whether a file holds exactly this content, read from the medium if possible."""
    if isinstance(path, Url):
        return path.read_bytes() == content
    with path.open("rb") as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        for start in range(0, len(content), CHUNK):
            chunk = file.read(CHUNK)
            if len(chunk) != min(CHUNK, len(content) - start) or not content.startswith(
                chunk, start
            ):
                return False
        return not file.read(1)


def _sync_folder(folder: Place) -> None:
    """Makes a renaming survive a power cut, if the file system supports it."""
    if isinstance(folder, Url):
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)

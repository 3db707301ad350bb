"""Where the weights of the Inception network are: in the cache directory, downloaded there once."""

import http.client
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from evaluation.errors import InputError
from evaluation.features import cache, inception_weights
from evaluation.runtime.files import atomic_write
from evaluation.sources.sampler import Progress

ADDRESSES = (
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
    "http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz",
)
NAMES = (
    "pt_inception-2015-12-05-6726825d.pth",
    "weights-inception-2015-12-05-6726825d.pth",
    "inception-2015-12-05.tgz",
    inception_weights.GRAPH_FILE,
)
STAGE = "downloading Inception's weights"
CHUNK = 1 << 18  # bytes
PATIENCE_SECONDS = 30


class _NotHad(Exception):
    """Why an address did not give the file."""


def directory() -> Path:
    """Where the weights are looked for, and kept."""
    return cache.directory() / "weights"


def present() -> list[Path]:
    """The files in the directory that have a published file's name."""
    return [directory() / name for name in NAMES if (directory() / name).is_file()]


def find(progress: Progress | None = None) -> Path:
    """A file of the published weights, whole: from the directory, or else downloaded there.

    Args:
      progress: called with (stage, bytes done, bytes in all) during a download.

    Raises:
      InputError: a file there is truncated or another one; the directory cannot be written; or
        there is no file, and it cannot be downloaded: which to bring, and where to, is said.
    """
    for path in present():
        wrong = _difference(path)
        if wrong:
            raise InputError(
                f"{path} is truncated or another file ({wrong}); delete it, or name it with "
                "--weights if you mean it."
            )
        return path
    reasons = []
    for address in ADDRESSES:
        try:
            return _download(address, directory(), progress)
        except _NotHad as error:
            reasons.append(f"{address}: {error}")
    raise InputError(
        f"Inception's weights are not in {directory()} and could not be downloaded "
        f"({'; '.join(reasons)}); put {NAMES[0]} or {NAMES[2]} there, which these addresses "
        "publish, or name such a file with --weights."
    )


def _difference(path: Path) -> str:
    """How a file differs from the published ones, by its hash; empty where it is one of them."""
    sha256 = inception_weights.sha256_of(path)
    if sha256 in inception_weights.PUBLISHED:
        return ""
    return f"its SHA-256 is {sha256}, not {' or '.join(inception_weights.PUBLISHED)}"


def _download(address: str, folder: Path, progress: Progress | None) -> Path:
    """Downloads a file beside its place, checks it, and moves it there whole."""
    target = folder / address.rpartition("/")[2]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(target) as file:
            _fetch(address, file, progress)
            file.flush()
            try:
                wrong = _difference(Path(file.name))
            except InputError:
                wrong = "it is damaged"
            if wrong:
                raise _NotHad(wrong)
        return target
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror or error}); make room there, or set "
            "GANTF_CACHE to another directory."
        ) from None


def _fetch(address: str, file: IO[bytes], progress: Progress | None) -> None:
    """Writes what an address answers to a file.

    Raises:
      _NotHad: it cannot be reached, or answers with an error or with less than it announced.
    """
    try:
        response = urllib.request.urlopen(address, timeout=PATIENCE_SECONDS)
    except (OSError, http.client.HTTPException, ValueError) as error:  # it may redirect to no URL
        raise _NotHad(_reason(error)) from None
    with response:
        length = response.headers.get("Content-Length") or ""
        announced, done = int(length) if length.isdecimal() else 0, 0
        while True:
            try:
                chunk = response.read(CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise _NotHad(_reason(error)) from None
            if not chunk:
                break
            file.write(chunk)
            done += len(chunk)
            if progress:
                progress(STAGE, done, announced)
    if announced and done != announced:
        raise _NotHad(f"the transfer broke off after {done} of {announced} bytes")


def _reason(error: Exception) -> str:
    """One line of an error."""
    reason = getattr(error, "reason", None) or error
    text = " ".join(str(reason).split()) or type(error).__name__
    code = getattr(error, "code", None)
    return f"{code} {text}" if code else text

"""Finds the weights of the Inception network in the cache directory, or downloads them there."""

import http.client
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from evaluation.errors import InputError
from evaluation.features import cache as feature_cache
from evaluation.features import inception_weights
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
TIMEOUT_SECONDS = 30


class _DownloadError(Exception):
    """The reason why a download failed."""


def directory() -> Path:
    """Returns the directory of the weights."""
    return feature_cache.directory() / "weights"


def present() -> list[Path]:
    """Returns the files in the directory that have a published file's name."""
    return [directory() / name for name in NAMES if (directory() / name).is_file()]


def find(progress: Progress | None = None) -> Path:
    """Returns the path of the published weights, after a download if necessary; checks their hash.

    Args:
      progress: called with (stage, bytes done, total bytes) during a download.

    Raises:
      InputError: the file is not a published one, the directory cannot be written, or the download
        failed; the message then says which file to put where.
    """
    for path in present():
        wrong = _difference(path)
        if wrong:
            raise InputError(
                f"{path} is truncated or another file ({wrong}); delete it, or name it with "
                "--weights to use it anyway."
            )
        return path
    reasons = []
    for address in ADDRESSES:
        try:
            return _download(address, directory(), progress)
        except _DownloadError as error:
            reasons.append(f"{address}: {error}")
    raise InputError(
        f"Inception's weights are not in {directory()} and could not be downloaded "
        f"({'; '.join(reasons)}); put {NAMES[0]} or {NAMES[2]} there, which these addresses "
        "publish, or name such a file with --weights."
    )


def _difference(path: Path) -> str:
    """Describes how a file's hash differs from the published ones; empty if it is published."""
    sha256 = inception_weights.sha256_of(path)
    if sha256 in inception_weights.PUBLISHED:
        return ""
    return f"its SHA-256 is {sha256}, not {' or '.join(inception_weights.PUBLISHED)}"


def _download(address: str, folder: Path, progress: Progress | None) -> Path:
    """Downloads a file, checks its hash, and moves it to its final path."""
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
                raise _DownloadError(wrong)
        return target
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror or error}); make room there, or set "
            "GANTF_CACHE to another directory."
        ) from None


def _fetch(address: str, file: IO[bytes], progress: Progress | None) -> None:
    """Downloads an address to a file.

    Raises:
      _DownloadError: the server cannot be reached, or returns an error or too few bytes.
    """
    try:
        response = urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS)
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: bad redirect
        raise _DownloadError(_reason(error)) from None
    with response:
        length = response.headers.get("Content-Length") or ""
        announced, done = int(length) if length.isdecimal() else 0, 0
        while True:
            try:
                chunk = response.read(CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise _DownloadError(_reason(error)) from None
            if not chunk:
                break
            file.write(chunk)
            done += len(chunk)
            if progress:
                progress(STAGE, done, announced)
    if announced and done != announced:
        raise _DownloadError(f"the download stopped after {done} of {announced} bytes")


def _reason(error: Exception) -> str:
    """Returns an error's message on one line."""
    reason = getattr(error, "reason", None) or error
    text = " ".join(str(reason).split()) or type(error).__name__
    code = getattr(error, "code", None)
    return f"{code} {text}" if code else text

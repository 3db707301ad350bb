"""By what features are known: hashes of files, versions of programs, and all that decides them."""

import hashlib
import importlib.metadata
from pathlib import Path
from typing import Any

from evaluation.features.extractor import Extractor
from evaluation.features.stream import Stream


def facts(stream: Stream, extractor: Extractor) -> dict[str, Any] | None:
    """Everything that decides the features of a stream (see `cache.key`); None if unknown."""
    if stream.facts is None or not extractor.sha256:
        return None
    versions = {name: version(name) for name in ("gantf", "numpy", *extractor.packages)}
    network = {"sha256": extractor.sha256, "settings": dict(extractor.settings)}
    shape = list(stream.shape)
    return {**stream.facts, "shape": shape, "features": network, "versions": versions} | {
        "count": stream.count,
    }


def state(path: str | None) -> str | None:
    """The content of a file and of the .json beside it, as a hash; None where there is no file."""
    if not path or not Path(path).exists():
        return None
    return content_sha256(Path(path), Path(path).with_suffix(".json"))


def content_sha256(*paths: Path) -> str:
    """One hash of files and of all that is in directories, whatever they are called."""
    digest = hashlib.sha256()
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in (file for file in files if file.is_file()):
            with open(file, "rb") as content:
                inner = hashlib.file_digest(content, "sha256").hexdigest()
            digest.update(f"{file.relative_to(path)} {inner}\n".encode())
    return digest.hexdigest()


def version(package: str) -> str:
    """The installed version of a package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"

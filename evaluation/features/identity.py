"""Identifies features for the cache: file hashes, package versions, and all settings."""

import hashlib
import importlib.metadata
from pathlib import Path
from typing import Any

from evaluation.features.extractor import Extractor
from evaluation.features.stream import Stream


def facts(stream: Stream, extractor: Extractor) -> dict[str, Any] | None:
    """Returns all facts that decide a stream's features (see `cache.key`); None without a hash."""
    images = stream.facts() if extractor.sha256 else None
    if images is None:
        return None
    versions = {name: version(name) for name in ("gantf", "numpy", *extractor.packages)}
    network = {"sha256": extractor.sha256, "settings": dict(extractor.settings)}
    shape = list(stream.shape)
    return {**images, "shape": shape, "features": network, "versions": versions} | {
        "count": stream.count,
    }


def state(path: str | None) -> str | None:
    """Hashes a file together with the .json beside it; returns None if there is no file."""
    if not path or not Path(path).exists():
        return None
    return content_sha256(Path(path), Path(path).with_suffix(".json"))


def content_sha256(*paths: Path) -> str:
    """Hashes files, and all files in directories; the paths' own names do not matter."""
    digest = hashlib.sha256()
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in (file for file in files if file.is_file()):
            with open(file, "rb") as content:
                inner = hashlib.file_digest(content, "sha256").hexdigest()
            digest.update(f"{file.relative_to(path)} {inner}\n".encode())
    return digest.hexdigest()


def version(package: str) -> str:
    """Returns the installed version of a package, or "not installed"."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"

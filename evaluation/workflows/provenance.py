"""Records the origin of an evaluation's scores: images, features and versions of programs."""

import datetime
import importlib.metadata
import sys
from collections.abc import Sequence
from typing import Any

from evaluation.core.versions import versions
from evaluation.features import Features
from evaluation.results.result import Result
from evaluation.sources.images import Images
from evaluation.sources.sampler import Sampler
from evaluation.workflows.image_sets import Comparison


def has_equal_n(result: Result, floor: Result | None) -> bool:
    """Returns True if result and floor both have a plain FID, with equal numbers of images."""
    if floor is None or "fid" not in result or "fid" not in floor:
        return False
    ours, theirs = result["fid"], floor["fid"]
    same_n = (ours.n_real, ours.n_fake) == (theirs.n_real, theirs.n_fake)
    return same_n and theirs.details.get("plain", 0.0) > 0


def compare_plain_fid(
    result: Result, floor: Result | None, draws: Sequence[float]
) -> dict[str, float | None]:
    """Compares the uncorrected FID with that of the floor.

    An ideal generator has the floor's bias. Its plain FID is larger than the floor if the held-out
    split is stratified, since a generator draws its classes at random.

    Args:
      result: scores of the generated images.
      floor: scores of real images.
      draws: plain FIDs of several draws of generated images; if empty, that of `result` is used.

    Returns:
      The mean of `draws`, their number, the mean divided by the floor's plain FID, and the plain
      FID of an ideal generator. All are None if the numbers of images differ.
    """
    names = ("fid_plain", "fid_plain_draws", "fid_plain_over_floor", "fid_plain_ideal")
    if floor is None or not has_equal_n(result, floor):
        return dict.fromkeys(names)
    details = floor["fid"].details
    plains = list(draws) or [result["fid"].details["plain"]]
    mean = sum(plains) / len(plains)
    ideal = details["bias"] if details.get("regime") == "two orders" else None
    return dict(zip(names, (mean, len(plains), mean / details["plain"], ideal), strict=True))


def describe(
    sets: Comparison,
    real: Features,
    fake: Features,
    notes: list[str],
    seconds: dict[str, float],
) -> dict[str, Any]:
    """Returns the images, the features and the versions of an evaluation, as JSON types."""
    contract = dict(sets.source.contract) if isinstance(sets.source, Sampler) else {}
    inferred = list(sets.source.inferred) if isinstance(sets.source, Sampler) else []
    if inferred:
        notes.append(f"Inferred, as nothing declares it: {', '.join(inferred)}.")
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "generator": sets.fake.name,
        "reference": sets.real.name,
        "floor": _floor_names(sets),
        "n": len(sets.fake),
        "features": {
            "name": real.name,
            "dim": int(real.features.shape[1]),
            "sha256": real.sha256,
            "settings": dict(real.settings),
            "classes": list(real.classes),
        },
        "images": {
            "real": _describe_images(sets.real, real.images),
            "fake": _describe_images(sets.fake, fake.images),
        },
        "contract": contract,
        "inferred": inferred,
        "data": contract.get("data"),
        "step": contract.get("step"),
        "notes": notes,
        "seconds": seconds,
        "versions": _versions(),
    }


def _floor_names(sets: Comparison) -> list[str] | None:
    if sets.held_out is not None:
        return [sets.real.name, sets.held_out.name]
    return [sets.real.name] * 2 if sets.halves is not None else None


def _describe_images(images: Images, sha256: str | None) -> dict[str, Any]:
    count, height, width, channels = images.images.shape
    return {
        "count": count,
        "height": height,
        "width": width,
        "channels": channels,
        "sha256": sha256,
        "skipped": list(images.skipped),
    }


def _versions() -> dict[str, str]:
    """Returns the versions of all programs that affect the scores."""
    result = versions()
    for package in ("tensorflow", "keras"):
        if package in sys.modules:
            result[package] = importlib.metadata.version(package)
    return result

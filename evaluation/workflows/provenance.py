"""What an evaluation records beside its scores: what was compared, by what, with which versions."""

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
    """Whether the plain FID and its floor are there, of as many images."""
    if floor is None or "fid" not in result or "fid" not in floor:
        return False
    ours, theirs = result["fid"], floor["fid"]
    same_n = (ours.n_real, ours.n_fake) == (theirs.n_real, theirs.n_fake)
    return same_n and theirs.details.get("plain", 0.0) > 0


def plain_fid(
    result: Result, floor: Result | None, of_draws: Sequence[float]
) -> dict[str, float | None]:
    """The uncorrected FID against the floor's, where both have as many images.

    `of_draws` are the plain FIDs of several draws of that many images, whose mean is taken; where
    there are none, that of the images judged. Also what sampling alone gives an ideal generator:
    the floor's bias. It is more than the floor where the held-out split is stratified, since a
    generator draws its classes at random.
    """
    names = ("fid_plain", "fid_plain_draws", "fid_plain_over_floor", "fid_plain_ideal")
    if floor is None or not has_equal_n(result, floor):
        return dict.fromkeys(names)
    theirs = floor["fid"].details
    plains = list(of_draws) or [result["fid"].details["plain"]]
    mean = sum(plains) / len(plains)
    ideal = theirs["bias"] if theirs.get("regime") == "two orders" else None
    return dict(zip(names, (mean, len(plains), mean / theirs["plain"], ideal), strict=True))


def describe(
    sets: Comparison, real: Features, notes: list[str], seconds: dict[str, float]
) -> dict[str, Any]:
    """What was compared and by what, as plain JSON types."""
    contract = dict(sets.source.contract) if isinstance(sets.source, Sampler) else {}
    inferred = list(sets.source.inferred) if isinstance(sets.source, Sampler) else []
    if inferred:
        notes.append(f"Inferred, as nothing declares it: {', '.join(inferred)}.")
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "generator": sets.fake.name,
        "reference": sets.real.name,
        "floor": [x.name for x in sets.floor] if sets.floor else None,
        "n": len(sets.fake),
        "features": {
            "name": real.name,
            "dim": int(real.features.shape[1]),
            "sha256": real.sha256,
            "settings": dict(real.settings),
            "classes": list(real.classes),
        },
        "images": {"real": _described(sets.real), "fake": _described(sets.fake)},
        "contract": contract,
        "inferred": inferred,
        "data": contract.get("data"),
        "step": contract.get("step"),
        "notes": notes,
        "seconds": seconds,
        "versions": _versions(),
    }


def _described(images: Images) -> dict[str, Any]:
    count, height, width, channels = images.images.shape
    return {
        "count": count,
        "height": height,
        "width": width,
        "channels": channels,
        "sha256": images.sha256,
        "skipped": list(images.skipped),
    }


def _versions() -> dict[str, str]:
    """Versions of all that decides the numbers."""
    found = versions()
    for package in ("tensorflow", "keras"):
        if package in sys.modules:
            found[package] = importlib.metadata.version(package)
    return found

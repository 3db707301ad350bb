"""Computes the plain FID when a side has only a mean and a covariance."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from evaluation.core.estimate import Estimate
from evaluation.core.versions import versions
from evaluation.distances.frechet import distance_of_moments
from evaluation.distances.moments import Moments
from evaluation.errors import InputError
from evaluation.features import Features
from evaluation.features.files.statistics import Statistics, statistics_of
from evaluation.measurement import bound_settings
from evaluation.results.result import Result

Side = Features | Statistics


def evaluate(
    sides: Mapping[str, Side],
    names: Mapping[str, str],
    metrics: tuple[str, ...] | None,
    settings: Mapping[str, Any],
    notes: list[str],
) -> Result:
    """Computes the plain FID, the only metric that a mean and a covariance define.

    Args:
      sides: "real" and "fake"; at least one is `Statistics`.
      names: names of both sides, for errors.
      metrics: names; None for "fid".
      settings: "protocol", "level" and "seed".
      notes: sentences; this function may append to them.

    Raises:
      InputError: a metric reads features, or the protocol needs a number of images that is missing.
    """
    alone = next(side for side, content in sides.items() if isinstance(content, Statistics))
    for name in metrics or ():
        if name != "fid":
            raise InputError(
                f"{names[alone]} holds mean and covariance alone, and {name} reads features; give "
                "images, or features saved by evaluation.save_features, or ask for fid only."
            )
    protocol = settings["protocol"]
    bound = bound_settings(("fid",), protocol, None)["fid"] | {"estimator": "plain"}
    if protocol == "default":
        notes.append("From mean and covariance alone FID is the plain one, without an interval.")
    ddof = bound["ddof"]
    moments = {side: _moments(content, names[side], ddof) for side, content in sides.items()}
    gap = None
    if bound["float32_mean"]:
        means = [_float32_mean(side) for side in (sides["real"], sides["fake"])]
        gap = means[0] - means[1]
    value = distance_of_moments(moments["real"], moments["fake"], gap, ddof)
    counts = {side: count(content) or 0 for side, content in sides.items()}
    fid = Estimate(
        metric="fid",
        value=value,
        low=np.nan,
        high=np.nan,
        level=np.nan,
        method="plain, biased upwards; no interval",
        target="both populations",
        better="lower",
        protocol=protocol,
        n_real=counts["real"],
        n_fake=counts["fake"],
        settings=bound,
        details={"plain": value},
    )
    context = dict(settings) | {"versions": versions()}
    return Result({"fid": fid}, context=context)


def _moments(side: Side, name: str, ddof: int) -> Moments:
    """Returns the moments, with a covariance that fits `ddof`."""
    if isinstance(side, Features):
        return statistics_of(side).moments()
    if side.n is not None:
        return side.moments()
    if ddof != 1:
        raise InputError(
            f"{name} does not say of how many images it is, and this protocol divides covariances "
            "by that number; use a protocol such as ttur, or statistics of the form gantf."
        )
    return Moments(2, side.mean, side.covariance)


def _float32_mean(side: Side) -> np.ndarray:
    """Returns the mean of float32 features as some programs compute it, or the mean in the file."""
    if isinstance(side, Statistics):
        return side.mean
    return side.features.astype(np.float32).mean(axis=0).astype(np.float64)


def count(side: Side) -> int | None:
    """Returns the number of images of a side, or None if its file does not contain it."""
    return len(side.features) if isinstance(side, Features) else side.n

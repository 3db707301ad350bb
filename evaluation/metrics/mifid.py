"""MiFID: the Fréchet distance, divided by a small number if training rows were copied.

It is one number that a generator cannot win by replaying its training data: if generated rows are
on average too near to training rows, the Fréchet distance is enlarged.

It misleads when the threshold does not fit the features (0.1 was chosen for Inception's pool layer;
with other features the mean distance may always or never fall below it), and when only a part of
the rows is copied and the mean hides it. Like the Fréchet distance, it sees means and covariances
only. It jumps at the threshold.
"""

import math

import numpy as np

from evaluation.core.arrays import blocks
from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.errors import InputError
from evaluation.metrics import fid
from evaluation.statistics.mean import mean_interval

READS = "features"
NEEDS = ("real", "fake", "train")
BETTER = "lower"
COLLAPSE = "higher"

LEAST_ROWS = 20
BLOCK_ENTRIES = 4_000_000  # distances held at once
PENALTY_ERROR = 0.1  # fraction of the error 1 - level that the interval of d may use
TINY = 1e-14  # added to the distance, as the programs do; copies have distance 0


def estimate(
    pair: Pair, *, level: float, seed: int, threshold: float = 0.1, estimator: str = "corrected"
) -> MetricValue:
    """FID / d where d < threshold, else FID; d = mean_i min_j (1 - |cos(fake_i, train_j)|).

    For fixed training rows, d is a mean of independent numbers and has Student's interval. A tenth
    of the error probability 1 - level is spent on the interval of d, the rest on that of FID; see
    `fid`. The ends are the smallest and the largest quotient of the two intervals (Bonferroni). If
    the interval of d contains the threshold, the quotients with and without division count. Without
    copying, the interval covers as often as FID's; with copying, more often than the level.

    Args:
      pair: features; `train` are the rows that the generator was trained on, t >= 1; n and m >= 20
        rows, none all zero.
      level: confidence level of the interval.
      seed: seed of the random halves, as in `fid`.
      threshold: mean distance below which the generator counts as copying, in [0, 1].
      estimator: estimator of the Fréchet distance: "corrected", or "plain": uncorrected, no
        interval.

    Returns:
      The estimate, about 1e14 FID if all rows are copied. Details: "distance" (d), "distance_low",
      "distance_high", "copying" (d < threshold), "fid", "fid_low" and "fid_high".

    Raises:
      InputError: too few rows, a row of zeros, or a wrong setting.

    Source:
      Bai et al. 2021, arXiv:2106.03062.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> train, held_out, fake = np.random.default_rng(0).standard_normal((3, 300, 8))
      >>> score = measure(held_out, fake, "mifid", train_features=train)["mifid"]
      >>> score.details["copying"], score.value == score.details["fid"]
      (False, True)
      >>> copies = measure(held_out, train + 0.01 * fake, "mifid", train_features=train)["mifid"]
      >>> copies.details["copying"]
      True
    """
    if not 0.0 <= threshold <= 1.0:
        raise InputError(f"mifid setting threshold={threshold}; it must lie in [0, 1]")
    pair.require("mifid", LEAST_ROWS, LEAST_ROWS, "with an interval", train=1)
    assert pair.train is not None
    distances = np.sort(cosine_distances(pair.train, pair.fake))
    error = 1.0 - level
    near, far, _ = mean_interval(distances, 1.0 - PENALTY_ERROR * error, 0.0, 1.0)
    distance, near = float(distances.mean()), max(near, 0.0)  # no distance is negative
    frechet = fid.estimate(
        pair, level=1.0 - (1.0 - PENALTY_ERROR) * error, seed=seed, estimator=estimator
    )
    value = frechet.value / _divisor(distance, threshold)
    divisors = [_divisor(d, threshold) for d in (near, far)]
    if near < threshold <= far:
        divisors.append(threshold + TINY)
    low, high = math.nan, math.nan
    if math.isfinite(frechet.low):
        low = min(value, *(frechet.low / d for d in divisors))
        high = max(value, *(frechet.high / d for d in divisors))
    return MetricValue(
        value=value,
        low=low,
        high=high,
        method=f"{frechet.method}; t for the penalty",
        target=frechet.target,
        details={
            "distance": distance,
            "distance_low": near,
            "distance_high": far,
            "copying": distance < threshold,
            "fid": frechet.value,
            "fid_low": frechet.low,
            "fid_high": frechet.high,
        },
    )


def _divisor(distance: float, threshold: float) -> float:
    """Returns the divisor of FID: the distance if it counts as copying, else 1."""
    return distance + TINY if distance < threshold else 1.0


def cosine_distances(reference: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Computes 1 - |cos| of each row to its nearest reference row, in blocks.

    Args:
      reference: shape (t, d).
      rows: shape (m, d).

    Returns:
      float64, shape (m,), in [0, 1].

    Raises:
      InputError: a row of zeros, which has no direction.
    """
    lengths = []
    for name, side in (("train_features", reference), ("fake_features", rows)):
        lengths.append(np.concatenate([np.linalg.norm(part, axis=1) for part in blocks(side)]))
        if (lengths[-1] == 0.0).any():
            raise InputError(
                f"{name} row {int(np.argmin(lengths[-1]))} is all zeros; mifid needs directions:"
                " leave such rows out"
            )
    step = max(1, BLOCK_ENTRIES // max(len(reference), rows.shape[1]))
    part_rows = max(1, BLOCK_ENTRIES // rows.shape[1])
    answer = np.empty(len(rows))
    for start in range(0, len(rows), step):
        here = slice(start, start + step)
        block = rows[here].astype(np.float64) / lengths[1][here, None]
        best = np.zeros(len(block))
        for first in range(0, len(reference), part_rows):
            part = reference[first : first + part_rows].astype(np.float64)
            part /= lengths[0][first : first + part_rows, None]
            np.maximum(best, np.abs(block @ part.T).max(axis=1), out=best)
        answer[here] = 1.0 - np.minimum(best, 1.0)  # rounding may leave a cosine above 1
    return answer

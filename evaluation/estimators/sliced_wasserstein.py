"""Rows on random lines, where sorting solves optimal transport.

On a line the squared 2-Wasserstein distance is W = int_0^1 (F^-1(t) - G^-1(t))^2 dt. With gap the
difference of the means, W = (u.gap)^2 + the W of the centred samples. The mean of (u.gap)^2 over
all directions u of d dimensions is |gap|^2 / d, so that part needs no directions. The rest is
averaged over random directions.

Two samples of one distribution have W > 0. This excess falls like log log n / n for Gaussians and
more slowly for heavier tails, so no jackknife removes it. Its cause is the square of a sample's
noise. With halves A, B of one sample and C, D of the other, int (A^-1 - C^-1)(B^-1 - D^-1)
multiplies independent noise instead. Its mean is the squared distance of the mean quantile
functions of such halves: exactly 0 at equal distributions, with any tails, and otherwise a little
less than W. Halves made of quarters measure the shortfall, which is nearly twice as large for them.
"""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from evaluation.core import validation
from evaluation.core.arrays import blocks
from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.errors import InputError
from evaluation.statistics.binomial import normal_quantile
from evaluation.statistics.halves import shuffled_indices

LEAST_ROWS = 20  # for an interval
LEAST_DIRECTIONS = 30  # for the variance over directions
MOST_DIRECTIONS = 100_000  # all are held at once
BLOCK_ENTRIES = 2_000_000  # projections held at once
PARTS = 4
STREAM = 0x511CED  # keeps directions apart from data that were drawn with the same seed


def directions(count: int, dim: int, seed: int) -> np.ndarray:
    """Draws independent uniform unit vectors, float64, shape (count, dim)."""
    drawn = np.random.default_rng((STREAM, seed)).standard_normal((count, dim))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def project(rows: np.ndarray, centre: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Computes (rows - centre).u, rows (n, d) in blocks, units u (k, d); float64, shape (k, n)."""
    answer, start = np.empty((len(units), len(rows))), 0
    for block in blocks(rows):
        answer[:, start : start + len(block)] = units @ (block - centre).T
        start += len(block)
    return answer


def integrals(ascending: np.ndarray, steps: int) -> np.ndarray:
    """Integrates a sample quantile function over each of `steps` equal parts of [0, 1].

    Args:
      ascending: sorted samples, shape (k, n).
      steps: >= 1.

    Returns:
      Shape (k, steps), exact: the quantile function of n values is constant on n equal parts.
    """
    n = ascending.shape[1]
    if steps == n:
        return ascending / n
    ends = np.arange(1, steps) * n
    whole, part = ends // steps, (ends % steps) / steps
    sums = np.cumsum(ascending, axis=1)
    inner = sums[:, whole - 1] * (whole > 0) + part * ascending[:, whole]
    zero = np.zeros((len(sums), 1))
    return np.diff(np.concatenate([zero, inner, sums[:, -1:]], axis=1), axis=1) / n


def wasserstein2(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Computes squared 2-Wasserstein distances of samples on lines, exact for unequal sizes.

    Args:
      first: float64, shape (k, n), in any order.
      second: float64, shape (k, m).

    Returns:
      Shape (k,), >= 0 but for rounding.

    Source:
      Peyré & Cuturi 2019, Computational Optimal Transport, remark 2.30.

    Example:
      >>> wasserstein2(np.array([[0.0, 1.0]]), np.array([[0.0, 0.5, 1.0]])).round(4).tolist()
      [0.0833]
    """
    middle = first.mean(axis=1, keepdims=True)
    return _distances(np.sort(first - middle, axis=1), np.sort(second - middle, axis=1))


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Computes `wasserstein2` of sorted samples (k, n) and (k, m) that lie around 0."""
    crossed = np.einsum("ij,ij->i", first, integrals(second, first.shape[1]))
    return np.square(first).mean(axis=1) + np.square(second).mean(axis=1) - 2.0 * crossed


def influences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Contribution of each value of the first sample to W, for sorted samples (k, n) and (k, m).

    It is Kantorovich's potential, int 2 (x - T(x)) dx, where T maps the first sample onto the
    second, by the trapezium rule between neighbouring values.

    Returns:
      Shape (k, n), mean 0; variance / n is the variance of W that comes from the first sample.

    Source:
      Del Barrio & Loubes 2019, Annals of Probability 47(2), 926-951.
    """
    n = first.shape[1]
    apart = first - n * integrals(second, n)
    steps = np.diff(first, axis=1) * (apart[:, 1:] + apart[:, :-1])
    potential = np.concatenate([np.zeros((len(first), 1)), np.cumsum(steps, axis=1)], axis=1)
    return potential - potential.mean(axis=1, keepdims=True)


def random_labels(count: int, order: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draws four disjoint random parts of `size` of n rows, anew for each of `count` directions.

    Args:
      count: number of directions, k.
      order: order of the rows from `shuffled_indices`, shape (n,), so that the parts depend on the
        rows and not on their positions.
      size: rows in each part, at most n / 4; the remaining rows have label 4.
      rng: source of the random numbers.

    Returns:
      int8, shape (k, n), 0 to 4.
    """
    n = len(order)
    labels = np.full(n, PARTS, dtype=np.int8)
    labels[: PARTS * size] = np.repeat(np.arange(PARTS), size)
    answer = np.empty((count, n), dtype=np.int8)
    answer[:, order] = rng.permuted(np.broadcast_to(labels, (count, n)), axis=1)
    return answer


def unbiased(samples: tuple[np.ndarray, np.ndarray], labels: list[np.ndarray]) -> np.ndarray:
    """Estimates W of the two centred distributions without bias, from four parts of each sample.

    Each half of a sample consists of two parts. The estimate is 2 U_half - U_quarter. Both U are
    products: the difference of the two samples' quantile functions in one half, times the same
    difference in the other half. U_half uses the quantile function of the half. U_quarter uses the
    mean of the quantile functions of the two parts instead.

    Args:
      samples: both sorted, shapes (k, n) and (k, m).
      labels: labels of their values, see `random_labels`, equally many of each part in both.

    Returns:
      Shape (k,), may be negative.
    """
    halves, quarters = [], []
    for one, two in ((0, 1), (2, 3)):
        half = [
            _part(x, (which == one) | (which == two))
            for x, which in zip(samples, labels, strict=True)
        ]
        mean = [
            (_part(x, which == one) + _part(x, which == two)) / 2.0
            for x, which in zip(samples, labels, strict=True)
        ]
        halves.append(half[0] - half[1])
        quarters.append(mean[0] - mean[1])
    return np.mean(2.0 * halves[0] * halves[1], axis=1) - np.mean(quarters[0] * quarters[1], axis=1)


def _part(ascending: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Returns the chosen values, equally many in each row, less their mean."""
    values = ascending[chosen].reshape(len(ascending), -1)
    return values - values.mean(axis=1, keepdims=True)


@dataclasses.dataclass(frozen=True)
class Sliced:
    """The mean of W over directions.

    Attributes:
      plain: mean of the samples' own W over the drawn directions, >= 0.
      value: estimate, without bias, of the mean for the two distributions over all directions; may
        be negative.
      variance: variance of `value` over samples.
      variance_of_directions: variance of `value` over directions; nan for a single direction.
    """

    plain: float
    value: float
    variance: float
    variance_of_directions: float


def sliced(real: np.ndarray, fake: np.ndarray, count: int, seed: int) -> Sliced:
    """Mean of W between rows (n, d) and (m, d), n and m >= 8, over `count` directions."""
    sides = real, fake
    n, m, d = len(real), len(fake), real.shape[1]
    means = [_mean(x) for x in sides]
    gap = means[0] - means[1]
    orders = [shuffled_indices(x, seed + side) for side, x in enumerate(sides)]
    rngs = [np.random.default_rng((STREAM, seed, side)) for side in range(2)]
    size = min(n, m) // PARTS
    plain, fair, added = [], [], [np.zeros(n), np.zeros(m)]
    for units in _chunks(directions(count, d, seed), max(n, m)):
        lines = [project(x, mean, units) for x, mean in zip(sides, means, strict=True)]
        ranks = [np.argsort(x, axis=1) for x in lines]
        a, b = (np.take_along_axis(x, r, axis=1) for x, r in zip(lines, ranks, strict=True))
        plain.append(np.square(units @ gap) + _distances(a, b))
        for side, influence in enumerate((influences(a, b), influences(b, a))):
            np.put_along_axis(lines[side], ranks[side], influence, axis=1)
            added[side] += lines[side].sum(axis=0)
        labels = [
            random_labels(len(units), order, size, rng)
            for order, rng in zip(orders, rngs, strict=True)
        ]
        labels = [np.take_along_axis(x, r, axis=1) for x, r in zip(labels, ranks, strict=True)]
        fair.append(unbiased((a, b), labels))
    centred = np.concatenate(fair)
    value, variance = float(centred.mean() + gap @ gap / d), 0.0
    for total, rows, mean, toward in zip(added, sides, means, (gap, -gap), strict=True):
        along = project(rows, mean, toward[None])[0]
        variance += float(np.var(total / count + 2.0 * along / d, ddof=1)) / len(rows)
        value -= _trace(rows, mean) / (len(rows) * d)
    return Sliced(
        plain=float(np.concatenate(plain).mean()),
        value=value,
        variance=variance,
        variance_of_directions=float(np.var(centred, ddof=1)) / count if count > 1 else math.nan,
    )


def _chunks(units: np.ndarray, rows: int) -> Iterator[np.ndarray]:
    """Yields directions, as many at once as projections fit in memory."""
    step = max(1, BLOCK_ENTRIES // rows)
    for start in range(0, len(units), step):
        yield units[start : start + step]


def _mean(rows: np.ndarray) -> np.ndarray:
    """Returns the mean in float64, shape (d,)."""
    total = np.zeros(rows.shape[1])
    for block in blocks(rows):
        total += block.sum(axis=0)
    return total / len(rows)


def _trace(rows: np.ndarray, mean: np.ndarray) -> float:
    """Returns the trace of the rows' covariance."""
    return sum(float(np.square(block - mean).sum()) for block in blocks(rows)) / (len(rows) - 1)


def sliced_wasserstein_value(
    pair: Pair,
    metric: str,
    level: float,
    seed: int,
    projections: int,
    estimator: str,
    scale: float,
) -> MetricValue:
    """Returns `scale` times the mean of W over directions as a metric; see `metrics/mind.py`."""
    if estimator not in ("corrected", "plain"):
        raise InputError(f"{metric} setting estimator={estimator!r}; use 'corrected' or 'plain'")
    least = LEAST_DIRECTIONS if estimator == "corrected" else 1
    validation.check_whole(f"{metric} setting projections", projections, least, MOST_DIRECTIONS)
    pair.require(metric, LEAST_ROWS, LEAST_ROWS, "with an interval")
    real, fake = pair.real, pair.fake
    assert real is not None
    if all((block == real[0]).all() for block in blocks(real)):
        raise InputError(
            f"real_{pair.kind} has identical rows only; {metric} needs rows that differ"
        )
    distance = sliced(real, fake, projections, seed)
    if estimator == "plain":
        return MetricValue(
            scale * distance.plain,
            method="plain, biased upwards; no interval",
            target="both populations",
        )
    value, plain = scale * distance.value, scale * distance.plain
    error = scale * math.sqrt(distance.variance + distance.variance_of_directions)
    half = normal_quantile(level) * error
    high, method = max(value + half, 0.0), "independent halves, potentials"
    if pair.dependent and plain > high:
        high, method = plain, f"{method}; rows shared, widened"
    return MetricValue(
        value=value,
        low=value - half,
        high=high,
        method=method,
        target="both populations",
        details={
            "plain": plain,
            "bias": plain - value,
            "standard_error": error,
            "standard_error_of_directions": scale * math.sqrt(distance.variance_of_directions),
        },
    )

"""Kernel distance between real and generated features: squared MMD with a cubic kernel.

About 0 where the laws are equal, of either sign; larger means more different. It has no bias, so
that values from different numbers of rows can be compared.

It misleads where a few rows of great length decide it, as the cubic kernel grows with the sixth
power of theirs; and the spread over random subsets that is often printed with it is no standard
error: it shrinks with the subset's size, not with the number of rows.
"""

import math

import numpy as np
from scipy import stats

from evaluation.core import validation
from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.distances import mmd
from evaluation.errors import InputError

READS = "features"
NEEDS = ("real", "fake")
BETTER = "lower"
COLLAPSE = "higher"

LEAST_ROWS = 20
LEAST_BLOCKS = 3  # for an interval
MOST_SUBSETS = 1_000_000
ESTIMATORS = ("complete", "subsets", "blocks")
KERNELS = ("polynomial", "gaussian")


def estimate(
    pair: Pair,
    *,
    level: float,
    seed: int,
    estimator: str = "complete",
    subsets: int = 100,
    subset_size: int = 1000,
    rng_seed: int = 2020,
    at_most: bool = False,
    block_size: int = 1024,
    kernel: str = "polynomial",
    bandwidth: float = 0.0,
) -> MetricValue:
    """E k(x, x') + E k(y, y') - 2 E k(x, y) with k(x, y) = (x.y / d + 1)^3, unbiased.

    "complete" uses every pair of rows once. Its standard error adds the part that is linear in the
    rows, 4 var(h_x) / n + 4 var(h_y) / m with h_x(i) = mean_j k(x_i, x_j) - mean_j k(x_i, y_j), and
    the quadratic part that alone remains at equal laws; the upper end is that of a score interval,
    as the linear part's variance grows with the distance. "blocks" averages over disjoint blocks of
    rows, which are independent: Student's interval holds, and is wider, as most pairs of rows are
    left out. A permutation of the rows changes what "subsets" and "blocks" answer.

    Args:
      pair: features, n and m >= 20 rows ("subsets": >= subset_size).
      level: confidence level of the interval.
      seed: unused: nothing is random.
      estimator: "complete"; or as published programs have it, "subsets", the mean over random
        subsets, or "blocks", the mean over blocks in the order of the rows.
      subsets: number of subsets, 1 to 1000000.
      subset_size: rows drawn without replacement from each side, >= 2.
      rng_seed: of `numpy.random.RandomState`, which draws the subsets, 0 to 2^32 - 1.
      at_most: whether fewer rows than `subset_size` are allowed: subsets then hold min(n, m).
      block_size: the most rows that a block holds of each side, >= 2.
      kernel: "polynomial", or "gaussian", exp(-|x - y|^2 / (2 bandwidth^2)).
      bandwidth: of the Gaussian kernel, > 0, or 0 for the median distance between real rows (at
        most 1000 of them); the interval takes it as given.

    Returns:
      The estimate, negative for about half of all samples when the laws are equal. Where the two
      sides share most of their rows the interval reaches up to the biased statistic; it always
      reaches 0, also for samples that are more alike than independent ones. Details:
      "standard_error"; for "subsets" instead "spread_over_subsets", which is not a standard error;
      for "blocks" also "blocks", their number: below 3, and where rows are shared, there is no
      interval. With a Gaussian kernel also "bandwidth".

    Raises:
      InputError: too few rows, rows too far apart for a Gaussian kernel, or a wrong setting.

    Source:
      Binkowski et al. 2018, arXiv:1801.01401, section 4; variance as in Sutherland 2019,
      arXiv:1906.02104; blocks as in Zaremba et al. 2013, arXiv:1307.1954.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real, fake = np.random.default_rng(0).normal(size=(2, 300, 8))
      >>> kid = measure(real, fake, "kid")["kid"]
      >>> bool(kid.low < 0.0 < kid.high)
      True
    """
    for name, value, known in (("estimator", estimator, ESTIMATORS), ("kernel", kernel, KERNELS)):
        if value not in known:
            raise InputError(f"kid setting {name}={value!r}; use {' or '.join(map(repr, known))}")
    details: dict[str, float] = {}
    chosen: mmd.Kernel = mmd.polynomial
    if kernel == "gaussian":
        details["bandwidth"] = mmd.bandwidth_of(pair.real, bandwidth, "kid")
        chosen = mmd.gaussian(details["bandwidth"])
    elif bandwidth != 0.0:
        raise InputError(
            f"kid setting bandwidth={bandwidth!r} is of the Gaussian kernel: add kernel='gaussian'"
        )
    if estimator == "subsets":
        return _subsets(pair, subsets, subset_size, rng_seed, at_most, chosen, details)
    if estimator == "blocks":
        return _blocks(pair, block_size, level, chosen, details)
    pair.require("kid", LEAST_ROWS, LEAST_ROWS, "with an interval")
    mmd.check_differ("kid", pair.both[0])
    mmd.check_seen("kid", *pair.both, details.get("bandwidth"))
    found = mmd.mmd2(*pair.both, chosen, level, dependent=pair.dependent)
    if kernel == "gaussian":
        found.check_alike("kid", details["bandwidth"])
    return MetricValue(
        value=found.value,
        low=found.low,
        high=found.high,
        method=found.method,
        target="both populations",
        details={"standard_error": found.error} | details,
    )


def _subsets(
    pair: Pair,
    subsets: int,
    size: int,
    rng_seed: int,
    at_most: bool,
    kernel: mmd.Kernel,
    details: dict[str, float],
) -> MetricValue:
    """Mean of the unbiased statistic over random subsets; no valid interval comes with it."""
    if subsets < 1 or size < 2:
        raise InputError(
            f"kid settings subsets={subsets}, subset_size={size}; use at least 1 and at least 2"
        )
    validation.check_whole("kid setting subsets", subsets, 1, MOST_SUBSETS)
    validation.check_whole("kid setting rng_seed", rng_seed, 0, 2**32 - 1)
    if at_most:
        size = max(2, min(size, pair.n_real, pair.n_fake))
    pair.require("kid", size, size, 'this protocol\'s settings={"kid": {"subset_size": ...}}')
    real, fake = pair.both
    rng = np.random.RandomState(rng_seed)  # the published programs' generator
    values = np.empty(subsets)
    for index in range(subsets):
        y = fake[rng.choice(len(fake), size, replace=False)]
        x = real[rng.choice(len(real), size, replace=False)]
        values[index] = mmd.small_mmd2(x, y, kernel)
    return MetricValue(
        value=float(values.mean()),
        method="mean over random subsets; no interval",
        target="both populations",
        details={"spread_over_subsets": float(values.std())} | details,
    )


def _blocks(
    pair: Pair, size: int, level: float, kernel: mmd.Kernel, details: dict[str, float]
) -> MetricValue:
    """Mean of the unbiased statistic over disjoint blocks, the first ones the smaller by a row."""
    if size < 2:
        raise InputError(f"kid setting block_size={size}; it must be at least 2")
    count = max(1, math.ceil(max(pair.n_real, pair.n_fake) / size))
    least = 2 * count
    pair.require("kid", least, least, f"2 in each of {count} blocks; or raise block_size")
    edges = [_edges(len(rows), count) for rows in pair.both]
    real, fake = (np.split(rows, cuts) for rows, cuts in zip(pair.both, edges, strict=True))
    values = np.array([mmd.small_mmd2(x, y, kernel) for x, y in zip(real, fake, strict=True)])
    value, error = float(values.mean()), math.nan
    counted: dict[str, float] = {"blocks": count}
    if count > 1:
        error = float(values.std(ddof=1)) / math.sqrt(count)
        counted["standard_error"] = error
    if count < LEAST_BLOCKS or pair.dependent:
        why = "rows shared" if count >= LEAST_BLOCKS else f"fewer than {LEAST_BLOCKS} blocks"
        return MetricValue(
            value=value,
            method=f"mean over {count} blocks; {why}: no interval",
            target="both populations",
            details=counted | details,
        )
    half = float(stats.t.ppf(0.5 + level / 2.0, count - 1)) * error
    return MetricValue(
        value=value,
        low=value - half,
        high=max(value + half, 0.0),  # no distance is negative, see Returns
        method=f"mean over {count} blocks, Student's t",
        target="both populations",
        details=counted | details,
    )


def _edges(rows: int, count: int) -> list[int]:
    """Where blocks but the first begin; sizes differ by 1 at most, the smaller ones first."""
    each, larger = divmod(rows, count)
    sizes = [each] * (count - larger) + [each + 1] * larger
    return np.cumsum(sizes)[:-1].tolist()

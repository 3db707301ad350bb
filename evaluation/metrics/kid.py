"""KID, the kernel distance: squared MMD of real and generated features with a cubic kernel.

It is about 0, positive or negative, at equal distributions; larger values mean larger differences.
It has no bias, so values from different numbers of rows are comparable.

It misleads when a few very long rows decide it, because the cubic kernel grows with the sixth power
of their length. The spread over random subsets that is often printed with it is not a standard
error: it shrinks with the size of the subsets, not with the number of rows.
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

    "complete" uses every pair of rows once. Its variance has a part that is linear in the rows,
    4 var(h_x) / n + 4 var(h_y) / m with h_x(i) = mean_j k(x_i, x_j) - mean_j k(x_i, y_j), and a
    quadratic part, which alone remains at equal distributions. The upper end is that of a score
    interval, because the variance of the linear part grows with the distance. "blocks" averages
    over disjoint blocks of rows. The blocks are independent and have Student's interval, which is
    wider, because most pairs of rows are left out. The results of "subsets" and "blocks" depend on
    the order of the rows.

    Args:
      pair: features, n and m >= 20 rows ("subsets": >= subset_size).
      level: confidence level of the interval.
      seed: unused: nothing is random.
      estimator: "complete"; or, as in published programs, "subsets", the mean over random subsets,
        or "blocks", the mean over blocks in the order of the rows.
      subsets: number of subsets, 1 to 1000000.
      subset_size: rows drawn without replacement from each side, >= 2.
      rng_seed: seed of the `numpy.random.RandomState` that draws the subsets, 0 to 2^32 - 1.
      at_most: if True, fewer rows than `subset_size` are allowed: subsets then hold min(n, m).
      block_size: largest number of rows of each side in a block, >= 2.
      kernel: "polynomial", or "gaussian", exp(-|x - y|^2 / (2 bandwidth^2)).
      bandwidth: bandwidth of the Gaussian kernel, > 0, or 0 for the median distance between real
        rows (at most 1000 of them); the interval treats it as fixed.

    Returns:
      The estimate, negative for about half of all samples at equal distributions. If the two sides
      share most of their rows, the interval reaches up to the biased statistic. It always reaches
      0, also for samples that are more alike than independent ones. Details: "standard_error"; for
      "subsets" instead "spread_over_subsets", which is not a standard error; for "blocks" also
      "blocks", their number: below 3, or if rows are shared, there is no interval. With a Gaussian
      kernel also "bandwidth".

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
    for name, value, choices in (("estimator", estimator, ESTIMATORS), ("kernel", kernel, KERNELS)):
        if value not in choices:
            raise InputError(f"kid setting {name}={value!r}; use {' or '.join(map(repr, choices))}")
    details: dict[str, float] = {}
    chosen: mmd.Kernel = mmd.polynomial
    if kernel == "gaussian":
        details["bandwidth"] = mmd.choose_bandwidth(pair.real, bandwidth, "kid")
        chosen = mmd.gaussian(details["bandwidth"])
    elif bandwidth != 0.0:
        raise InputError(
            f"kid setting bandwidth={bandwidth!r} needs the Gaussian kernel: add kernel='gaussian'"
        )
    if estimator == "subsets":
        return _subsets(pair, subsets, subset_size, rng_seed, at_most, chosen, details)
    if estimator == "blocks":
        return _blocks(pair, block_size, level, chosen, details)
    pair.require("kid", LEAST_ROWS, LEAST_ROWS, "with an interval")
    mmd.check_differ("kid", pair.both[0])
    mmd.check_seen("kid", *pair.both, details.get("bandwidth"))
    distance = mmd.mmd2(*pair.both, chosen, level, dependent=pair.dependent)
    if kernel == "gaussian":
        distance.check_alike("kid", details["bandwidth"])
    return MetricValue(
        value=distance.value,
        low=distance.low,
        high=distance.high,
        method=distance.method,
        target="both populations",
        details={"standard_error": distance.error} | details,
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
    """Returns the mean of the unbiased statistic over random subsets; it has no valid interval."""
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
    """Returns the mean of the unbiased statistic over disjoint blocks, smaller blocks first."""
    if size < 2:
        raise InputError(f"kid setting block_size={size}; it must be at least 2")
    count = max(1, math.ceil(max(pair.n_real, pair.n_fake) / size))
    least = 2 * count
    pair.require("kid", least, least, f"2 in each of {count} blocks; or raise block_size")
    edges = [_edges(len(rows), count) for rows in pair.both]
    real, fake = (np.split(rows, cuts) for rows, cuts in zip(pair.both, edges, strict=True))
    values = np.array([mmd.small_mmd2(x, y, kernel) for x, y in zip(real, fake, strict=True)])
    value, error = float(values.mean()), math.nan
    block_details: dict[str, float] = {"blocks": count}
    if count > 1:
        error = float(values.std(ddof=1)) / math.sqrt(count)
        block_details["standard_error"] = error
    if count < LEAST_BLOCKS or pair.dependent:
        why = "rows shared" if count >= LEAST_BLOCKS else f"fewer than {LEAST_BLOCKS} blocks"
        return MetricValue(
            value=value,
            method=f"mean over {count} blocks; {why}: no interval",
            target="both populations",
            details=block_details | details,
        )
    half = float(stats.t.ppf(0.5 + level / 2.0, count - 1)) * error
    return MetricValue(
        value=value,
        low=value - half,
        high=max(value + half, 0.0),  # no distance is negative, see Returns
        method=f"mean over {count} blocks, Student's t",
        target="both populations",
        details=block_details | details,
    )


def _edges(rows: int, count: int) -> list[int]:
    """Returns the start of each block but the first; sizes differ by 1 at most, smaller first."""
    each, larger = divmod(rows, count)
    sizes = [each] * (count - larger) + [each + 1] * larger
    return np.cumsum(sizes)[:-1].tolist()

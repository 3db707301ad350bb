"""Fréchet distance between Gaussians fitted to real and generated features (FID on Inception's).

The plain distance is too large by an amount of the order d / n, which is often more than the
distance itself. The default value removes that: first the bias of order 1/n in closed form, then
the order 1/n^2 by comparing all rows with random halves of them.
"""

import math

import numpy as np

from evaluation import frechet
from evaluation.errors import InputError
from evaluation.rows import Pair
from evaluation.statistics.binomial import normal_quantile
from evaluation.statistics.degenerate import total_standard_error
from evaluation.statistics.estimate import Finding
from evaluation.statistics.halves import canonical_order, halves

READS = "features"
NEEDS = ("real", "fake")
BETTER = "lower"
COLLAPSE = "higher"

LEAST_ROWS = 20  # for an interval
ROWS_PER_DIMENSION = 2.4  # below that a half has too few rows for the second order


def estimate(
    pair: Pair,
    *,
    level: float,
    seed: int,
    estimator: str = "corrected",
    float32_mean: bool = False,
    splits: int = 2,
) -> Finding:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2), without the bias that finite samples give it.

    Args:
      pair: features, n and m >= 20 rows ("plain": >= 2).
      level: confidence level of the interval.
      seed: of the random halves.
      estimator: "corrected", or "plain": the uncorrected distance, which has no interval.
      float32_mean: means in float32, as torch-fidelity takes them; only with "plain".
      splits: random splits into halves that the second order is averaged over, >= 1.

    Returns:
      The estimate; corrected values may be negative when the laws are equal. Details: "plain",
      "bias" (plain - value), "standard_error", "rank" (dimensions in use), and "regime":
      "two orders", or "bounds" where rows are too few for a point interval. Where the two sides
      share most of their rows the interval reaches up to the plain distance. It always reaches 0:
      samples that are more alike than independent ones, such as the halves of a stratified split,
      would otherwise put all of it below what any distance can be.

    Raises:
      InputError: too few rows, or an unknown estimator.

    Source:
      Heusel et al. 2017, arXiv:1706.08500, equation 6.
    """
    if estimator not in ("corrected", "plain"):
        raise InputError(f"fid setting estimator={estimator!r}; use 'corrected' or 'plain'")
    if estimator == "plain":
        return _plain(pair, float32_mean=float32_mean)
    if float32_mean:
        raise InputError("fid setting float32_mean=True; it goes with estimator='plain' only")
    if splits < 1:
        raise InputError(f"fid setting splits={splits}; it must be at least 1")
    pair.require("fid", LEAST_ROWS, LEAST_ROWS, "with an interval")
    real, fake = (canonical_order(rows) for rows in pair.both)
    coupling = frechet.couple(real, fake)
    if coupling.traces[0] == 0.0:
        raise InputError("real_features has identical rows only; fid needs rows that differ")
    first = frechet.first_order_variance(coupling)
    once = coupling.plain - frechet.second_order_bias(coupling)
    z = normal_quantile(level)
    if min(pair.n_real, pair.n_fake) < ROWS_PER_DIMENSION * coupling.rank:
        return _bounds(pair, coupling, once, first, z, level)
    rng = np.random.default_rng(seed)
    of_halves = np.mean([_halved(real, fake, rng) for _ in range(splits)])
    step = (once - float(of_halves)) / 3.0
    value = once + step
    error = total_standard_error(first, frechet.second_order_variance(coupling, seed))
    half = max(z * error, abs(step))
    high, method = value + half, "debiased, delta method"
    if pair.dependent:
        high, method = max(high, coupling.plain), "debiased; rows shared, widened"
    return Finding(
        value=value,
        low=value - half,
        high=max(high, 0.0),  # no distance is negative, see Returns
        method=method,
        target="both populations",
        details={
            "plain": coupling.plain,
            "bias": coupling.plain - value,
            "standard_error": error,
            "second_order": step,
            "rank": coupling.rank,
            "regime": "two orders",
        },
    )


def _halved(real: np.ndarray, fake: np.ndarray, rng: np.random.Generator) -> float:
    """Mean of the once-corrected distance over two disjoint halves of both samples."""
    parts = zip(halves(real, rng), halves(fake, rng), strict=True)
    couplings = [frechet.couple(a, b) for a, b in parts]
    return float(np.mean([c.plain - frechet.second_order_bias(c) for c in couplings]))


def _plain(pair: Pair, *, float32_mean: bool) -> Finding:
    """The uncorrected distance, as published programs print it."""
    pair.require("fid", 2, 2)
    value = frechet.frechet_distance(*pair.both, float32_mean=float32_mean)
    return Finding(
        value=value,
        method="plain, biased upwards; no interval",
        target="both populations",
        details={"plain": value},
    )


def _bounds(
    pair: Pair,
    coupling: frechet.Coupling,
    value: float,
    first: float,
    z: float,
    level: float,
) -> Finding:
    """The estimate where rows are too few for their dimension: two one-sided bounds.

    Above: the distance is jointly convex in means and covariances, so that the plain distance is
    on average too large at any n. Below: |m1 - m2|^2 + (sqrt tr S1 - sqrt tr S2)^2 never exceeds
    the distance, and its own bias is known at any n. Between them the value is corrected once.

    Source:
      Jensen's inequality; Gelbrich 1990, Mathematische Nachrichten 147, 185-203.
    """
    bound, bound_error = frechet.lower_bound(coupling)
    high = max(coupling.plain + z * math.sqrt(first), value)
    low = min(bound - z * bound_error, value)
    return Finding(
        value=value,
        low=low,
        high=high,
        method="bounds: too few rows for the dimension",
        target="both populations",
        details={
            "plain": coupling.plain,
            "bias": coupling.plain - value,
            "standard_error": math.sqrt(first),
            "second_order": None,
            "rank": coupling.rank,
            "regime": "bounds",
            "rows_for_an_interval": math.ceil(ROWS_PER_DIMENSION * coupling.rank),
        },
    )

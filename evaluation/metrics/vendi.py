"""Vendi score: how many different rows there seem to be, from the spectrum of their likenesses.

1 where all rows are alike, n where they have nothing in common; the same number for the real rows
says what to expect.

It misleads as quality, which it does not look at: noise scores high. It grows with the number of
rows until that is several times the number of dimensions that matter, so that plain scores compare
only at equal n. Features that are all positive, such as Inception's, are alike to the cosine
kernel whatever they show, and the score is low; and with a bandwidth set by the generated rows
themselves a collapsed generator would look as diverse as any, so the real rows set it.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from evaluation import kernels
from evaluation.errors import InputError
from evaluation.rows import Pair, blocks
from evaluation.statistics.binomial import normal_quantile
from evaluation.statistics.degenerate import total_standard_error
from evaluation.statistics.estimate import Finding
from evaluation.statistics.halves import shuffled_indices

READS = "features"
NEEDS = ("fake",)
BETTER = "higher"
COLLAPSE = "lower"

LEAST_ROWS = 20
MOST_ROWS = 10_000  # of a matrix of rows against rows
BLOCK_ENTRIES = 4_000_000  # coordinates held at once
PAIRS = 1000  # of rows, for the quadratic part's variance
MOST_BIAS = 0.1  # of the entropy, which its first order still describes
MOST_DRIFT = 1.0 / 3.0  # how far from twice the bias that of half the rows may be, over the bias
SAME_SHANNON = 1e-8  # an order this near to 1 is 1
Coordinates = Callable[[np.ndarray], np.ndarray]


def estimate(
    pair: Pair,
    *,
    level: float,
    seed: int,
    estimator: str = "corrected",
    kernel: str = "cosine",
    bandwidth: float = 0.0,
    order: float = 1.0,
) -> Finding:
    """exp(-sum_a l_a log l_a) of the eigenvalues l of K / n; order q: (sum_a l_a^q)^(1 / (1 - q)).

    The same eigenvalues, but for zeros, has the rows' second moment in the kernel's own space. The
    score of n rows lies below that of their law. "corrected" removes that bias to first order, from
    what each row adds to the entropy to first and to second order; that also gives the standard
    error. It holds while the bias of the entropy stays below 0.1 and half of the rows have twice
    the bias, within a third, which takes about 5 rows for each dimension that matters; the interval
    is widened by what is missing from twice. With fewer rows the value is the plain one, without an
    interval.

    Args:
      pair: features, m >= 20 fake rows ("published": >= 2); real rows are optional. A Gaussian
        kernel, and a cosine one of fewer rows than columns, take at most 10000 rows.
      level: confidence level of the interval.
      seed: unused: nothing is random.
      estimator: "corrected", or "published", the plain score without an interval.
      kernel: "cosine", or "gaussian", exp(-|x - y|^2 / (2 bandwidth^2)).
      bandwidth: of the Gaussian kernel, > 0, or 0 for the median distance between real rows (at
        most 1000 of them); the interval takes it as given.
      order: q > 0; a large one counts only what is frequent, a small one also what is rare.

    Returns:
      The estimate; without bias correction it lies in [1, n]. Details: "plain"; for "corrected" the
      entropy's "bias", what may be "left" of it, and its "standard_error"; where real rows are
      given, "real" and "real_plain", the same of those. With a Gaussian kernel also "bandwidth".

    Raises:
      InputError: too few or too many rows, a row of length 0 (cosine), or a wrong setting.

    Source:
      Friedman & Dieng 2022, arXiv:2210.02410, definition 3.1; orders: Pasarkar & Dieng 2023,
      arXiv:2310.12952. The correction is derived from the entropy's second derivative.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> rng = np.random.default_rng(0)
      >>> rows = np.eye(8)[rng.integers(8, size=500)] + 0.1 * rng.normal(size=(500, 8))
      >>> vendi = measure(metrics="vendi", fake_features=rows)["vendi"]
      >>> round(vendi.details["plain"], 2), round(vendi.value, 2), vendi.low < 8 < vendi.high
      (7.93, 7.99, True)
    """
    _check(estimator, kernel, bandwidth, order)
    corrected = estimator == "corrected"
    pair.require("vendi", 0, LEAST_ROWS if corrected else 2, estimator)
    details: dict[str, float] = {}
    chosen = None
    if kernel == "gaussian":
        details["bandwidth"] = kernels.bandwidth_of(pair.real, bandwidth, "vendi")
        chosen = kernels.gaussian(details["bandwidth"])
    if pair.real is not None:
        known = _score(pair.real, "real_features", chosen, order, corrected)
        details |= {"real": math.exp(known.value), "real_plain": math.exp(known.plain)}
    found = _score(pair.fake, "fake_features", chosen, order, corrected)
    details |= {"plain": math.exp(found.plain)} | found.details
    if found.error is None:
        return Finding(math.exp(found.value), found.method, "generated population", details=details)
    half = normal_quantile(level) * found.error + found.details["left"]
    return Finding(
        value=math.exp(found.value),
        low=math.exp(found.value - half),
        high=math.exp(found.value + half),
        method=found.method,
        target="generated population",
        details=details,
    )


def _check(estimator: str, kernel: str, bandwidth: float, order: float) -> None:
    """Refuses settings that mean nothing."""
    if estimator not in ("corrected", "published"):
        raise InputError(f"vendi setting estimator={estimator!r}; use 'corrected' or 'published'")
    if kernel not in ("cosine", "gaussian"):
        raise InputError(f"vendi setting kernel={kernel!r}; use 'cosine' or 'gaussian'")
    if kernel == "cosine" and bandwidth != 0.0:
        raise InputError(
            f"vendi setting bandwidth={bandwidth!r} is of the Gaussian kernel: add"
            " kernel='gaussian'"
        )
    if not 0.0 < order < math.inf:
        raise InputError(f"vendi setting order={order!r}; it must be above 0 and finite")


@dataclasses.dataclass(frozen=True)
class _Score:
    """An entropy of some rows.

    Attributes:
      plain: of the rows.
      method: how the interval is made, or why there is none.
      bias: of `plain`; 0 where it is not removed.
      error: standard error, or None without an interval.
      details: for the estimate.
    """

    plain: float
    method: str
    bias: float = 0.0
    error: float | None = None
    details: dict[str, float] = dataclasses.field(default_factory=dict)

    @property
    def value(self) -> float:
        """The entropy without its bias."""
        return self.plain - self.bias


def _score(
    rows: np.ndarray, name: str, kernel: kernels.Kernel | None, order: float, corrected: bool
) -> _Score:
    """The entropy of rows (n, d), corrected where that is asked for and holds."""
    values, coordinates = _spectrum(rows, name, kernel)
    entropy = _Entropy.of(values, order)
    if not corrected:
        return _Score(entropy.value, "plain score, biased downwards; no interval")
    if len(values) == 1:
        return _Score(entropy.value, "all rows alike; no interval")
    bias, error = _bias_and_error(rows, entropy, coordinates)
    left = abs(2.0 * bias - _bias_of_halves(rows, name, kernel, order))
    details = {"bias": bias, "left": left}
    if abs(bias) > MOST_BIAS or left > MOST_DRIFT * abs(bias):
        return _Score(entropy.value, "plain score, too few rows to correct; no interval")
    method = "influence functions of the entropy, bias removed"
    return _Score(entropy.value, method, bias, error, details | {"standard_error": error})


def _spectrum(
    rows: np.ndarray, name: str, kernel: kernels.Kernel | None
) -> tuple[np.ndarray, Coordinates]:
    """Eigenvalues of K / n above rounding, and rows' coordinates along their eigenvectors.

    Args:
      rows: shape (n, d).
      name: what the caller calls them.
      kernel: None for the cosine of rows.

    Returns:
      Ascending eigenvalues, shape (r,), and a function of row numbers (k,) that answers float64 of
      shape (k, r); the mean square of coordinate a is eigenvalue a.
    """
    n, d = rows.shape
    if kernel is None:
        _check_lengths(rows, name)
    if kernel is None and n > d:
        moment = np.zeros((d, d))
        for block in blocks(rows):
            scaled = kernels.unit(block)
            moment += scaled.T @ scaled
        values, kept = _eigen(moment / n, n)
        return values, lambda chosen: kernels.unit(rows[chosen].astype(np.float64)) @ kept
    if n > MOST_ROWS:
        raise InputError(
            f"{name} has {n} rows; vendi compares each with each here, {MOST_ROWS} at most: give"
            " fewer, or more than columns with kernel='cosine'"
        )
    double = rows.astype(np.float64)
    values, kept = _eigen((kernel or kernels.cosine)(double, double) / n, d)
    return values, lambda chosen: kept[chosen] * np.sqrt(n * values)


def _check_lengths(rows: np.ndarray, name: str) -> None:
    """Refuses rows without a direction."""
    zero = np.flatnonzero(~rows.any(axis=1))
    if zero.size:
        raise InputError(
            f"{name} holds {zero.size} rows of length 0 (first: row {zero[0]}), which have no"
            " cosine: drop them or use kernel='gaussian'"
        )


def _eigen(matrix: np.ndarray, other: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues above rounding, summing to 1, and their vectors; `other` is its other rank."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2.0)
    floor = values[-1] * np.finfo(np.float64).eps * max(len(matrix), other)
    kept = values > floor
    return values[kept] / values[kept].sum(), vectors[:, kept]


def _bias_of_halves(
    rows: np.ndarray, name: str, kernel: kernels.Kernel | None, order: float
) -> float:
    """Mean of the entropy's estimated bias in two random halves of the rows."""
    mixed = shuffled_indices(rows, 0)
    biases = []
    for half in np.array_split(mixed, 2):
        values, coordinates = _spectrum(rows[half], name, kernel)
        biases.append(_bias_and_error(rows[half], _Entropy.of(values, order), coordinates)[0])
    return float(np.mean(biases))


@dataclasses.dataclass(frozen=True)
class _Entropy:
    """Renyi's entropy of a spectrum, with its derivatives with respect to the rows' second moment.

    Attributes:
      value: log(sum_a l_a^q) / (1 - q); Shannon's at q = 1.
      slope: derivative to each eigenvalue, shape (r,).
      curve: divided differences of what gives the slope, (f(l_a) - f(l_b)) / (l_a - l_b).
      outer: 1 - q, which multiplies the squared slope in the second derivative.
      values: the eigenvalues.
    """

    value: float
    slope: np.ndarray
    curve: np.ndarray
    outer: float
    values: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, order: float) -> "_Entropy":
        """Of eigenvalues, shape (r,), > 0, that sum to 1, and an order q > 0."""
        logs = np.log(values)
        outer = 1.0 - order
        if abs(outer) < SAME_SHANNON:
            value, outer, weight, slope = -float(values @ logs), 0.0, -1.0, -logs - 1.0
        else:
            powers = order * logs
            top = float(powers.max())
            total = top + math.log(float(np.exp(powers - top).sum()))
            value, weight = total / outer, -order
            slope = order / outer * np.exp(powers - logs - total)
        apart = values[:, None] - values
        middle = (values[:, None] + values) / 2.0
        near = np.abs(apart) < 1e-5 * middle
        power = order - 2.0 if outer else -1.0
        shift = total if outer else 0.0
        at_middle = weight * np.exp(power * np.log(middle) - shift)
        curve = np.where(near, at_middle, (slope[:, None] - slope) / np.where(near, 1.0, apart))
        return cls(value, slope, curve, outer, values)

    def first(self, w: np.ndarray) -> np.ndarray:
        """What rows with coordinates w, shape (k, r), add to the entropy times n."""
        return np.square(w) @ self.slope - float(self.values @ self.slope)

    def second(self, w: np.ndarray, v: np.ndarray) -> np.ndarray:
        """What pairs of rows with coordinates w and v, shape (k, r), add together, times n^2."""
        own = np.diag(self.curve) * self.values
        both = w * v
        joint = np.einsum("ij,ij->i", both @ self.curve, both)
        joint -= (np.square(w) + np.square(v)) @ own
        return joint + float(own @ self.values) - self.outer * self.first(w) * self.first(v)


def _bias_and_error(
    rows: np.ndarray, entropy: _Entropy, coordinates: Coordinates
) -> tuple[float, float]:
    """Bias of the entropy to first order in 1 / n, and its standard error.

    With a row's part f and a pair's part g the entropy is that of the law plus mean_i f_i +
    mean_ij g_ij / 2; so its bias is mean_i g_ii / 2n, and the quadratic part's variance is
    mean g^2 / 2n^2. The parts' own noise adds twice that to the variance of f.
    """
    n = len(rows)
    step = max(1, BLOCK_ENTRIES // len(entropy.values))
    first, own = np.empty(n), np.empty(n)
    for start in range(0, n, step):
        here = np.arange(start, min(start + step, n))
        w = coordinates(here)
        first[here], own[here] = entropy.first(w), entropy.second(w, w)
    order = shuffled_indices(rows, 0)
    count = min(PAIRS, n // 2)
    pairs = entropy.second(coordinates(order[:count]), coordinates(order[count : 2 * count]))
    linear = float(first.var(ddof=1)) / n
    quadratic = float(np.square(pairs).mean()) / (2.0 * n**2)
    return float(own.mean()) / (2.0 * n), total_standard_error(linear, quadratic)

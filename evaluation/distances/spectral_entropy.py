"""Entropy of the spectrum of a kernel matrix, and each row's contribution to second order.

The eigenvalues of K / n, but for zeros, are those of the rows' second moment in the kernel's
feature space, which is a mean over rows. Its smooth functions have influence functions, a bias of
order 1 / n and a standard error.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from evaluation.core.arrays import blocks
from evaluation.distances import mmd
from evaluation.errors import InputError
from evaluation.statistics.degenerate import total_standard_error
from evaluation.statistics.halves import shuffled_indices

MOST_ROWS = 10_000  # of a matrix of rows against rows
BLOCK_ENTRIES = 4_000_000  # coordinates held at once
PAIRS = 1000  # of rows, for the variance of the quadratic part
SAME_SHANNON = 1e-8  # an order this near to 1 counts as 1
Coordinates = Callable[[np.ndarray], np.ndarray]


def spectrum(
    rows: np.ndarray, name: str, kernel: mmd.Kernel | None
) -> tuple[np.ndarray, Coordinates]:
    """Returns eigenvalues of K / n above rounding, and rows' coordinates along their eigenvectors.

    Args:
      rows: shape (n, d).
      name: name of the argument, for the errors.
      kernel: None for the cosine of rows.

    Returns:
      Ascending eigenvalues, shape (r,), and a function from row numbers (k,) to coordinates,
      float64, shape (k, r); the mean square of coordinate a is eigenvalue a.
    """
    n, d = rows.shape
    if kernel is None:
        _check_lengths(rows, name)
    if kernel is None and n > d:
        moment = np.zeros((d, d))
        for block in blocks(rows):
            scaled = mmd.unit(block)
            moment += scaled.T @ scaled
        values, kept = _eigen(moment / n, n)
        return values, lambda chosen: mmd.unit(rows[chosen].astype(np.float64)) @ kept
    if n > MOST_ROWS:
        raise InputError(
            f"{name} has {n} rows; vendi compares all pairs of rows here, so {MOST_ROWS} at most:"
            " give fewer, or with kernel='cosine' more rows than columns"
        )
    double = rows.astype(np.float64)
    values, kept = _eigen((kernel or mmd.cosine)(double, double) / n, d)
    return values, lambda chosen: kept[chosen] * np.sqrt(n * values)


def _check_lengths(rows: np.ndarray, name: str) -> None:
    """Raises InputError for rows without a direction."""
    zero = np.flatnonzero(~rows.any(axis=1))
    if zero.size:
        raise InputError(
            f"{name} holds {zero.size} rows of length 0 (first: row {zero[0]}), which have no"
            " cosine: drop them or use kernel='gaussian'"
        )


def _eigen(matrix: np.ndarray, other: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns eigenvalues above rounding, scaled to sum 1, and their eigenvectors.

    `other` is the other dimension of the rows; the larger dimension sets the rounding threshold.
    """
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2.0)
    floor = values[-1] * np.finfo(np.float64).eps * max(len(matrix), other)
    kept = values > floor
    return values[kept] / values[kept].sum(), vectors[:, kept]


@dataclasses.dataclass(frozen=True)
class Entropy:
    """Renyi's entropy of a spectrum, with its derivatives with respect to the rows' second moment.

    Attributes:
      value: log(sum_a l_a^q) / (1 - q); Shannon's at q = 1.
      slope: derivative with respect to each eigenvalue, shape (r,).
      curve: divided differences (f(l_a) - f(l_b)) / (l_a - l_b) of the function f that gives the
        slope.
      outer: 1 - q, the factor of the squared slope in the second derivative.
      values: the eigenvalues.
    """

    value: float
    slope: np.ndarray
    curve: np.ndarray
    outer: float
    values: np.ndarray

    @classmethod
    def from_eigenvalues(cls, values: np.ndarray, order: float) -> "Entropy":
        """Computes the entropy of order q > 0 from eigenvalues, shape (r,), > 0, that sum to 1."""
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
        """Contribution of rows with coordinates w, shape (k, r), to the entropy, times n."""
        return np.square(w) @ self.slope - float(self.values @ self.slope)

    def second(self, w: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Joint contribution of pairs of rows with coordinates w and v, shape (k, r), times n^2."""
        own = np.diag(self.curve) * self.values
        both = w * v
        joint = np.einsum("ij,ij->i", both @ self.curve, both)
        joint -= (np.square(w) + np.square(v)) @ own
        return joint + float(own @ self.values) - self.outer * self.first(w) * self.first(v)


def bias_and_error(
    rows: np.ndarray, entropy: Entropy, coordinates: Coordinates
) -> tuple[float, float]:
    """Returns the bias of the entropy to first order in 1 / n, and its standard error.

    With the contribution f of a row and g of a pair, the entropy is that of the distribution plus
    mean_i f_i + mean_ij g_ij / 2. So its bias is mean_i g_ii / 2n, and the variance of the
    quadratic part is mean g^2 / 2n^2. The noise of the contributions themselves adds twice that to
    the variance of f.
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


def bias_of_halves(rows: np.ndarray, name: str, kernel: mmd.Kernel | None, order: float) -> float:
    """Returns the mean of the entropy's estimated bias in two random halves of the rows."""
    mixed = shuffled_indices(rows, 0)
    biases = []
    for half in np.array_split(mixed, 2):
        values, coordinates = spectrum(rows[half], name, kernel)
        entropy = Entropy.from_eigenvalues(values, order)
        biases.append(bias_and_error(rows[half], entropy, coordinates)[0])
    return float(np.mean(biases))

"""Distributions of features, and the exact distances between them."""

import dataclasses
import functools
import math
from collections.abc import Callable

import numpy as np
from scipy import special

from evaluation.distances import frechet

COMPONENTS = 10  # of a mixture


@dataclasses.dataclass(frozen=True)
class Distribution:
    """A distribution of rows, with its first two moments.

    Attributes:
      draw: (generator, n) -> rows, float32 where d > 1000, shape (n, d).
      mean: shape (d,).
      covariance: the diagonal, shape (d,), or the full matrix, shape (d, d).
      components: weights (K,), means (K, d) and variances (d,) of a mixture of Gaussians; None for
        other distributions.
    """

    draw: Callable[[np.random.Generator, int], np.ndarray]
    mean: np.ndarray
    covariance: np.ndarray
    components: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None


def gauss(
    d: int, shift: float = 0.0, spread: float = 0.0, decay: float = 0.0, df: int = 0
) -> Distribution:
    """Returns Gaussian rows, or t rows with df degrees of freedom.

    The variances are k^-decay, scaled to trace d, times a wave.
    """
    variance = np.arange(1.0, d + 1.0) ** -decay
    variance *= d / variance.sum() * np.exp(spread * np.cos(np.arange(d)))
    mean = np.full(d, shift)

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        dtype = np.float32 if d > 1000 else np.float64
        rows = rng.standard_normal((n, d), dtype=dtype) * np.sqrt(variance).astype(dtype)
        if df:
            rows *= np.sqrt((df - 2) / rng.chisquare(df, (n, 1))).astype(dtype)
        return rows + mean.astype(dtype)

    components = None if df else (np.ones(1), mean[None], variance)
    return Distribution(draw, mean, variance, components)


def mixture(d: int, fall: float = 0.0) -> Distribution:
    """Returns ten Gaussians of variance 1; centres of variance 4, weights exp(-fall k)."""
    centres = 2.0 * np.random.default_rng(5).standard_normal((COMPONENTS, d))
    weights = np.exp(-fall * np.arange(COMPONENTS))
    weights /= weights.sum()
    mean = weights @ centres
    centred = centres - mean

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        return centres[rng.choice(COMPONENTS, n, p=weights)] + rng.standard_normal((n, d))

    covariance = np.eye(d) + (weights[:, None] * centred).T @ centred
    return Distribution(draw, mean, covariance, (weights, centres, np.ones(d)))


def relu(d: int, scale: float = 1.0) -> Distribution:
    """Returns correlated Gaussians rectified at 0, like a network's features, times a scale."""
    rng = np.random.default_rng(0)
    mixing, offset = rng.standard_normal((d, d)) / math.sqrt(d), 0.3 * rng.standard_normal(d)

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        return scale * np.maximum(rng.standard_normal((n, d)) @ mixing + offset, 0.0)

    sd = np.linalg.norm(mixing, axis=0)
    z = offset / sd
    density = np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi)
    mean = offset * special.ndtr(z) + sd * density
    square = (offset**2 + sd**2) * special.ndtr(z) + offset * sd * density
    # The study compares equal distributions and multiples; their distance needs only the variances.
    return Distribution(draw, scale * mean, scale**2 * (square - mean**2))


DISTRIBUTIONS: dict[str, Callable[[int], tuple[Distribution, Distribution]]] = {
    "Gaussian, equal": lambda d: (gauss(d), gauss(d)),
    "Gaussian, near": lambda d: (gauss(d), gauss(d, 0.05, 0.1)),
    "Gaussian, far": lambda d: (gauss(d), gauss(d, 0.3, 0.4)),
    "Gaussian, k^-1.2, equal": lambda d: (gauss(d, decay=1.2), gauss(d, decay=1.2)),
    "Gaussian, k^-1.2, near": lambda d: (gauss(d, decay=1.2), gauss(d, 0.05, 0.1, 1.2)),
    "ReLU, equal": lambda d: (relu(d), relu(d)),
    "ReLU, scaled": lambda d: (relu(d), relu(d, 1.1)),
    "t, 6 degrees, equal": lambda d: (gauss(d, df=6), gauss(d, df=6)),
    "t, 6 degrees, near": lambda d: (gauss(d, df=6), gauss(d, 0.05, 0.1, df=6)),
    "t, 6, k^-1.2, near": lambda d: (gauss(d, decay=1.2, df=6), gauss(d, 0.05, 0.1, 1.2, df=6)),
    "mixture, equal": lambda d: (mixture(d), mixture(d)),
    "mixture, uneven": lambda d: (mixture(d), mixture(d, 0.1)),
}


@functools.cache
def pair(name: str, d: int) -> tuple[Distribution, Distribution]:
    """Returns the real and the generated distribution of that name."""
    return DISTRIBUTIONS[name](d)


def true_fid(real: Distribution, fake: Distribution) -> float:
    """Returns the Fréchet distance; both covariances are diagonals, or both are matrices."""
    gap = float(np.square(real.mean - fake.mean).sum())
    if real.covariance.ndim == 1:
        return gap + float(np.square(np.sqrt(real.covariance) - np.sqrt(fake.covariance)).sum())
    traces = float(np.trace(real.covariance) + np.trace(fake.covariance))
    return gap + traces - 2.0 * frechet.trace_of_root(real.covariance, fake.covariance)


Kernel = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], float]


def cubic(m: np.ndarray, s: np.ndarray, u: np.ndarray, t: np.ndarray) -> float:
    """Returns E (x.y / d + 1)^3 for x ~ N(m, diag s) and y ~ N(u, diag t)."""
    d = len(m)
    first = float(m @ u)
    second = float((s * t).sum() + (u * s * u).sum() + (m * t * m).sum()) + first**2
    third = first**3 + 3 * first * float((u * s * u).sum() + (m * t * m).sum() + (s * t).sum())
    third += 6 * float((m * t * s * u).sum())
    return third / d**3 + 3 * second / d**2 + 3 * first / d + 1


def gaussian(width: float) -> Kernel:
    """Returns the function E exp(-|x - y|^2 / (2 width^2)) for the same x and y."""

    def mean(m: np.ndarray, s: np.ndarray, u: np.ndarray, t: np.ndarray) -> float:
        spread = width**2 + s + t
        return float(
            np.exp(np.log(width**2 / spread).sum() / 2.0 - ((m - u) ** 2 / spread).sum() / 2.0)
        )

    return mean


def kernel_mean(a: Distribution, b: Distribution, kernel: Kernel) -> float:
    """Returns E k(x, y) for independent rows of two mixtures of Gaussians."""
    assert a.components and b.components
    (w, m, s), (v, u, t) = a.components, b.components
    return sum(w[i] * v[j] * kernel(m[i], s, u[j], t) for i in range(len(w)) for j in range(len(v)))


def true_mmd(real: Distribution, fake: Distribution, kernel: Kernel) -> float | None:
    """Returns the squared maximum mean discrepancy; None without a closed form."""
    if real.components is None or fake.components is None:
        return None
    own = kernel_mean(real, real, kernel) + kernel_mean(fake, fake, kernel)
    return own - 2.0 * kernel_mean(real, fake, kernel)


def true_sliced(real: Distribution, fake: Distribution, directions: int = 200_000) -> float | None:
    """Returns the mean squared Wasserstein distance between random projections of two Gaussians."""
    if any(x.components is None or len(x.components[0]) > 1 for x in (real, fake)):
        return None
    rng, total = np.random.default_rng(6), 0.0
    step = 2000
    for _ in range(directions // step):
        u = rng.standard_normal((step, len(real.mean)))
        u /= np.linalg.norm(u, axis=1, keepdims=True)
        sds = [np.sqrt(np.square(u) @ x.covariance) for x in (real, fake)]
        total += float(np.square(u @ (real.mean - fake.mean)).sum())
        total += float(np.square(sds[0] - sds[1]).sum())
    return total / directions

"""Each interval is counted: how many of some hundred draws hold the truth that its target names.

A count is refused when a binomial variable with the interval's own level would be that low with
probability below 1/1000. docs/coverage.md has the wider study.
"""

import numpy as np
import pytest
from scipy import special, stats

from evaluation import measure

SLOW = pytest.mark.slow
LEVEL = 0.95


def assert_covers(hits, draws, level=LEVEL):
    """The count is not too low for the level."""
    assert stats.binom.cdf(hits, draws, level) > 1e-3, f"{hits} of {draws} at level {level}"


def count(draws, truth, draw, metric, level=LEVEL, **options):
    """In how many draws the interval of one metric holds the truth."""
    hits = 0
    for index in range(draws):
        result = measure(
            **draw(np.random.default_rng([1, index])), metrics=metric, level=level, **options
        )[metric]
        hits += result.low <= truth <= result.high
    return hits


def gaussians(dim, shift, spread, correlation):
    """Two Gaussian laws and their Fréchet distance, from SciPy's general matrix root."""
    import scipy.linalg

    rng = np.random.default_rng(0)
    mixing = np.eye(dim) + correlation * rng.standard_normal((dim, dim)) / np.sqrt(dim)
    scales = np.exp(spread * np.linspace(-1, 1, dim))
    s1, s2 = mixing @ mixing.T, (mixing * scales**2) @ mixing.T
    root = scipy.linalg.sqrtm(s1 @ s2)
    truth = dim * shift**2 + np.trace(s1 + s2 - 2 * root.real)

    def draw(rng, n, m):
        real = rng.standard_normal((n, dim)) @ mixing.T
        fake = (rng.standard_normal((m, dim)) * scales) @ mixing.T + shift
        return {"real_features": real, "fake_features": fake}

    return draw, truth


@SLOW
@pytest.mark.parametrize(("shift", "spread", "correlation"), [(0.05, 0.05, 0.7), (0.3, 0.5, 0.7)])
def test_fid_of_two_thousand_rows_in_32_dimensions(shift, spread, correlation):
    """Between 92 % and 99 % of 300 draws: near equal laws the interval is a little wide."""
    draw, truth = gaussians(32, shift, spread, correlation)
    hits = count(300, truth, lambda rng: draw(rng, 2000, 2000), "fid")
    assert 0.92 * 300 <= hits <= 0.99 * 300


@pytest.mark.parametrize("level", [0.8, pytest.param(0.99, marks=SLOW)])
def test_fid_interval_follows_its_level(level):
    draw, truth = gaussians(8, 0.2, 0.3, 0.5)
    hits = count(300, truth, lambda rng: draw(rng, 500, 700), "fid", level)
    assert_covers(hits, 300, level)
    assert level > 0.9 or hits < 0.9 * 300


@pytest.mark.parametrize(
    ("n", "m", "dim"), [pytest.param(1437, 360, 64, marks=SLOW), (120, 90, 16), (60, 50, 64)]
)
def test_fid_at_equal_laws(n, m, dim):
    """The truth is 0, where the delta method alone fails; rows are few, at last too few."""
    rng = np.random.default_rng(2)
    mixing = rng.standard_normal((dim, dim)) / np.sqrt(dim)
    offset = 0.3 * rng.standard_normal(dim)

    def draw(rng):
        rows = np.maximum(rng.standard_normal((n + m, dim)) @ mixing + offset, 0.0)
        return {"real_features": rows[:n], "fake_features": rows[n:]}

    assert_covers(count(100, 0.0, draw, "fid"), 100)


@SLOW
def test_fid_of_heavy_tails():
    """Multivariate t with 6 degrees of freedom, where the bias falls slowly: wide, but it holds."""
    scale = 1.2

    def draw(rng):
        rows = rng.standard_normal((400, 32)) * np.sqrt(4 / rng.chisquare(6, (400, 1)))
        return {"real_features": rows[:200], "fake_features": scale * rows[200:]}

    assert_covers(count(150, 32 * (1 - scale) ** 2, draw, "fid"), 150)


@pytest.mark.parametrize("shift", [pytest.param(0.0, marks=SLOW), 0.4])
def test_kid(shift):
    """N(0, I) against N(a, I) in 8 dimensions, where E (x.y / d + 1)^3 has a closed form."""
    d = 8

    def mean(a, b):
        inner = d * a * b
        second = d * (1 + a**2 + b**2) + inner**2
        third = inner**3 + 3 * inner * d * (1 + a**2 + b**2) + 6 * inner
        return third / d**3 + 3 * second / d**2 + 3 * inner / d + 1

    truth = mean(0, 0) + mean(shift, shift) - 2 * mean(0, shift)

    def draw(rng):
        rows = rng.standard_normal((700, d))
        return {"real_features": rows[:300], "fake_features": rows[300:] + shift}

    assert_covers(count(300, truth, draw, "kid"), 300)


LINE = np.random.default_rng(3).uniform(size=(80, 1))  # a fixed set on [0, 1]


def balls(k):
    """Centres and radii of the fixed set's balls, closed."""
    distances = np.abs(LINE - LINE.T)
    return LINE[:, 0], np.sort(distances, axis=1)[:, k]


def chances(k, width):
    """Of a uniform on [0, width]: its chance to hit each ball, in closed form."""
    centres, radii = balls(k)
    return (np.clip(centres + radii, 0, width) - np.clip(centres - radii, 0, width)) / width


def union(k, width):
    """The chance of a uniform on [0, width] to hit any ball."""
    centres, radii = balls(k)
    reached, total = 0.0, 0.0
    for low, high in sorted(zip(centres - radii, centres + radii, strict=True)):
        low, high = max(low, reached), min(max(high, reached), width)
        total += max(high - low, 0.0)
        reached = max(reached, high)
    return total / width


@pytest.mark.parametrize(
    "metric",
    ["precision", *(pytest.param(name, marks=SLOW) for name in ("recall", "density", "coverage"))],
)
def test_neighbour_metrics_on_a_line(metric):
    """One side is fixed, the other uniform on [0, 2]; the truth is a length, hence exact."""
    k, width, m = (3 if metric in ("precision", "recall") else 5), 2.0, 200
    truth = {
        "precision": union(k, width),
        "recall": union(k, width),
        "density": chances(k, width).sum() / k,
        "coverage": np.mean(1 - (1 - chances(k, width)) ** m),
    }[metric]
    sides = ("real_features", "fake_features")
    fixed, moving = sides if metric != "recall" else sides[::-1]

    def draw(rng):
        return {fixed: LINE, moving: rng.uniform(0, width, size=(m, 1))}

    hits = count(400, truth, draw, metric)
    assert_covers(hits, 400)
    assert hits < 0.99 * 400


@SLOW
def test_coverage_when_a_ball_is_seldom_hit():
    """30 generated rows for 80 balls: most balls hold none or one."""
    truth = np.mean(1 - (1 - chances(5, 2.0)) ** 30)

    def draw(rng):
        return {"real_features": LINE, "fake_features": rng.uniform(0, 2, size=(30, 1))}

    assert_covers(count(400, truth, draw, "coverage"), 400)


@pytest.mark.parametrize("scale", [1.0, pytest.param(5.0, marks=SLOW)])
def test_inception_score(scale):
    """Five classes of unequal shares; the truth from a million rows."""
    shares = np.arange(1, 6) / 15

    def draw(rng, n=300):
        labels = rng.choice(5, size=n, p=shares)
        return {"fake_logits": rng.standard_normal((n, 5)) + scale * np.eye(5)[labels]}

    log_p = special.log_softmax(draw(np.random.default_rng(4), 1_000_000)["fake_logits"], axis=1)
    mean = np.exp(log_p).mean(axis=0)
    truth = np.exp((np.exp(log_p) * log_p).sum(axis=1).mean() - (mean * np.log(mean)).sum())
    hits = count(400, truth, draw, "inception_score")
    assert_covers(hits, 400)
    assert hits < 0.99 * 400


def test_modes():
    """Ten equal modes, of which the generator gives one 2 % and one 0.2 %: nine are covered."""
    shares = np.array([0.122] * 7 + [0.124, 0.02, 0.002])

    def draw(rng):
        real, fake = rng.integers(10, size=1000), rng.choice(10, size=1000, p=shares)
        return {"real_logits": np.eye(10)[real], "fake_logits": np.eye(10)[fake]}

    assert_covers(count(200, 9, draw, "modes"), 200)

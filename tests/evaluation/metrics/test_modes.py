"""Modes class by class, their divergence, what is still unseen, and the birthday paradox."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import rel_entr

from evaluation import InputError, measure
from evaluation.core.pair import Pair
from evaluation.metrics import missing_mass, mode_kl, support
from evaluation.statistics.multiplicity import holm

SLOW = pytest.mark.slow


def rows_of(counts):
    """One-hot logits with these numbers of rows per class."""
    return np.eye(len(counts))[np.repeat(np.arange(len(counts)), counts)]


def of_classes(metric, real, fake):
    return measure(metrics=metric, real_logits=rows_of(real), fake_logits=rows_of(fake))[metric]


def of_support(values, radius=0.0):
    rows = np.asarray(values, dtype=float)
    rows = rows[:, None] if rows.ndim == 1 else rows
    settings = {"support": {"radius": radius}}
    return measure(fake_features=rows, metrics="support", settings=settings)["support"]


def assert_share(hits, trials, share):
    """The hits of a test whose probability is at most `share`, to one in a thousand."""
    assert stats.binom.sf(hits - 1, trials, share) > 1e-3


def test_each_mode_is_tested():
    """Shares .25 each; generated .5, .25, .24, .01: z by hand, Holm's order."""
    result = of_classes("modes", [100] * 4, [200, 100, 96, 4])
    z = np.array([0.25, 0.0, 0.01]) / np.sqrt(
        np.array([0.375 * 0.625, 0.25 * 0.75, 0.245 * 0.755]) * 2 / 400
    )
    raw = np.append(
        2 * stats.norm.sf(z),
        stats.chi2_contingency([[100, 300], [4, 396]], correction=False).pvalue,
    )
    np.testing.assert_allclose(result.details["p_values"], holm(raw), rtol=1e-10)
    assert (result.details["too_many"], result.details["too_few"]) == ([0], [3])


def test_modes_that_are_equal_are_rarely_called_different():
    rng = np.random.default_rng(0)
    shares = 0.5 ** np.arange(1, 9)
    shares /= shares.sum()
    wrong = 0
    for _ in range(150):
        result = of_classes("modes", rng.multinomial(300, shares), rng.multinomial(200, shares))
        wrong += bool(result.details["too_few"] + result.details["too_many"])
    assert_share(wrong, 150, 0.05)


def test_mode_kl_of_known_shares():
    result = of_classes("mode_kl", [500_000, 500_000], [750_000, 250_000])
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert result.details["plain"] == pytest.approx(expected, rel=1e-12)
    assert result.low < expected < result.high
    odds = 0.75 * 0.25 * math.log(3.0) ** 2 + 0.25  # var_p(log p/q) + var_q(p/q)
    assert result.details["standard_error"] == pytest.approx(math.sqrt(odds) / 1000, rel=1e-5)


def test_mode_kl_of_collapse_is_log_of_the_classes():
    result = of_classes("mode_kl", [1000] * 10, [10_000] + [0] * 9)
    assert result.details["plain"] == pytest.approx(math.log(10), rel=1e-12)


@pytest.mark.parametrize(
    ("p", "q"),
    [
        ([0.2] * 5, [0.2] * 5),
        ([0.4, 0.3, 0.2, 0.05, 0.05], [0.1, 0.2, 0.3, 0.2, 0.2]),
        pytest.param(0.7 ** np.arange(8), np.ones(8), marks=SLOW),
        pytest.param([0.55, 0.45], [0.5, 0.5], marks=SLOW),
    ],
)
def test_mode_kl_covers(p, q):
    """95 % intervals miss in 5 % of 300 draws or less; at p = q the mean is 0."""
    rng = np.random.default_rng(1)
    p, q = (np.asarray(x) / np.sum(x) for x in (p, q))
    truth = float(p @ np.log(p / q))
    result = [
        mode_kl.estimate(
            Pair(rows_of(rng.multinomial(500, q)), rows_of(rng.multinomial(400, p)), "logits"),
            level=0.95,
            seed=0,
        )
        for _ in range(300)
    ]
    assert_share(sum(not f.low <= truth <= f.high for f in result), 300, 0.06)
    values = [f.value for f in result]
    assert np.mean(values) == pytest.approx(truth, abs=4 * np.std(values) / math.sqrt(300))
    assert min(values) < truth
    assert all(f.high >= 0.0 for f in result)


@SLOW
@pytest.mark.parametrize("rows", [50, 100])
@pytest.mark.parametrize(
    ("p", "q"),
    [([1.0, 0.0], [0.97, 0.03]), ([0.97, 0.03], [0.9, 0.1]), (np.eye(100)[0], np.full(100, 0.01))],
)
def test_mode_kl_covers_where_a_class_is_rare_or_lost(p, q, rows):
    """Of 300 draws those that get an answer miss in 5 % or less."""
    rng, missed, answers = np.random.default_rng(6), 0, 0
    truth = float(rel_entr(p, q).sum())
    for _ in range(300):
        fake, real = rng.multinomial(rows, p), rng.multinomial(rows, q)
        if (real[fake > 0] == 0).any():
            continue
        result = of_classes("mode_kl", real, fake)
        missed += not result.low <= truth <= result.high
        answers += 1
    assert answers > 90
    assert_share(missed, answers, 0.06)


def test_mode_kl_of_one_class_allows_for_real_ones_not_seen():
    """A real class with a share of -expm1(log(0.025) / n) stays unseen in 2.5 % of samples."""
    result = of_classes("mode_kl", [100, 0], [100, 0])
    assert (result.value, result.low) == (0.0, 0.0)
    assert result.high == pytest.approx(-math.log(0.025) / 100, rel=1e-3)  # and a little of class 0


@pytest.mark.parametrize("side", ["real", "fake"])
def test_mode_kl_refuses_rows_without_a_class(side):
    logits = {f"{name}_logits": rows_of([30, 30, 30]) for name in ("real", "fake")}
    logits[f"{side}_logits"][[7, 9]] = [1.0, 0.0, 1.0]
    with pytest.raises(InputError, match=rf"{side}_logits has 2 of 90 rows .*first: row 7"):
        measure(metrics="mode_kl", **logits)


def test_mode_kl_has_no_estimate_where_real_rows_lack_a_class():
    with pytest.raises(InputError, match="fake_logits has 5 rows of class 2 and real_logits none"):
        of_classes("mode_kl", [50, 50, 0], [50, 50, 5])
    assert of_classes("mode_kl", [50, 50, 5], [50, 50, 0]).value < 0.2
    with pytest.raises(InputError, match="one column; mode_kl needs two"):
        of_classes("mode_kl", [50], [50])


def of_missing(counts, level=0.95):
    return missing_mass.estimate(Pair(None, rows_of(counts), "logits"), level=level, seed=0)


def test_missing_mass_is_goods_and_turings():
    result = of_missing([60, 36, 1, 1, 2, 0, 0, 0])
    assert result.value == 0.02
    interval = stats.binomtest(2, 8).proportion_ci(0.95, "exact")
    assert (result.low, result.high) == pytest.approx((interval.low * 0.08, interval.high * 0.08))
    assert result.details == {"singletons": 2, "seen": 5, "classes": 8}


@pytest.mark.parametrize(
    "shares",
    [
        1 / np.arange(1, 301),
        *(pytest.param(shares, marks=SLOW) for shares in (np.ones(300), 0.5 ** np.arange(20))),
    ],
)
def test_missing_mass_covers_the_chance_of_something_new(shares):
    """The sum of p (1 - p)^m: the mean is right to 1 / m^2, and intervals miss 5 % or less."""
    rng = np.random.default_rng(2)
    p = shares / shares.sum()
    result = [of_missing(rng.multinomial(100, p)) for _ in range(300)]
    truth = float(p @ (1 - p) ** 100)
    assert_share(sum(not f.low <= truth <= f.high for f in result), 300, 0.05)
    values = [f.value for f in result]
    error = np.std(values) / math.sqrt(300)
    assert np.mean(values) == pytest.approx(float(p @ (1 - p) ** 99), abs=4 * error)


def test_missing_mass_needs_classes():
    with pytest.raises(InputError, match="missing_mass needs two classes or more"):
        of_missing([30])


@pytest.mark.parametrize("radius", [0.0, 0.25])
def test_birthday_paradox_of_ten_thousand(radius):
    """Uniform on 10^4 values: about 10^4, also where "the same" means nearer than 1/4."""
    values = np.random.default_rng(3).integers(10_000, size=3000)
    result = of_support(values, radius)
    assert 0.85e4 < result.value < 1.15e4
    assert result.low < 1e4 < result.high
    _, counts = np.unique(values, return_counts=True)
    assert result.details["pairs"] == (counts * (counts - 1) // 2).sum()
    assert result.value == pytest.approx(3000 * 2999 / 2 / result.details["pairs"])


@pytest.mark.parametrize(
    "shares",
    [
        pytest.param(np.ones(1000), marks=SLOW),
        pytest.param(1 / np.arange(1, 500), marks=SLOW),
        0.6 ** np.arange(20),
        np.r_[0.3, np.full(500, 0.0014)],
    ],
)
@pytest.mark.parametrize("rows", [100, pytest.param(400, marks=SLOW)])
def test_support_covers_the_inverse_of_the_summed_squares(shares, rows):
    """Also where pairs share rows, for which Poisson's variance is far too small."""
    rng = np.random.default_rng(4)
    p = shares / shares.sum()
    truth, missed = 1.0 / float(p @ p), 0
    for _ in range(200):
        values = rng.choice(len(p), size=(rows, 1), p=p).astype(float)
        result = support.estimate(Pair(None, values), level=0.95, seed=0)
        missed += not result.low <= truth <= result.high
    assert_share(missed, 200, 0.06)


def test_support_without_a_duplicate_has_no_upper_end():
    result = of_support(np.arange(100.0))
    assert result.high == math.inf
    assert result.value == 4950.0
    assert result.low == pytest.approx(4950 / -math.log(0.025))
    assert result.details["pairs"] == 0


def test_support_of_one_image_is_one():
    result = of_support(np.ones((50, 3)))
    assert result.value == 1.0
    assert result.low <= 1.0 < result.high < 1.3


def test_pairs_within_a_radius_are_those_of_a_loop(monkeypatch):
    """Blocks of different sizes, a distance equal to the radius, far from the origin."""
    rng = np.random.default_rng(5)
    rows = 1000.0 + rng.integers(0, 6, size=(150, 3))
    monkeypatch.setattr(support, "BLOCK_ENTRIES", 40 * 40)
    gaps = np.linalg.norm(rows[:, None] - rows, axis=2)
    for radius in (0.0, 1.0, math.sqrt(2.0), 2.5):
        pairs = ((gaps <= radius + 1e-12).sum() - 150) // 2
        assert of_support(rows, radius).details["pairs"] == pairs
    np.testing.assert_array_equal(support._near(rows, 1.0), (gaps <= 1.0).sum(axis=1) - 1)


@pytest.mark.parametrize("radius", [-1.0, math.nan])
def test_support_needs_a_radius(radius):
    with pytest.raises(InputError, match=r"support setting radius=.*must lie in \[0, 1e\+100\]"):
        of_support(np.arange(30.0), radius)

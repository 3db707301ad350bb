"""The nearest-neighbour metrics against their definitions, with all distances held at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluation import InputError, measure, metrics, per_sample
from evaluation.core.pair import Pair
from evaluation.metrics import clipped_coverage
from evaluation.metrics.coverage import expected_at_equal_distributions
from evaluation.neighbours import closest, distances
from evaluation.statistics.quantile import median_interval, median_rows

FOUR = ("precision", "recall", "density", "coverage")
OF_BALLS = (*FOUR, "clipped_density", "clipped_coverage", "p_cover", "r_cover", "rarity")
ALL = (*OF_BALLS, "probabilistic_precision", "probabilistic_recall", "realism")


def gaps(x, y):
    return np.sqrt(np.square(x[:, None] - y[None].astype(float)).sum(axis=2))


def radii(x, k):
    own = gaps(x, x)
    np.fill_diagonal(own, np.inf)
    return np.sort(own, axis=1)[:, k - 1]


@np.errstate(divide="ignore", invalid="ignore")
def direct(real, fake, k, closed):
    """Each metric's value, by the formula of its paper."""
    apart = gaps(real, fake)

    def inside(size, gap):
        return gap <= size[:, None] if closed else gap < size[:, None]

    around_real, around_fake = inside(radii(real, k), apart), inside(radii(fake, k), apart.T)
    size = np.minimum(radii(real, k), np.median(radii(real, k)))
    own = gaps(real, real)
    np.fill_diagonal(own, np.inf)
    among = np.minimum((own <= size[:, None]).sum(axis=0) / k, 1).mean()
    full = np.minimum(around_real.sum(axis=1), k).mean() / k
    wide, wide_fake = (inside(radii(x, 2 * k), g) for x, g in ((real, apart), (fake, apart.T)))
    soft, soft_fake = (1.2 * radii(x, k).mean() for x in (real, fake))
    kept = radii(real, k) <= np.median(radii(real, k))
    realism = np.median((radii(real, k)[kept, None] / apart[kept]).max(axis=0))
    least = np.where(around_real, radii(real, k)[:, None], np.inf).min(axis=0)
    return {
        "precision": around_real.any(axis=0).mean(),
        "recall": around_fake.any(axis=0).mean(),
        "density": around_real.sum() / (k * len(fake)),
        "coverage": around_real.any(axis=1).mean(),
        "clipped_density": np.minimum(inside(size, apart).sum(axis=0) / k, 1).mean() / among,
        "full": full,
        "r_cover": (wide.sum(axis=1) >= k).mean(),
        "p_cover": (wide_fake.sum(axis=1) >= k).mean(),
        "probabilistic_precision": 1 - np.minimum(apart / soft, 1).prod(axis=0).mean(),
        "probabilistic_recall": 1 - np.minimum(apart / soft_fake, 1).prod(axis=1).mean(),
        "realism": realism,
        "rarity": np.median(least[np.isfinite(least)]),
    }


def chosen(k, closed):
    """Settings of all metrics."""
    result = {name: {"k": k} | ({"closed": closed} if name in OF_BALLS else {}) for name in ALL}
    for name in ("p_cover", "r_cover"):
        result[name]["c"] = 2
    return result


@pytest.mark.parametrize("k", [1, 3, 7])
@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("width", [2, 30])
def test_against_the_definitions(k, closed, width):
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((90, width)), 0.8 * rng.standard_normal((80, width)) + 0.2
    fake[:3] = real[:3]
    expected = direct(real, fake, k, closed)
    result = measure(real, fake, ALL, settings=chosen(k, closed))
    for name in ALL:
        if name == "clipped_coverage":
            value = result[name].details["uncalibrated"]
            assert value == pytest.approx(expected["full"], rel=1e-12)
        else:
            assert result[name].value == pytest.approx(expected[name], rel=1e-10), name


def test_tiles_do_not_change_an_answer(monkeypatch):
    rng = np.random.default_rng(1)
    real, fake = rng.integers(0, 4, (90, 3)) / 4, rng.integers(0, 4, (80, 3)) / 4
    whole = measure(real, fake, ALL)
    for rows, columns in ((16, 8), (5, 33)):
        monkeypatch.setattr(distances, "TILE_ROWS", rows)
        monkeypatch.setattr(distances, "TILE_COLUMNS", columns)
        monkeypatch.setattr(closest, "AT_ONCE", 50)
        assert dict(measure(real, fake, ALL)) == dict(whole)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 4), levels=st.integers(2, 5))
def test_ties_on_a_lattice(seed, k, levels):
    """Whole numbers have many ties: closed balls contain them all, in any order of the rows."""
    rng = np.random.default_rng(seed)
    real, fake = rng.integers(0, levels, (30, 3)), rng.integers(0, levels, (25, 3))
    names = ("precision", "recall", "coverage", "p_cover", "r_cover")
    options = {name: chosen(k, True)[name] for name in names}
    result = measure(real / 4 + 1000, fake / 4 + 1000, names, settings=options)
    expected = direct(real, fake, k, True)
    assert {n: result[n].value for n in names} == pytest.approx({n: expected[n] for n in names})
    again = measure(rng.permutation(real), rng.permutation(fake), names, settings=options)
    assert [result[n].value for n in names] == [again[n].value for n in names]


def test_huge_common_offset():
    rng = np.random.default_rng(2)
    real, fake = np.round(rng.standard_normal((2, 60, 5)) * 1024) / 1024
    result, moved = measure(real, fake, ALL), measure(real + 2**20, fake + 2**20, ALL)
    for name in ALL:
        assert moved[name].value == pytest.approx(result[name].value, rel=1e-9)


def test_swapped_arguments_swap_the_twins():
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((100, 4)), rng.standard_normal((90, 4)) + 1
    forth, back = measure(a, b, ALL), measure(b, a, ALL)
    for one, other in (
        ("precision", "recall"),
        ("p_cover", "r_cover"),
        ("probabilistic_precision", "probabilistic_recall"),
    ):
        assert forth[one].value == back[other].value != forth[other].value


def test_disjoint_and_copied_sets():
    rows = np.random.default_rng(2).standard_normal((60, 3))
    apart, same = measure(rows, rows + 100, FOUR), measure(rows, rows.copy(), ALL)
    assert [apart[name].value for name in FOUR] == [0.0, 0.0, 0.0, 0.0]
    assert [same[name].value for name in FOUR] == [1.0, 1.0, pytest.approx(1.2), 1.0]
    assert same["probabilistic_precision"].value == same["probabilistic_recall"].value == 1.0
    assert same["realism"].value == np.inf
    assert same["p_cover"].value == same["r_cover"].value == 1.0
    assert apart["density"].high > 0.0  # 0 of 60 rows does not prove that the probability is 0
    one_point = measure(rows, np.tile(rows[:1], (60, 1)), "density")["density"]
    assert one_point.low < one_point.value < one_point.high


def test_copies_inside_one_set():
    """All rows are equal: a closed ball of radius 0 contains its copies.

    Metrics that divide by a radius refuse such rows.
    """
    real, fake = np.ones((30, 2)), np.ones((40, 2))
    names = ("precision", "recall", "coverage", "p_cover", "r_cover")
    assert [e.value for e in measure(real, fake, names).values()] == [1.0] * 5
    assert measure(real, fake, "rarity")["rarity"].value == 0.0
    for name in ("density", "clipped_density"):
        with pytest.raises(InputError, match="30 rows with 5 or more exact copies"):
            measure(real, fake, name)
    for name in ("probabilistic_precision", "probabilistic_recall", "realism"):
        with pytest.raises(InputError, match=f"or more exact copies.*{name} needs"):
            measure(real, fake, name)
    with pytest.raises(InputError, match="remove the copies"):
        measure(real, fake, "coverage", protocol="prdc")


def test_copies_of_real_rows_leave_no_scale_for_rows_between_them():
    rng = np.random.default_rng(11)
    real, fake = np.repeat(rng.standard_normal((30, 3)), 5, axis=0), rng.standard_normal((60, 3))
    for name in ("precision", "rarity", "realism"):
        with pytest.raises(InputError, match=f"150 rows with 3 or more exact copies.*{name} needs"):
            measure(real, fake, name)
    half = np.r_[np.repeat(np.arange(10.0), 5), np.arange(100.0, 150.0)][:, None]
    with pytest.raises(InputError, match="50 rows with 3 or more exact copies"):
        measure(half, half[:50], "realism")


@pytest.mark.slow
def test_expected_coverage_and_density_at_equal_laws():
    """E coverage = 1 - prod (n-1-j)/(n+m-1-j), E density = 1, E clipped coverage = f(m)."""
    n, m, k, draws = 100, 80, 5, 200
    assert expected_at_equal_distributions(n, n, k) == pytest.approx(1 - 2.0**-k, abs=0.003)
    values = []
    for draw in range(draws):
        rng = np.random.default_rng([3, draw])
        result = measure(
            *(rng.exponential(size=(size, 3)) for size in (n, m)),
            ("coverage", "density", "clipped_coverage"),
        )
        values.append([result["coverage"].value, result["density"].value])
        values[-1].append(result["clipped_coverage"].details["uncalibrated"])
    mean, error = np.mean(values, axis=0), np.std(values, axis=0, ddof=1) / np.sqrt(draws)
    assert mean[0] == pytest.approx(expected_at_equal_distributions(n, m, k), abs=4 * error[0])
    assert mean[1] == pytest.approx(1.0, abs=4 * error[1])
    assert mean[2] == pytest.approx(clipped_coverage.expected(n, m, k)[-1], abs=4 * error[2])


@pytest.mark.parametrize(("n", "m", "k"), [(7, 5, 5), (50, 120, 5), (300, 20, 1)])
def test_calibration_of_clipped_coverage(n, m, k):
    curve = clipped_coverage.expected(n, m, k)
    for j in (0, 1, m // 2, m):
        law = stats.betabinom(j, k, n - k)
        counts = np.arange(j + 1)
        assert curve[j] == pytest.approx(law.pmf(counts) @ np.minimum(counts, k) / k, rel=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_clipped_metrics_are_the_share_of_good_rows(share):
    """Some rows are useless: both metrics fall in proportion to the good rows."""
    rng = np.random.default_rng(4)
    real, fake = rng.standard_normal((2, 3000, 4))
    fake[: round(3000 * (1 - share))] += 100.0
    for name in ("clipped_density", "clipped_coverage"):
        result = measure(real, fake, name)[name]
        assert result.value == pytest.approx(share, abs=0.04)
        assert result.low <= share <= result.high + 0.04


def test_outliers_do_not_raise_the_clipped_density():
    rng = np.random.default_rng(5)
    real, fake = rng.standard_normal((300, 3)), rng.standard_normal((300, 3)) * 8
    far = np.r_[real, 30 * rng.standard_normal((10, 3))]
    plain, outliers = (measure(x, fake, ("density", "clipped_density")) for x in (real, far))
    assert outliers["density"].value > 1.5 * plain["density"].value
    assert outliers["clipped_density"].value < 1.1 * plain["clipped_density"].value


def test_authenticity_is_that_of_a_loop():
    rng = np.random.default_rng(6)
    for t, m in ((300, 40), (30, 200)):  # some of the training rows, and all
        train, fake = rng.integers(0, 9, (t, 2)) / 3, rng.integers(0, 27, (m, 2)) / 9
        own, apart = gaps(train, train), gaps(fake, train)
        np.fill_diagonal(own, np.inf)
        tied = apart == apart.min(axis=1, keepdims=True)
        expected = apart.min(axis=1) > np.where(tied, own.min(axis=1), 0).max(axis=1)
        result = measure(None, fake, "authenticity", train_features=train)["authenticity"]
        assert result.value == expected.mean()
        pair = Pair(None, fake, train=train)
        np.testing.assert_array_equal(metrics.load("authenticity").per_sample(pair), expected)


def test_per_sample_numbers():
    rng = np.random.default_rng(7)
    real, fake = rng.standard_normal((80, 2)), 2 * rng.standard_normal((60, 2))
    pair, apart, size = Pair(real, fake), gaps(real, fake), radii(real, 3)
    rarity = np.where(apart <= size[:, None], size[:, None], np.inf).min(axis=0)
    rarity[np.isinf(rarity)] = np.nan
    np.testing.assert_allclose(metrics.load("rarity").per_sample(pair), rarity, rtol=1e-12)
    assert 0 < np.isnan(rarity).sum() < 60
    kept = size <= np.median(size)
    realism = (size[kept, None] / apart[kept]).max(axis=0)
    np.testing.assert_allclose(metrics.load("realism").per_sample(pair), realism, rtol=1e-12)
    inside = (apart <= np.where(kept, size, 0)[:, None]).any(axis=0)
    np.testing.assert_array_equal(realism >= 1, inside)


def test_rarity_refuses_where_hardly_a_row_is_inside():
    rows = np.random.default_rng(8).standard_normal((60, 2))
    with pytest.raises(InputError, match=r"^0 rows of fake_features lie in real balls; rarity"):
        measure(rows, rows + 100, "rarity")


@pytest.mark.parametrize(
    ("metric", "wrong", "line"),
    [
        ("p_cover", {"k": 0}, "p_cover settings k=0, c=3; both must be at least 1"),
        ("r_cover", {"c": 0}, "r_cover settings k=3, c=0; both must be at least 1"),
        ("probabilistic_precision", {"a": 0.0}, r"probabilistic_precision setting a=0.0; .*\[0.00"),
        ("probabilistic_precision", {"a": 1e300}, r"setting a=1e\+300; it must lie in"),
        ("probabilistic_recall", {"a": 1e-300}, "setting a=1e-300; it must lie in"),
        ("probabilistic_recall", {"k": 0}, "probabilistic_recall setting k=0; it must be a whole"),
        ("realism", {"k": 0}, "realism setting k=0; it must be at least 1"),
        ("r_cover", {"c": 30}, r"real_features has 60 rows; r_cover needs at least 92 \(k = 90\)"),
    ],
)
def test_wrong_settings(metric, wrong, line):
    rows = np.random.default_rng(9).standard_normal((60, 2))
    with pytest.raises(InputError, match=line):
        measure(rows, rows + 1, metric, settings={metric: wrong})


@pytest.mark.parametrize("n", [11, 20, 101])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_median_interval_covers_by_the_binomial_law(n, level):
    if n < median_rows(level):
        return
    low, high = median_interval(np.arange(n)[::-1], level)
    below = stats.binom(n, 0.5)
    covers = below.cdf(high) - below.cdf(low)
    assert level <= covers
    narrower = below.cdf(high - 1) - below.cdf(low + 1)
    assert narrower < level


def test_per_sample_by_name():
    rng = np.random.default_rng(12)
    real, fake = rng.standard_normal((2, 60, 3))
    for name in ("realism", "rarity"):
        expected = metrics.load(name).per_sample(Pair(real, fake), k=4)
        result = per_sample(name, real, fake, settings={"k": 4})
        np.testing.assert_array_equal(result, expected)
    assert per_sample("authenticity", None, real, real).max() == 0.0  # copies, all of them
    for wrong, line in (
        (("fid", real, fake), "needs one of authenticity, rarity, realism"),
        (("realism", None, fake), "real_features is missing"),
        (("realism", real, fake[:, :2]), "fake_features has 2 columns"),
        (("realism", real, fake, None, {"q": 3}), "settings has 'q'"),
    ):
        with pytest.raises(InputError, match=line):
            per_sample(*wrong)

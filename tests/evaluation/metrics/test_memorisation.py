"""C_T, MiFID and FLD: the effect of copies of training rows, and closed forms."""

import math

import numpy as np
import pytest
from scipy import stats

from evaluation import InputError, measure
from evaluation.core.nearest import nearest
from evaluation.core.pair import Pair
from evaluation.metrics import c_t, fld, mifid


def ask(metric, real, fake, train, **settings):
    return measure(real, fake, metric, settings={metric: settings}, train_features=train)[metric]


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def test_nearest_is_that_of_a_loop():
    train, rows = 1e3 + normal(0, 50, 4), 1e3 + normal(1, 70, 4)
    rows[:5] = train[10:15]
    gaps = np.linalg.norm(rows[:, None] - train, axis=2)
    index, distance = nearest(train, rows)
    np.testing.assert_array_equal(index[:, 0], gaps.argmin(axis=1))
    np.testing.assert_allclose(distance[:, 0], gaps.min(axis=1), rtol=1e-9)
    assert (distance[:5] == 0.0).all()


def test_c_t_of_one_cell_is_mann_whitneys_z():
    real, fake, train = normal(0, 90, 2), 1.2 * normal(1, 70, 2), normal(2, 80, 2)
    result = ask("c_t", real, fake, train, cells=1)
    distances = [np.linalg.norm(x[:, None] - train, axis=2).min(axis=1) for x in (fake, real)]
    u = stats.mannwhitneyu(*distances).statistic
    z = (u - 90 * 70 / 2) / math.sqrt(90 * 70 * 161 / 12)
    assert result.value == pytest.approx(z, rel=1e-12)
    assert result.details["null_sd"] == 1.0
    assert result.details["p_value"] == pytest.approx(stats.norm.cdf(z))


def test_c_t_weighs_cells_by_their_held_out_rows():
    """Two distant clusters have 100 and 200 held-out rows. All fakes of the first are copies."""
    far = np.array([1000.0, 0.0])
    train = np.concatenate([normal(0, 60, 2), normal(1, 60, 2) + far])
    real = np.concatenate([normal(2, 100, 2), normal(3, 200, 2) + far])
    fake = np.concatenate([train[:50], normal(4, 70, 2) + far])
    result = ask("c_t", real, fake, train, cells=2)
    z = result.details["cell_z"]
    first = -math.sqrt(3 * 100 * 50 / 151)  # U = 0
    assert min(z) == pytest.approx(first, rel=1e-12)
    assert result.value == pytest.approx((first + 2 * max(z)) / 3, rel=1e-12)
    assert sorted(result.details["cell_shares"]) == pytest.approx([1 / 3, 2 / 3])
    assert result.details["null_sd"] == pytest.approx(math.sqrt(5) / 3)


def test_cells_with_few_rows_are_left_out():
    far = np.array([1000.0, 0.0])
    train = np.concatenate([normal(0, 60, 2), normal(1, 60, 2) + far])
    real = np.concatenate([normal(2, 100, 2), normal(3, 200, 2) + far])
    fake = np.concatenate([normal(4, 19, 2), normal(5, 70, 2) + far])
    assert ask("c_t", real, fake, train, cells=2).details["cells"] == 1
    assert ask("c_t", real, fake, train, cells=2, least_rows=19).details["cells"] == 2
    with pytest.raises(InputError, match="no cell has 80 real and 80 fake rows; c_t needs one"):
        ask("c_t", real, fake, train, cells=2, least_rows=80)


def test_copied_training_rows_are_far_below_the_null():
    train, real = normal(0, 1000, 4), normal(1, 1000, 4)
    result = ask("c_t", real, train, train)
    assert result.value < -10
    assert result.high < -10
    assert result.details["p_value"] < 1e-50
    assert ask("c_t", real, 2.0 * normal(2, 1000, 4), train).value > 10


@pytest.mark.slow
@pytest.mark.parametrize("law", ["standard_normal", "standard_exponential"])
def test_c_t_at_equal_laws(law):
    """Mean 0, standard deviation null_sd, intervals that cover 0, p <= 0.05 in 5 %; 200 draws."""
    rng = np.random.default_rng(6)
    train = getattr(rng, law)((200, 2))
    z, covered, rejected = [], 0, 0
    for _ in range(200):
        pair = Pair(getattr(rng, law)((120, 2)), getattr(rng, law)((150, 2)), train=train)
        result = c_t.estimate(pair, level=0.95, seed=0)
        z.append(result.value / result.details["null_sd"])
        covered += result.low <= 0.0 <= result.high
        rejected += result.details["p_value"] <= 0.05
    assert np.mean(z) == pytest.approx(0.0, abs=4 / math.sqrt(200))
    assert np.std(z) == pytest.approx(1.0, abs=4 / math.sqrt(400))
    assert stats.binom.cdf(covered, 200, 0.94) > 1e-3
    assert 1e-3 < stats.binom.cdf(rejected, 200, 0.05) < 1 - 1e-4


def test_c_t_of_identical_rows_is_zero():
    ones = np.ones((40, 2))
    result = ask("c_t", ones, ones, ones)
    assert result.value == 0.0
    assert result.low < 0.0 < result.high


@pytest.mark.parametrize("setting", [{"cells": 0}, {"least_rows": 1}])
def test_wrong_settings_of_c_t(setting):
    rows = normal(0, 50, 2)
    with pytest.raises(InputError, match="c_t settings cells="):
        ask("c_t", rows, rows, rows, **setting)


def test_cosine_distances_are_those_of_a_loop(monkeypatch):
    monkeypatch.setattr(mifid, "BLOCK_ENTRIES", 60)
    train, rows = normal(0, 30, 3), normal(1, 40, 3)
    cosines = rows @ train.T / np.linalg.norm(rows, axis=1)[:, None] / np.linalg.norm(train, axis=1)
    expected = 1.0 - np.abs(cosines).max(axis=1)
    np.testing.assert_allclose(mifid.cosine_distances(train, rows), expected, atol=1e-14)


def test_mifid_divides_by_the_distance_below_the_threshold():
    train, real = 3.0 + normal(0, 200, 4), 3.0 + normal(1, 200, 4)
    fake = 1.1 * train[:150] + 0.1 * normal(2, 150, 4)
    copied = ask("mifid", real, fake, train)
    d = copied.details["distance"]
    assert d == pytest.approx(mifid.cosine_distances(train, fake).mean())
    assert d < 0.1
    assert copied.value == pytest.approx(copied.details["fid"] / d)
    assert copied.details["copying"]
    free = ask("mifid", real, fake, train, threshold=d / 2)
    assert free.value == free.details["fid"] == copied.details["fid"]
    assert free.low == free.details["fid_low"]
    between = ask("mifid", real, fake, train, threshold=d * 1.001)
    assert between.low <= free.value < between.value <= between.high


def test_mifid_of_exact_copies_is_huge_and_its_plain_form_has_no_interval():
    train, real = normal(0, 100, 3), 1.0 + normal(1, 100, 3)
    assert ask("mifid", real, train, train).value > 1e10
    plain = ask("mifid", real, normal(2, 90, 3), train, estimator="plain")
    assert math.isnan(plain.low)
    assert math.isnan(plain.high)


def test_mifid_refuses_what_has_no_direction():
    rows = normal(0, 60, 3)
    broken = rows.copy()
    broken[7] = 0.0
    with pytest.raises(
        InputError, match="fake_features row 7 is all zeros; mifid needs directions"
    ):
        ask("mifid", rows, broken, rows)
    with pytest.raises(InputError, match=r"threshold=2\.0; it must lie in"):
        ask("mifid", rows, rows, rows, threshold=2.0)


def test_density_of_one_centre_is_a_gaussian_with_the_best_width():
    """The density is that of one Gaussian, and of the mean of two."""
    rows = normal(0, 300, 3)
    density = fld.Density(np.zeros((1, 3)), np.array([math.log(2.0)]))
    expected = stats.multivariate_normal(np.zeros(3), 2.0 * np.eye(3)).logpdf(rows)
    np.testing.assert_allclose(density.log(rows), expected, rtol=1e-12)
    two = fld.Density(np.array([[0.0] * 3, [5.0] * 3]), np.log([1.0, 4.0]))
    parts = [
        stats.multivariate_normal(centre, variance * np.eye(3)).pdf(rows)
        for centre, variance in zip(two.centres, (1.0, 4.0), strict=True)
    ]
    np.testing.assert_allclose(two.log(rows), np.log(np.mean(parts, axis=0)), rtol=1e-12)


def test_widths_are_the_likeliest():
    """Two clusters lie far apart; each fitted variance is that of its cluster."""
    rows = np.concatenate([normal(0, 200, 2), 3.0 * normal(1, 300, 2) + 1000.0])
    result = fld.fit(np.array([[0.0, 0.0], [1000.0, 1000.0]]), rows, 100)
    squares = [np.square(rows[:200]).sum(axis=1), np.square(rows[200:] - 1000.0).sum(axis=1)]
    expected = [x.mean() / 2 for x in squares]
    np.testing.assert_allclose(np.exp(result.log_variances), expected, rtol=1e-3)


def test_fld_of_new_rows_is_about_zero_and_rises_with_every_fault():
    train, real = normal(0, 600, 6), normal(1, 400, 6)
    fresh = normal(2, 500, 6)
    same, noisy, moved = (ask("fld", real, x, train) for x in (fresh, 1.5 * fresh, fresh + 1.0))
    assert abs(same.value) < 2.0
    assert same.low < same.value < same.high
    assert noisy.low > 5.0
    assert moved.low > 10.0
    copied = [ask("fld", real, train[:500] + e * fresh, train) for e in (1e-1, 1e-2)]
    assert 10.0 < copied[0].value < copied[1].value
    assert copied[1].details["gap"] < -100.0
    exact = ask("fld", real, train, train)
    assert math.isfinite(exact.high)
    assert exact.value > 1e6


def test_fld_is_the_difference_of_two_mean_log_likelihoods():
    train, real, fake = normal(0, 100, 3), normal(1, 60, 3), normal(2, 50, 3)
    result = ask("fld", real, fake, train)
    details = result.details
    assert result.value == pytest.approx(100 * (details["nll"] - details["baseline_nll"]))
    scale = train.std(axis=0, ddof=1)
    density = fld.fit(fake / scale, train / scale, 100)
    assert details["nll"] == pytest.approx(-density.log(real / scale).mean() / 3, rel=1e-9)
    assert details["train_nll"] == pytest.approx(-density.log(train / scale).mean() / 3, rel=1e-9)
    assert ask("fld", real, fake, train, most_rows=30).value != result.value
    assert ask("fld", real, fake, train, steps=1).value != result.value


def test_fld_with_constant_columns_and_with_identical_rows():
    train, real, fake = (np.c_[normal(seed, 60, 2), np.ones(60)] for seed in (0, 1, 2))
    assert math.isfinite(ask("fld", real, fake, train).value)
    with pytest.raises(InputError, match="train_features has identical rows only; fld needs"):
        ask("fld", real, fake, np.ones((50, 3)))
    with pytest.raises(InputError, match="fld settings most_rows=5, steps=100"):
        ask("fld", real, fake, train, most_rows=5)


@pytest.mark.parametrize(("metric", "least"), [("c_t", 20), ("fld", 40)])
def test_too_few_training_rows(metric, least):
    rows = normal(0, 60, 2)
    line = f"train_features has 10 rows; {metric} needs at least {least}"
    with pytest.raises(InputError, match=line):
        ask(metric, rows, rows, rows[:10])

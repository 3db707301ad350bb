"""Sliced Wasserstein and MIND: exact transport on lines, closed forms, no bias, coverage."""

import numpy as np
import pytest
from scipy import stats

from evaluation import InputError, measure
from evaluation.estimators import sliced_wasserstein
from evaluation.estimators.sliced_wasserstein import (
    directions,
    influences,
    integrals,
    sliced,
    wasserstein2,
)


def ask(real, fake, metric="sliced_wasserstein", seed=0, **settings):
    return measure(real, fake, metric, settings={metric: settings}, seed=seed)[metric]


@pytest.mark.parametrize(("n", "m"), [(1, 4), (5, 5), (6, 9), (9, 6), (7, 30)])
def test_transport_on_a_line_is_that_of_repeated_values(n, m):
    """Repeat each of n values m times, and each of m values n times: n m sorted pairs."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, n)) + 5.0, rng.standard_exponential((3, m))
    pairs = np.repeat(np.sort(a), m, axis=1) - np.repeat(np.sort(b), n, axis=1)
    centred = pairs - pairs.mean(axis=1, keepdims=True)
    result = wasserstein2(a, b - b.mean(axis=1, keepdims=True) + a.mean(axis=1, keepdims=True))
    assert result == pytest.approx(np.square(centred).mean(axis=1), rel=1e-10)


def test_transport_counts_the_shift():
    rng = np.random.default_rng(1)
    a = rng.standard_normal((2, 11))
    assert wasserstein2(a, a[:, ::-1] + 3.0) == pytest.approx([9.0, 9.0])


def test_integrals_of_a_step_function():
    assert integrals(np.array([[1.0, 2.0, 6.0]]), 2)[0] == pytest.approx([2 / 3, 7 / 3])
    assert integrals(np.array([[1.0, 2.0, 6.0]]), 6)[0].sum() == pytest.approx(3.0)


def test_directions_are_unit_vectors_in_all_directions():
    """E u u^T = I / d; an entry's standard error is about 1 / (d sqrt(count))."""
    units = directions(20_000, 3, 0)
    assert np.linalg.norm(units, axis=1) == pytest.approx(np.ones(20_000))
    np.testing.assert_allclose(units.T @ units / 20_000, np.eye(3) / 3, atol=5 / (3 * 141))
    assert not np.array_equal(directions(5, 3, 0), directions(5, 3, 1))


def test_directions_are_no_rows_of_data_drawn_with_their_seed():
    rows = np.random.default_rng(0).standard_normal((50, 200))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert np.abs(rows @ directions(50, 200, 0).T).max() < 0.5  # seven standard deviations


def test_influences_are_the_potential_of_a_known_map():
    """N(0, 1) to N(0, 1/4): T(x) = x/2, potential int 2 (x - x/2) dx = x^2 / 2."""
    x = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)[None]
    expected = x**2 / 2 - np.mean(x**2 / 2)
    np.testing.assert_allclose(influences(x, x / 2.0), expected, atol=1e-9)
    coarse = influences(x, x[:, ::4] / 2.0)[0]
    assert np.corrcoef(coarse, expected[0])[0, 1] > 0.999


def test_plain_is_the_mean_over_directions_of_the_samples_own_distance():
    rng = np.random.default_rng(2)
    real, fake = rng.standard_normal((30, 3)), rng.standard_normal((40, 3)) + 1.0
    expected = [
        np.square(np.repeat(np.sort(real @ u), 40) - np.repeat(np.sort(fake @ u), 30)).mean()
        for u in directions(50, 3, 7)
    ]
    plain = ask(real, fake, seed=7, projections=50, estimator="plain")
    assert plain.value == pytest.approx(np.mean(expected), rel=1e-10)
    assert not plain.has_interval
    assert ask(real, fake, seed=7, projections=50).details["plain"] == pytest.approx(plain.value)
    mind = ask(real, fake, "mind", seed=7, projections=50, estimator="plain")
    assert mind.value == pytest.approx(3 * 3 * np.mean(expected), rel=1e-10)


def test_mind_of_a_shift_is_three_times_its_square():
    """If all rows are shifted by mu in every coordinate, MIND is 3 d mu^2.

    A plain mean over 4000 directions of d (u.v)^2 / |v|^2 has the standard error sqrt(2 / 4000).
    """
    rows = np.random.default_rng(3).standard_normal((60, 16))
    result = ask(rows, rows + 0.5, "mind", projections=4000, estimator="plain")
    assert result.value == pytest.approx(3 * 16 * 0.25, rel=4 * np.sqrt(2 / 4000))


@pytest.mark.parametrize("law", ["normal", "t"])
@pytest.mark.parametrize(("n", "m"), [(80, 80), (60, 160)])
def test_no_bias_at_equal_laws(law, n, m):
    """The mean of 300 draws is within four standard errors of 0; the plain mean is far above."""
    rng = np.random.default_rng(4)
    draw = rng.standard_normal if law == "normal" else lambda size: rng.standard_t(4, size)
    result = [sliced(draw((n, 3)), draw((m, 3)), 30, seed) for seed in range(300)]
    values, plain = (np.array([getattr(f, name) for f in result]) for name in ("value", "plain"))
    error = values.std() / np.sqrt(300)
    assert abs(values.mean()) < 4 * error
    assert plain.mean() > 20 * error


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shift", "scale"), [(0.0, 1.0), (1.0, 1.0), (0.0, 1.3), (0.0, 2.0), (0.5, 0.7)]
)
def test_interval_covers_gaussian_distances(shift, scale):
    """N(0, I) against N(shift e, scale^2 I): shift^2 / d + (1 - scale)^2 on average.

    200 draws of n = 300, d = 5. The least coverage, 0.91, is 2.6 binomial standard errors below
    0.95. The bias may be at most a third of the standard deviation of the values.
    """
    rng, truth, result = np.random.default_rng(5), shift**2 / 5 + (1 - scale) ** 2, []
    for seed in range(200):
        real, fake = rng.standard_normal((300, 5)), scale * rng.standard_normal((300, 5))
        fake[:, 0] += shift
        result.append(ask(real, fake, seed=seed, projections=30))
    covered = np.mean([f.low <= truth <= f.high for f in result])
    assert covered >= 0.91
    if truth > 0.0:
        assert covered <= 0.99
    values = np.array([f.value for f in result])
    assert abs(values.mean() - truth) < values.std() / 3


def test_interval_covers_over_directions():
    """For one sample, `variance_of_directions` is the variance over many sets of few directions.

    The distributions differ in the scale of one of ten coordinates, so that directions differ.
    """
    rng = np.random.default_rng(6)
    real, fake = rng.standard_normal((2, 400, 10))
    fake[:, 0] *= 4.0
    result = [sliced(real, fake, 30, seed) for seed in range(200)]
    spread = np.var([f.value for f in result])
    stated = np.mean([f.variance_of_directions for f in result])
    assert stated == pytest.approx(spread, rel=0.4)
    more = sliced(real, fake, 3000, 0)
    assert more.variance_of_directions < stated / 50


def test_a_shift_needs_no_directions():
    """The squared gap of the means is exact: a larger gap adds no error of the directions.

    A plain mean of 40 values of (u.v)^2 would have an error of a fifth of 2500.
    """
    rows, other = np.random.default_rng(7).standard_normal((2, 500, 6))
    near, far = (sliced(rows, other + shift, 40, 0) for shift in (0.0, 50.0))
    assert far.variance_of_directions < 2.0 * near.variance_of_directions
    gap = rows.mean(axis=0) - other.mean(axis=0)
    between = ((gap - 50.0) @ (gap - 50.0) - gap @ gap) / 6
    assert far.value - near.value == pytest.approx(between, abs=0.01)
    assert abs(far.plain - near.plain - between) > 10.0


def test_streaming_changes_nothing(monkeypatch):
    rng = np.random.default_rng(9)
    real, fake = rng.standard_normal((50, 4)), rng.standard_normal((70, 4)) + 0.3
    whole = ask(real, fake, projections=40)
    monkeypatch.setattr(sliced_wasserstein, "BLOCK_ENTRIES", 300)
    streamed = ask(real, fake, projections=40)
    assert streamed.value == pytest.approx(whole.value, rel=1e-10)
    assert streamed.high == pytest.approx(whole.high, rel=1e-10)


def test_rows_far_from_the_origin_lose_no_digits():
    rng = np.random.default_rng(10)
    real, fake = rng.standard_normal((2, 100, 4))
    near, far = ask(real, fake), ask(real + 1e6, fake + 1e6)
    assert far.details["plain"] == pytest.approx(near.details["plain"], abs=1e-8)
    error = near.details["standard_error"]
    assert far.value == pytest.approx(near.value, abs=error / 4)  # other random halves


def test_a_sample_against_itself_reaches_zero():
    rows = np.random.default_rng(11).standard_normal((100, 4))
    result = ask(rows, rows)
    assert result.value < 0.0 == pytest.approx(result.details["plain"], abs=1e-12)
    assert result.high >= 0.0
    shared = ask(rows, np.concatenate([rows[:70], rows[:30] + 1.0]))
    assert shared.high >= shared.details["plain"]


def test_odd_shapes_have_answers():
    rng = np.random.default_rng(12)
    wide = rng.standard_normal((20, 100))
    assert np.isfinite(ask(wide, rng.standard_normal((20, 100)), projections=30).value)
    line = rng.standard_normal((300, 1))
    assert ask(line, line * 2.0 + 1.0, projections=30).low < 2.0
    constant = np.concatenate([wide, np.ones((20, 2))], axis=1)
    assert ask(constant, 3.0 * rng.standard_normal((30, 102))).low > 0.0
    one_row = ask(wide, np.ones((25, 100)), projections=30)
    assert one_row.low < one_row.value < one_row.high


@pytest.mark.parametrize("metric", ["mind", "sliced_wasserstein"])
def test_a_single_direction_is_enough_for_the_plain_statistic(metric):
    """Along one unit vector u: W of u.x and u.y, times 3 d for MIND."""
    real, fake = np.random.default_rng(14).standard_normal((2, 30, 2))
    unit = directions(1, 2, 0)[0]
    gaps = np.sort(real @ unit) - np.sort(fake @ unit)
    result = ask(real, fake, metric, projections=1, estimator="plain").value
    expected = np.mean(gaps**2)
    assert result == pytest.approx(6.0 * expected if metric == "mind" else expected)


def test_mistakes_of_projections_are_named():
    rows = np.random.default_rng(13).standard_normal((30, 2))
    with pytest.raises(InputError, match="projections=29; it must be a whole number, from 30 to"):
        ask(rows, rows + 1.0, projections=29)
    with pytest.raises(InputError, match=r"mind setting projections=1.*, from 30 to 100000"):
        ask(rows, rows + 1.0, "mind", projections=10**13)
    with pytest.raises(InputError, match="mind setting estimator='best'; use 'corrected' or"):
        ask(rows, rows + 1.0, "mind", estimator="best")
    with pytest.raises(InputError, match="real_features has identical rows only; mind needs"):
        ask(np.ones((30, 2)), rows, "mind")

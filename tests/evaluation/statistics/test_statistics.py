"""The intervals and their parts against SciPy and closed forms."""

import math

import numpy as np
import pytest
from scipy import stats

from evaluation.statistics.binomial import clopper_pearson, wilson
from evaluation.statistics.degenerate import interval, total_standard_error, upper_end
from evaluation.statistics.halves import canonical_order, halves
from evaluation.statistics.jackknife import jackknife
from evaluation.statistics.mean import mean_interval
from evaluation.statistics.occupancy import effective_trials, occupancy_variance


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 10), (10, 10), (500, 1000)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_binomial_intervals_against_scipy(successes, trials, level):
    reference = stats.binomtest(successes, trials)
    theirs = reference.proportion_ci(level, method="wilson")
    assert wilson(successes, trials, level) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    theirs = reference.proportion_ci(level, method="exact")
    result = clopper_pearson(successes, trials, (1 - level) / 2)
    assert result == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_mean_interval_of_symmetric_values_is_students():
    values = np.random.default_rng(0).standard_normal(15)
    values = np.concatenate([values, -values]) + 2.0
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    low, high, error = mean_interval(values, 0.9, -100.0, 100.0)
    assert (low, high) == pytest.approx((theirs.low, theirs.high))
    assert error == pytest.approx(values.std(ddof=1) / math.sqrt(30))


def test_mean_interval_of_skewed_values():
    """Upper end: T solves T + g T^2 / 3 + g^2 T^3 / 27 + g / 6 = -t; it covers more often."""
    values = np.random.default_rng(0).exponential(size=30)
    low, high, error = mean_interval(values, 0.9, 0.0, 100.0)
    quantile, g = stats.t.ppf(0.95, 29), stats.skew(values) / math.sqrt(30)
    t = (values.mean() - high) / error
    assert t + g * t**2 / 3 + g**2 * t**3 / 27 + g / 6 == pytest.approx(-quantile)
    assert values.mean() - low == pytest.approx(quantile * error)
    hits, students, truth = 0, 0, math.exp(0.5)
    for draw in range(1000):
        values = np.random.default_rng([1, draw]).lognormal(size=100)
        low, high, error = mean_interval(values, 0.95, 0.0, 100.0)
        half = stats.t.ppf(0.975, 99) * error
        hits += low <= truth <= high
        students += abs(values.mean() - truth) <= half
    assert hits > students + 15


def test_mean_interval_without_spread_allows_for_what_was_not_seen():
    """The unseen share q solves (1 - q)^n = 0.025 and may sit at either end of the range."""
    unseen = 1 - 0.025 ** (1 / 50)
    low, high, error = mean_interval(np.full(50, 2.0), 0.95, 0.0, 10.0)
    assert (low, high, error) == pytest.approx((2 - 2 * unseen, 2 + 8 * unseen, 0.0))


def test_jackknife_of_a_mean_and_of_a_square():
    """Mean: value and standard error are the usual. Square of the mean: the bias var/n goes."""
    x = np.random.default_rng(1).standard_normal(40) + 3
    means = (x.sum() - x) / 39
    value, error = jackknife(x.mean(), means)
    assert value == pytest.approx(x.mean())
    assert error == pytest.approx(x.std(ddof=1) / math.sqrt(40))
    value, _ = jackknife(x.mean() ** 2, means**2)
    assert value == pytest.approx(x.mean() ** 2 - x.var(ddof=1) / 40, rel=1e-12)


def test_total_standard_error():
    assert total_standard_error(9.0, 0.0) == 3.0
    assert total_standard_error(10.0, 1.0) == 3.0
    assert total_standard_error(4.5, 4.0) == 2.0


def test_upper_end_of_a_noncentral_chi_square():
    """T = |N(delta, I / n)|^2 less its bias, d = 5: V1 = 4 theta / n, V2 = 2 d / n^2, c = 4 / n.

    4000 draws at several distances: the truth lies above the upper end in 2.5 %, give or take four
    binomial standard errors, and in no more than that at 0.
    """
    rng, n, d, draws = np.random.default_rng(0), 100, 5, 4000
    for theta in (0.0, 0.02, 0.1, 1.0):
        centre = np.full(d, np.sqrt(theta / d))
        plain = np.square(centre + rng.standard_normal((draws, d)) / np.sqrt(n)).sum(axis=1)
        second = 2.0 * d / n**2
        above = 0
        for one in plain:
            value = one - d / n
            estimated = 4.0 * one / n  # as influences have it: 4 theta / n + 2 V2 on average
            error = total_standard_error(estimated, second)
            above += upper_end(value, error, estimated, second, one, 1.96) < theta
        assert above / draws < 0.025 + 4.0 * np.sqrt(0.025 / draws)
        assert theta < 0.1 or above > 0  # closer to 0 than the noise, hardly any
    assert interval(1.0, 0.01, 0.0, 1.1, 1.96)[0] == pytest.approx(1.0 - 1.96 * 0.1)
    assert upper_end(0.0, 0.0, 0.0, 0.0, 0.0, 1.96) == 0.0


@pytest.mark.parametrize("per_cell", [0.25, 1.0, 3.0])
def test_occupancy_variance_of_disjoint_cells(per_cell):
    """N equal cells, n points: var = [N(N-1)(1-2/N)^n + N(1-1/N)^n - N^2 (1-1/N)^2n] / N^2."""
    cells = 200
    points = int(cells * per_cell)
    none, both = (1 - 1 / cells) ** points, (1 - 2 / cells) ** points
    truth = ((cells - 1) * both + none - cells * none**2) / cells
    result = []
    for draw in range(60):
        where = np.random.default_rng([2, draw]).integers(cells, size=points)
        counts = np.bincount(where, minlength=cells)
        members = np.full((cells, 3), -1)
        for cell in np.flatnonzero((counts > 0) & (counts <= 3)):
            members[cell, : counts[cell]] = np.flatnonzero(where == cell)
        result.append(occupancy_variance(counts, members, points)[0] - 1 / cells**2)
    assert 0.9 * truth < np.mean(result) < 1.5 * truth  # never too small, at most 22 % too wide


def test_effective_trials():
    assert effective_trials(0.5, 0.25 / 80, 1000) == pytest.approx(80)
    assert effective_trials(1.0, 1e-4, 96) == pytest.approx(0.98 * 0.02 / 1e-4)
    assert effective_trials(0.5, 10.0, 1000) == 1.0


def test_halves_do_not_depend_on_row_order_or_precision():
    rng = np.random.default_rng(3)
    rows = rng.exponential(size=(101, 7)).astype(np.float32).astype(np.float64)
    rows[:5] = rows[5]
    shuffled = rows[rng.permutation(101)]
    assert (canonical_order(rows) == canonical_order(shuffled)).all()
    precise = rows + 1e-9 * rng.standard_normal(rows.shape)
    assert canonical_order(precise) == pytest.approx(canonical_order(rows), abs=1e-7)
    first, second = halves(canonical_order(rows), np.random.default_rng(0))
    again, _ = halves(canonical_order(shuffled), np.random.default_rng(0))
    assert (len(first), len(second)) == (50, 51)
    assert (first == again).all()
    assert sorted(np.vstack([first, second])[:, 0]) == sorted(rows[:, 0])


def test_canonical_order_holds_beyond_the_range_of_float32():
    rows = np.array([[1e300, 1.0], [-1e300, 2.0], [0.0, 3.0]])
    assert (canonical_order(rows) == canonical_order(rows[::-1])).all()

"""NDB and the classifier test: error rates at equal laws, closed forms at known shares."""

import numpy as np
import pytest
from scipy import stats

from evaluation import InputError, measure
from evaluation.core.pair import Pair
from evaluation.metrics import ndb
from evaluation.statistics.binomial import equal_share_p_values, garwood
from evaluation.statistics.bins import cells_of, fit_centres, shuffled


def ask(metric, real, fake, **settings):
    return measure(real, fake, metric, settings={metric: settings})[metric]


@pytest.mark.slow
@pytest.mark.parametrize("law", ["standard_normal", "standard_exponential"])
def test_chi_square_of_all_cells_errs_as_often_as_it_says(law):
    """Equal laws, cells placed by rows that are not counted: uniform p-values, 400 draws."""
    rng = np.random.default_rng(0)
    p_values, values = [], []
    for _ in range(400):
        real, fake = (getattr(rng, law)((size, 2)) for size in (300, 200))
        counts = ndb.counts(Pair(real, fake), 20, 0)
        p_values.append(ndb.homogeneity(*counts))
        sizes = (int(counts[0].sum()), int(counts[1].sum()))
        values.append(
            (equal_share_p_values(counts[1], sizes[1], counts[0], sizes[0]) <= 0.05).mean()
        )
    assert 0.03 <= np.mean(np.array(p_values) <= 0.05) <= 0.07
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert 0.02 <= np.mean(values) <= 0.055  # exact tests of small counts err less


def test_cells_are_counted_as_they_are():
    """Four far clusters; the generator has the first twice as often, the last never."""
    rng = np.random.default_rng(1)
    centres = 100.0 * np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    real = np.repeat(centres, 300, axis=0) + rng.standard_normal((1200, 2))
    fake = np.repeat(centres, [400, 200, 200, 0], axis=0) + rng.standard_normal((800, 2))
    result = ask("ndb", real, fake, bins=4)
    details = result.details
    assert details["bins"] == 4
    assert sorted(details["fake_shares"]) == [0.0, 0.25, 0.25, 0.5]
    assert sum(details["real_shares"]) == pytest.approx(1.0)
    assert result.value == 0.5
    assert details["surely_different"] == details["different_bh"] == details["different"] == 2
    assert details["p_value"] < 1e-30
    assert result.low == pytest.approx(stats.beta.ppf(0.025, 2, 3))


def test_alpha_and_bins_have_their_effect():
    rng = np.random.default_rng(2)
    real, fake = rng.standard_normal((600, 2)), rng.standard_normal((400, 2)) + 0.4
    few, many = (ask("ndb", real, fake, bins=10, alpha=alpha).value for alpha in (0.001, 0.5))
    assert few < many
    assert ask("ndb", real, fake, bins=7).details["bins"] == 7
    assert ask("ndb", real, fake).details["bins"] == 40  # ten of 400 counted rows each


@pytest.mark.parametrize("setting", [{"bins": 1}, {"alpha": 0.0}, {"alpha": 1.0}])
def test_wrong_settings_of_ndb(setting):
    rows = np.random.default_rng(0).standard_normal((100, 2))
    with pytest.raises(InputError, match=f"ndb setting {next(iter(setting))}="):
        ask("ndb", rows, rows, **setting)


def test_identical_rows_have_no_cells():
    with pytest.raises(InputError, match="real_features has identical rows only"):
        ask("ndb", np.ones((90, 3)), np.zeros((90, 3)))


def test_equal_shares_are_tested_by_z_and_by_fisher():
    a, b = np.array([60, 3, 0, 100]), np.array([40, 0, 0, 80])
    result = equal_share_p_values(a, 100, b, 80)
    table = [[60, 40], [40, 40]]
    expected = stats.chi2_contingency(table, correction=False).pvalue  # z squared
    assert result[0] == pytest.approx(expected, rel=1e-12)
    assert result[1] == pytest.approx(stats.fisher_exact([[3, 97], [0, 80]]).pvalue, rel=1e-12)
    assert result[2:].tolist() == [1.0, 1.0]


def test_parts_of_a_shuffled_sample_are_independent_rows():
    """Means of the first third over many samples have the variance of n / 3 rows."""
    rng = np.random.default_rng(3)
    thirds = [shuffled(rng.standard_normal((90, 1)), 0)[:30].mean() for _ in range(2000)]
    assert np.var(thirds) * 30 == pytest.approx(1.0, abs=4 * np.sqrt(2 / 2000))
    rows = rng.standard_normal((50, 3))
    again = shuffled(rng.permutation(rows).astype(np.float32).astype(float), 7)
    np.testing.assert_allclose(shuffled(rows, 7), again, rtol=1e-6)
    assert not np.array_equal(shuffled(rows, 7), shuffled(rows, 8))


def test_cells_are_those_of_the_nearest_centre():
    rng = np.random.default_rng(4)
    rows = 1e4 + rng.standard_normal((200, 3))
    centres = fit_centres(rows, 8, 0)
    distances = np.linalg.norm(rows[:, None] - centres, axis=2)
    np.testing.assert_array_equal(cells_of(rows, centres), distances.argmin(axis=1))
    assert len(fit_centres(np.repeat(np.eye(3), 10, axis=0), 8, 0)) == 3


def test_garwoods_interval_is_the_textbooks():
    """Five events: a mean in [1.62, 11.67]; none: at most 3.69."""
    assert garwood(5, 0.95) == pytest.approx((1.6235, 11.6683), abs=1e-4)
    assert garwood(0, 0.95) == pytest.approx((0.0, -np.log(0.025)))


@pytest.mark.parametrize(
    "classifier", ["logistic", pytest.param("neighbours", marks=pytest.mark.slow)]
)
def test_classifier_errs_as_often_as_it_says(classifier):
    """Equal skewed laws: p <= 0.05 in at most 5 % of 200 draws, values about 0.5."""
    rng = np.random.default_rng(5)
    values, rejected = [], 0
    for _ in range(200):
        real, fake = rng.standard_exponential((60, 2)), rng.standard_exponential((90, 2))
        result = ask("classifier_accuracy", real, fake, classifier=classifier)
        values.append(result.value)
        rejected += result.details["p_value"] <= 0.05
    assert np.mean(values) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(60 * 200))
    assert stats.binom.sf(rejected - 1, 200, 0.05) > 0.01


def test_classifier_reaches_the_best_accuracy_of_shifted_gaussians():
    """N(0, 1) against N(2, 1): no classifier is right more often than Phi(1) = 0.8413."""
    rng = np.random.default_rng(6)
    real, fake = rng.standard_normal((6000, 1)), rng.standard_normal((4000, 1)) + 2.0
    result = ask("classifier_accuracy", real, fake)
    assert result.details["test_rows"] == 4000
    assert result.value == pytest.approx(stats.norm.cdf(1.0), abs=4 * np.sqrt(0.1335 / 4000))
    right = round(result.value * 4000)
    exact = stats.binomtest(right, 4000).proportion_ci(0.95, "exact")
    assert (result.low, result.high) == pytest.approx((exact.low, exact.high))
    mean = (result.details["right_on_real"] + result.details["right_on_fake"]) / 2
    assert mean == pytest.approx(result.value)


def test_neighbours_see_what_no_hyperplane_does():
    rng = np.random.default_rng(7)
    real, fake = rng.standard_normal((600, 2)), 3.0 * rng.standard_normal((600, 2))
    assert ask("classifier_accuracy", real, fake).value < 0.6
    assert ask("classifier_accuracy", real, fake, classifier="neighbours").value > 0.7
    strong = ask("classifier_accuracy", real, fake + 1.0, penalty=1e-3).value
    assert strong != ask("classifier_accuracy", real, fake + 1.0, penalty=1e5).value
    with pytest.raises(InputError, match="classifier='forest'; use one of logistic, neighbours"):
        ask("classifier_accuracy", real, fake, classifier="forest")
    with pytest.raises(InputError, match=r"penalty=0\.0; it must lie in"):
        ask("classifier_accuracy", real, fake, penalty=0.0)
    with pytest.raises(InputError, match=r"penalty=inf; it must lie in \[1e-09, 1e\+09\]"):
        ask("classifier_accuracy", real, fake, penalty=np.inf)


def test_identical_rows_cannot_be_told_apart():
    result = ask("classifier_accuracy", np.ones((40, 2)), np.ones((40, 2)))
    assert result.value == 0.5

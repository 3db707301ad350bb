"""Adjusted p-values against closed forms, SciPy and each other."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluation import InputError
from evaluation.statistics.multiplicity import benjamini_hochberg, holm

P_VALUES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30)


@settings(max_examples=50, deadline=None)
@given(P_VALUES)
def test_benjamini_hochberg_is_scipys(p_values):
    expected = stats.false_discovery_control(p_values, method="bh")
    np.testing.assert_allclose(benjamini_hochberg(p_values), expected, rtol=1e-12)


def test_holm_of_the_paper_by_hand():
    """Ascending .01 .02 .03 .04 times 4 3 2 1 is .04 .06 .06 .04; the last is lifted to .06."""
    np.testing.assert_allclose(holm([0.03, 0.01, 0.04, 0.02]), [0.06, 0.04, 0.06, 0.06])


@pytest.mark.parametrize("count", [1, 2, 7])
def test_equal_p_values(count):
    p = 0.02
    np.testing.assert_allclose(holm(np.full(count, p)), min(1.0, count * p))
    np.testing.assert_allclose(benjamini_hochberg(np.full(count, p)), p)


@settings(max_examples=50, deadline=None)
@given(P_VALUES)
def test_order_of_the_methods(p_values):
    """Raw p <= BH <= Holm <= min(1, K p), each in the order of p."""
    given_p = np.array(p_values)
    adjusted = [given_p, benjamini_hochberg(given_p), holm(given_p)]
    adjusted.append(np.minimum(len(given_p) * given_p, 1.0))
    for smaller, larger in itertools.pairwise(adjusted):
        assert (smaller <= larger + 1e-15).all()
        assert (np.diff(larger[np.argsort(given_p)]) >= -1e-15).all()


def test_order_does_not_matter():
    rng = np.random.default_rng(0)
    p_values = rng.random(20)
    order = rng.permutation(20)
    for adjust in (holm, benjamini_hochberg):
        np.testing.assert_array_equal(adjust(p_values[order]), adjust(p_values)[order])
        assert adjust([]).shape == (0,)


def test_false_rejections_stay_below_their_rate():
    """200 tests of which 150 are null: Holm errs at all in 5 % of cases, BH's share is 5 %."""
    rng = np.random.default_rng(1)
    null = np.arange(200) < 150
    any_false, share_false = [], []
    for _ in range(400):
        p_values = 2 * stats.norm.sf(np.abs(rng.standard_normal(200) + np.where(null, 0.0, 4.0)))
        any_false.append((holm(p_values)[null] <= 0.05).any())
        result = benjamini_hochberg(p_values) <= 0.05
        share_false.append((result & null).sum() / max(result.sum(), 1))
    assert stats.binom.sf(sum(any_false) - 1, 400, 0.05) > 1e-3
    error = np.std(share_false) / 20
    assert np.mean(share_false) == pytest.approx(0.05 * 0.75, abs=4 * error)


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
@pytest.mark.parametrize(
    ("bad", "line"),
    [
        ([0.1, np.nan], r"p_values\[1\] is nan; each must lie in \[0, 1\]"),
        ([-0.1], r"p_values\[0\] is -0.1"),
        ([0.5, 1.5], r"p_values\[1\] is 1.5"),
        ([[0.5]], r"p_values has shape \(1, 1\)"),
    ],
)
def test_what_is_no_p_value_is_refused(adjust, bad, line):
    with pytest.raises(InputError, match=line):
        adjust(bad)

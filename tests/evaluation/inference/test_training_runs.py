"""Means over training runs against Student's t, analysis of variance, and their coverage."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluation import InputError, measure
from evaluation.inference.training_runs import over_runs


def features(seed, shift=0.0):
    return np.random.default_rng(seed).standard_normal((60, 3)) + shift


def test_interval_is_scipys_t():
    values = [3.1, 2.7, 3.9, 3.3]
    outcome = over_runs(values, level=0.9)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.9)
    assert (outcome.low, outcome.high) == pytest.approx(tuple(expected))
    assert outcome.value == pytest.approx(np.mean(values))
    assert outcome.spread == pytest.approx(np.std(values, ddof=1))


def test_variances_add_up():
    outcome = over_runs([1.0, 2.0, 4.0], standard_errors=[0.1, 0.2, 0.3])
    assert outcome.within_variance == pytest.approx((0.01 + 0.04 + 0.09) / 3)
    assert outcome.between_variance + outcome.within_variance == pytest.approx(outcome.spread**2)


def test_between_variance_is_that_of_balanced_analysis_of_variance():
    """Of raw numbers in groups of m: (MS between - MS within) / m."""
    rng = np.random.default_rng(0)
    groups = rng.standard_normal((6, 1)) + 0.5 * rng.standard_normal((6, 20))
    errors = groups.std(axis=1, ddof=1) / math.sqrt(20)
    outcome = over_runs(groups.mean(axis=1).tolist(), standard_errors=errors.tolist())
    between = 20 * groups.mean(axis=1).var(ddof=1)
    within = groups.var(axis=1, ddof=1).mean()
    assert outcome.between_variance == pytest.approx((between - within) / 20)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(-1000, 1000), min_size=2, max_size=8).filter(lambda v: len(set(v)) > 1),
    st.floats(0.01, 100.0),
    st.floats(-50.0, 50.0),
)
def test_units_and_order_do_not_matter(values, scale, shift):
    outcome = over_runs(values, standard_errors=[1.0] * len(values))
    moved = [scale * value + shift for value in reversed(values)]
    again = over_runs(moved, standard_errors=[scale] * len(values))
    assert again.value == pytest.approx(scale * outcome.value + shift, abs=1e-6 * scale + 1e-9)
    assert again.high - again.low == pytest.approx(scale * (outcome.high - outcome.low), rel=1e-6)
    assert again.between_variance == pytest.approx(
        scale**2 * outcome.between_variance, rel=1e-6, abs=1e-6 * scale**2
    )


def test_never_negative_and_says_so():
    outcome = over_runs([1.0, 1.1, 1.05], standard_errors=[0.5, 0.5, 0.5])
    assert outcome.between_variance == 0.0
    assert "between runs 0 (within-run variance explains all)" in str(outcome)


@pytest.mark.parametrize("runs", [3, 5, 10])
@pytest.mark.parametrize("between", [0.0, 0.3, 1.0])
def test_coverage(runs, between):
    """Runs of unequal standard errors: the interval holds the mean in 95 % of 1500 draws."""
    rng = np.random.default_rng((runs, int(10 * between)))
    errors = rng.uniform(0.2, 0.5, size=(1500, runs))
    values = between * rng.standard_normal(errors.shape) + errors * rng.standard_normal(
        errors.shape
    )
    mean, half = values.mean(axis=1), stats.t.ppf(0.975, runs - 1)
    half = half * values.std(axis=1, ddof=1) / math.sqrt(runs)
    first = over_runs(values[0].tolist(), standard_errors=errors[0].tolist())
    assert (first.low, first.high) == pytest.approx((mean[0] - half[0], mean[0] + half[0]))
    assert 0.93 < np.mean(np.abs(mean) <= half) < 0.97


def test_results_and_estimates():
    results = [measure(features(0), features(s, 0.5), ["kid", "fid"]) for s in (1, 2, 3)]
    outcome = over_runs(results, metric="kid")
    assert outcome.values == tuple(result["kid"].value for result in results)
    errors = [result["kid"].details["standard_error"] for result in results]
    assert outcome.within_variance == pytest.approx(np.mean(np.square(errors)))
    again = over_runs([result["kid"] for result in results])
    assert dataclasses.asdict(again) == dataclasses.asdict(outcome)
    assert (outcome.metric, outcome.protocol, outcome.n_fake) == ("kid", "default", 60)
    assert outcome.settings == dict(results[0]["kid"].settings)
    json.dumps(dataclasses.asdict(outcome))


def test_an_interval_without_a_standard_error_gives_one():
    runs = [measure(features(0), features(s), "precision")["precision"] for s in (1, 2, 3)]
    half = [(run.high - run.low) / 2 / stats.norm.ppf(0.975) for run in runs]
    assert over_runs(runs).within_variance == pytest.approx(np.mean(np.square(half)))


def test_without_any_standard_error_the_two_are_not_parted():
    plain = {"fid": {"estimator": "plain"}}
    runs = [measure(features(0), features(s), "fid", settings=plain) for s in (1, 2)]
    outcome = over_runs(runs)
    assert math.isnan(outcome.within_variance) and math.isnan(outcome.between_variance)
    assert "training and sampling together" in str(outcome)


def test_mixes_are_refused_by_the_field():
    base = measure(features(0), features(1), "kid")["kid"]
    other = measure(features(0), features(2), "kid")["kid"]
    for field, value in (
        ("metric", "fid"),
        ("protocol", "tf-gan"),
        ("settings", {"estimator": "subsets"}),
        ("n_fake", 61),
        ("n_real", 59),
        ("target", "fixed reference"),
    ):
        changed = dataclasses.replace(other, **{field: value})
        with pytest.raises(InputError, match=rf"runs\[1\] has {field}="):
            over_runs([base, changed])


@pytest.mark.parametrize(
    ("runs", "change", "line"),
    [
        ([1.0], {}, "runs holds 1; .* needs at least 2 runs"),
        ([], {}, "runs holds 0"),
        ("ab", {}, "runs is str; it must be a list"),
        ([1.0, "b"], {}, r"runs\[1\] is str"),
        ([1.0, math.nan], {}, r"runs\[1\] is nan"),
        ([2.0, 2.0], {}, "runs all hold 2.0"),
        ([1.0, 2.0], {"standard_errors": [0.1]}, "must hold 2 finite numbers"),
        ([1.0, 2.0], {"standard_errors": [0.1, -0.1]}, "numbers, 0 or more"),
        ([1.0, 2.0], {"level": 2.0}, "level=2.0"),
        ([1.0, 2.0], {"metric": 3}, "metric=3; it must be one metric's name"),
        ([1.0, 2.0], {"metric": ["fid"]}, r"metric=\['fid'\]; it must be one"),
        ([1.0, 2.0], {"standard_errors": "ab"}, "standard_errors='ab'; it must hold 2"),
        (
            [1.0, 2.0],
            {"standard_errors": ["a", "b"]},
            r"standard_errors=\['a', 'b'\]; it must hold",
        ),
        ([1.0, 2.0], {"standard_errors": 3}, "standard_errors=3; it must hold 2 finite"),
        ([1.0, 2.0], {"standard_errors": np.ones((3, 3))}, r"^standard_errors=[^\n]*$"),
        ([1.0, 2.0], {"standard_errors": [1e200, 1.0]}, "1e.150 at most"),
        ([1e200, 2e200], {}, r"runs\[0\] is 1e\+200; .* 1e\+150 at most"),
        ([10**400, 1], {}, r"runs\[0\]=10000.*\.\.\. is too large for a float"),
        ([np.complex128(1), 2.0], {}, r"runs\[0\] is complex128"),
        ([1e-200, 2e-200], {"standard_errors": [1e-200, 1e-200]}, "rescale runs and standard_err"),
        (b"ab", {}, "runs is bytes"),
        (np.array(3.0), {}, "runs is ndarray; it must be a list"),
    ],
)
def test_refusals(runs, change, line):
    with pytest.raises(InputError, match=line):
        over_runs(runs, **change)


@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e-100, 1e100, 1e149])
def test_the_interval_scales_from_the_smallest_to_the_largest_unit(unit):
    outcome, expected = over_runs([unit, 2.0 * unit, 4.0 * unit]), over_runs([1.0, 2.0, 4.0])
    for name in ("value", "low", "high", "spread", "standard_error"):
        assert getattr(outcome, name) / unit == pytest.approx(getattr(expected, name))


def test_which_metric_must_be_said():
    results = [measure(features(0), features(s), ["kid", "fid"]) for s in (1, 2)]
    with pytest.raises(InputError, match="holds kid, fid; choose one with metric="):
        over_runs(results)
    with pytest.raises(InputError, match="not 'density'"):
        over_runs(results, metric="density")
    with pytest.raises(InputError, match="is of kid, not of metric='fid'"):
        over_runs([result["kid"] for result in results], metric="fid")
    with pytest.raises(InputError, match="mixes estimates and plain numbers"):
        over_runs([results[0]["kid"], 1.0])

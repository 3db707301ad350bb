"""Permutation tests against enumeration, SciPy, the metrics themselves and the null law."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from evaluation import InputError, measure
from evaluation.distances.mmd import distance_kernel
from evaluation.inference.permutation import Pool, p_value, pair_sums
from evaluation.inference.two_sample import TESTS, same_distribution
from evaluation.statistics.levels import least_permutations, rejects

QUADRATIC = ["kid", "energy"]


def samples(n, m, d, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal((m, d)) + shift


def test_energy_distance_is_scipys_squared():
    x, y = samples(40, 70, 1, shift=0.3)
    result = same_distribution(x, y, "energy", permutations=19)
    assert result.statistic == pytest.approx(stats.energy_distance(x[:, 0], y[:, 0]) ** 2, rel=1e-9)


def test_kid_and_fid_are_the_metrics():
    x, y = samples(60, 45, 4, shift=0.5)
    settings = {"fid": {"estimator": "plain"}}
    for name in ("kid", "fid"):
        inputs = {name: settings[name]} if name in settings else None
        expected = measure(x, y, name, settings=inputs)[name].value
        assert same_distribution(x, y, name, 19).statistic == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("wide", [3, 30])
def test_fid_in_the_span_of_few_rows_is_that_of_all_columns(wide):
    x, y = samples(8, 9, wide)
    expected = measure(x, y, "fid", settings={"fid": {"estimator": "plain"}})["fid"].value
    assert same_distribution(x, y, "fid", 19).statistic == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("test", QUADRATIC)
def test_p_value_of_all_splits(test):
    """With every split of 5 + 4 rows enumerated the p-value is known; random splits come near."""
    x, y = samples(5, 4, 2, seed=3, shift=0.8)
    rows = np.concatenate([x, y])
    every = []
    for chosen in itertools.combinations(range(9), 4):
        mark = np.isin(np.arange(9), chosen)
        a, b = rows[~mark], rows[mark]
        if test == "energy":
            value = 2 * _mean_distance(a, b) - _mean_distance(a, a) - _mean_distance(b, b)
        else:
            value = _unbiased(a) + _unbiased(b) - 2 * _cubic(a, b).mean()
        every.append(value)
    share = np.mean(np.array(every) >= every[-1] - 1e-12)  # the last is the observed split
    result = same_distribution(x, y, test, permutations=4000)
    assert result.statistic == pytest.approx(every[-1], abs=1e-12)
    assert result.p_value == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 4000))


def _cubic(a, b):
    return (a @ b.T / a.shape[1] + 1) ** 3


def _unbiased(a):
    kernel = _cubic(a, a)
    return (kernel.sum() - np.trace(kernel)) / (len(a) * (len(a) - 1))


def _mean_distance(a, b):
    return np.sqrt(np.square(a[:, None] - b).sum(axis=2)).mean()


def test_sums_by_tiles_are_those_of_the_whole_matrix(monkeypatch):
    rows = np.random.default_rng(1).standard_normal((50, 3))
    chosen = np.random.default_rng(2).random((50, 7)) < 0.4
    monkeypatch.setattr("evaluation.inference.permutation.TILE_ROWS", 16)
    result = pair_sums(rows, distance_kernel, chosen, shift=0.7)
    whole = np.sqrt(np.square(rows[:, None] - rows).sum(axis=2)) - 0.7
    np.fill_diagonal(whole, 0.0)
    for split, mark in enumerate(chosen.T):
        assert result.inner[split] == pytest.approx(whole[mark][:, mark].sum())
        assert result.outer[split] == pytest.approx(whole[~mark][:, ~mark].sum())
        assert result.across[split] == pytest.approx(whole[mark][:, ~mark].sum())


def test_splits_have_the_sizes_of_the_samples_and_hold_each_row_alike():
    pool = Pool.from_samples(*samples(6, 10, 2), seed=0)
    chosen = pool.splits(4000, seed=0)
    assert (chosen.sum(axis=0) == 6).all()
    share = chosen[:, 1:].mean(axis=1)
    assert np.abs(share - 6 / 16).max() < 5 * np.sqrt(6 / 16 * 10 / 16 / 4000)


def test_ties_count_as_at_least():
    assert p_value(np.array([1.0, 1.0, 0.0, 2.0]), 0.0) == 0.75
    assert p_value(np.array([1.0, 1.0 - 1e-15, 0.0, 0.0]), 1e-12) == 0.5


@pytest.mark.parametrize("test", TESTS)
def test_order_of_rows_and_of_samples_does_not_matter(test):
    x, y = samples(40, 40 if test == "fid" else 30, 3, shift=0.2)
    result = same_distribution(x, y, test, 99)
    rng = np.random.default_rng(9)
    again = same_distribution(x[rng.permutation(len(x))], y[rng.permutation(len(y))], test, 99)
    assert again.p_value == result.p_value
    assert again.statistic == pytest.approx(result.statistic, rel=1e-9)
    if test != "classifier":  # whose halves are drawn anew
        swapped = same_distribution(y, x, test, 99)
        assert swapped.p_value == result.p_value
        assert swapped.statistic == pytest.approx(result.statistic, rel=1e-9)


STEPS = st.floats(-9, 9).map(lambda x: round(x, 3))  # finer ones are refused, see test_kernels


@settings(max_examples=25, deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(8, 16), st.integers(1, 3)), elements=STEPS),
    st.integers(4, 4),
    st.sampled_from(["kid", "energy", "fid"]),
)
def test_any_rows_get_a_p_value_that_their_order_does_not_change(rows, n, test):
    """Copies, constant columns and single values of any kind included."""
    x, y = rows[:n], rows[n:]
    result = same_distribution(x, y, test, 39)
    again = same_distribution(x[::-1], y[::-1], test, 39)
    assert 1 / 40 <= result.p_value <= 1.0
    assert again.p_value == pytest.approx(result.p_value)
    assert np.isfinite([result.statistic, result.detectable, result.critical]).all()
    if (rows == rows[0]).all():
        assert result.p_value == 1.0


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.int64])
def test_dtypes(test, kind):
    x, y = samples(30, 25, 2)
    x, y = (8 * x).astype(kind), (8 * y).astype(kind)
    result = same_distribution(x, y, test, 49)
    wide = same_distribution(x.astype(np.float64), np.asfortranarray(y.astype(float)), test, 49)
    assert result.p_value == wide.p_value
    assert result.statistic == pytest.approx(wide.statistic, rel=1e-9)


@pytest.mark.parametrize("test", TESTS)
def test_nothing_to_tell(test):
    """The same rows twice, constant rows, and a constant column say nothing against equality."""
    x, y = samples(30, 30, 3)
    assert same_distribution(x, x, test, 99).p_value > 0.5
    assert same_distribution(np.ones((25, 2)), np.ones((30, 2)), test, 99).p_value == 1.0
    result = same_distribution(x, y, test, 99).p_value
    flat = [np.concatenate([rows, np.full((30, 1), 2.0)], axis=1) for rows in (x, y)]
    again = same_distribution(*flat, test, 99).p_value
    assert again > 0.02
    if test in ("energy", "fid"):  # other random splits
        assert abs(again - result) < 0.3


@pytest.mark.parametrize("test", TESTS)
def test_a_difference_is_found(test):
    x, y = samples(60, 50, 3, shift=1.0)
    result = same_distribution(x, y, test, 99)
    assert result.p_value <= 0.02 and result.different
    assert "the distributions differ" in str(result)


def test_energy_and_kid_see_a_change_of_scale_that_a_hyperplane_does_not():
    x, y = samples(150, 150, 3)
    for test in ("energy", "kid", "fid"):
        assert same_distribution(x, 1.8 * y, test, 99).different
    assert not same_distribution(x, 1.8 * y, "classifier", 99).different


@pytest.mark.parametrize(
    "test",
    [
        "kid",
        "classifier",
        *(pytest.param(test, marks=pytest.mark.slow) for test in ("energy", "fid")),
    ],
)
def test_false_alarms_at_their_rate(test):
    """150 draws of skewed rows, n != m: rejections at 0.2 are binomial."""
    runs = 100 if test == "fid" else 150
    alarms = 0
    for seed in range(runs):
        rng = np.random.default_rng((7, seed))
        x, y = rng.exponential(size=(24, 2)), rng.exponential(size=(32, 2))
        alarms += same_distribution(x, y, test, permutations=39).p_value <= 0.2
    assert 1e-3 < stats.binom.cdf(alarms, runs, 0.2) < 1.0 - 1e-3


def test_what_would_have_been_found():
    """Shifted so that the energy distance rises by `detectable`, most samples show it."""
    x, y = samples(80, 80, 2)
    result = same_distribution(x, y, "energy")
    assert "no significant difference" in str(result)
    shift = 0.0
    while True:  # the energy distance of big samples at that shift
        a, b = samples(1500, 1500, 2, seed=1, shift=shift)
        if same_distribution(a, b, "energy", 19).statistic > result.detectable:
            break
        shift += 0.05
    power = np.mean(
        [
            same_distribution(*samples(80, 80, 2, seed=s, shift=shift), "energy", 99).different
            for s in range(10, 70)
        ]
    )
    assert 0.7 < power < 1.0


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999])
def test_the_least_p_value_of_just_enough_permutations_rejects(level):
    """(1 - level) of a tenth, say, is no float: 1 - 0.9 < 0.1."""
    count = round(1.0 / (1.0 - level)) - 1
    assert least_permutations(level) == count
    assert rejects(1.0 / (1 + count), level)
    assert not rejects(np.nextafter(1.0 / (1 + count), 1.0) + 1e-12, level)
    result = dataclasses.replace(
        same_distribution(*samples(8, 8, 1), permutations=19, level=0.5),
        p_value=1.0 / (1 + count),
        level=level,
    )
    assert result.different


def test_numpy_scalars_are_plain_numbers():
    """A seed of uint8 must not overflow where a test adds to it."""
    x, y = samples(30, 30, 2)
    for test in TESTS:
        inputs = {"seed": np.uint8(255), "max_operations": np.float32(1e12)}
        result = same_distribution(x, y, test, np.int16(39), level=np.float32(0.9), **inputs)
        plain = same_distribution(x, y, test, 39, 255, float(np.float32(0.9)))
        assert result.p_value == plain.p_value
        json.dumps(dataclasses.asdict(result))


def test_the_finding_is_plain_and_says_what_it_was_made_of():
    x, y = samples(20, 20, 2)
    result = same_distribution(x, y, "kid", 19, seed=3)
    fields = dataclasses.asdict(result)
    json.dumps(fields)
    assert (fields["n_x"], fields["n_y"], fields["seed"], fields["dimension"]) == (20, 20, 3, 2)
    assert "numpy" in fields["versions"]
    seeds = {same_distribution(x, y, "kid", 199, seed=seed).detectable for seed in range(3)}
    assert len(seeds) == 3


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"test": "mmd"}, "test='mmd'; use one of kid, fid, energy, classifier"),
        ({"permutations": 5}, "permutations=5; it must be a whole number, from 19 to"),
        ({"seed": -1}, "seed=-1"),
        ({"level": 95}, "level=95"),
        ({"test": ["kid"]}, r"test=\['kid'\]; use one of kid, fid, energy, classifier"),
        ({"permutations": 10**13}, "permutations=1.*, from 19 to 1000000"),
        ({"permutations": 50, "level": 0.99}, "permutations=50; .* give at least 99 or a lower"),
        ({"level": 1.0 - 1e-9}, "permutations=1000; .*: give a lower level"),
        ({"max_operations": [1]}, r"max_operations=\[1\]; it must be a number"),
        ({"max_operations": True}, "max_operations=True; it must be a number"),
        ({"max_operations": "x", "test": "kid"}, "max_operations='x'; it must be a number"),
        ({"y": np.ones((20, 3))}, "x has 2 columns and y 3"),
        ({"x": np.ones((1, 2))}, "x has 1 rows; test='kid' needs at least 4"),
        ({"x": np.full((20, 2), np.nan)}, "x holds NaN"),
        ({"x": np.ones((10, 2)), "test": "classifier"}, "x has 10 rows; test='classifier'"),
        ({"test": "fid", "max_operations": 1e5}, "permutations=1000 of the Fréchet distance take"),
        ({"test": "fid", "max_operations": -1.0}, "max_operations=-1.0"),
    ],
)
def test_refusals(change, line):
    x, y = samples(20, 20, 2)
    with pytest.raises(InputError, match=line):
        same_distribution(**({"x": x, "y": y} | change))

"""Kernels against their formulas, streamed sums against whole matrices, and CMMD."""

import math

import numpy as np
import pytest
from scipy import stats

from evaluation import InputError, measure, same_distribution
from evaluation.distances import mmd

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((40, 5))
OTHERS = RNG.standard_normal((30, 5)) + 0.4


def gaussian(x, y, bandwidth):
    return math.exp(-sum((x - y) ** 2) / (2 * bandwidth**2))


@pytest.mark.parametrize(
    ("kernel", "formula"),
    [
        (mmd.polynomial, lambda x, y: (x @ y / 5 + 1) ** 3),
        (mmd.cosine, lambda x, y: x @ y / math.sqrt((x @ x) * (y @ y))),
        (mmd.gaussian(0.8), lambda x, y: gaussian(x, y, 0.8)),
    ],
)
def test_kernel_matrix_holds_its_formula(kernel, formula):
    expected = [[formula(x, y) for y in OTHERS] for x in ROWS]
    np.testing.assert_allclose(kernel(ROWS, OTHERS), expected, rtol=1e-12, atol=1e-15)


def test_gaussian_kernel_of_rows_far_from_the_origin_and_from_each_other():
    """Two clusters of width 1 are 1e9 apart: a product of rows cannot resolve that width."""
    rows = np.concatenate([ROWS, ROWS + 1e9])
    expected = [[gaussian(x, y, 1.0) for y in rows] for x in rows]
    np.testing.assert_allclose(mmd.gaussian(1.0)(rows, rows), expected, atol=1e-12)


@pytest.mark.parametrize("bandwidth", [1e-200, 1e-3, 1e3, 1e200])
def test_gaussian_kernel_of_any_bandwidth(bandwidth):
    """At tiny bandwidths the kernel is 1 for copies, 0 for other rows.

    At huge ones it is about 1.
    """
    matrix = mmd.gaussian(bandwidth)(ROWS, ROWS)
    expected = np.eye(40) if bandwidth < 1 else np.ones((40, 40))
    np.testing.assert_allclose(matrix, expected, atol=1e-4)
    np.testing.assert_allclose(np.diag(matrix), 1.0, rtol=1e-12)


def test_unit_rows_neither_overflow_nor_vanish():
    scaled = mmd.unit(ROWS * np.array([1e-200, 1.0, 1e19, 1.0] * 10)[:, None])
    expected = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    np.testing.assert_allclose(scaled, expected, rtol=1e-12)


def test_sums_with_the_diagonal(monkeypatch):
    monkeypatch.setattr(mmd, "BLOCK_ENTRIES", 100)
    matrix = mmd.polynomial(ROWS, ROWS)
    result = mmd.sums(ROWS)
    assert result.diagonal == pytest.approx(np.diag(matrix).mean(), rel=1e-12)
    assert result.whole == pytest.approx(matrix.mean(), rel=1e-12)
    across = mmd.sums(ROWS, OTHERS)
    assert across.whole == across.mean
    assert across.mean == pytest.approx(mmd.polynomial(ROWS, OTHERS).mean(), rel=1e-12)


def test_the_same_array_twice_is_a_sample_against_its_copy():
    """Each row has a copy on the other side; it does not matter whether both share memory."""
    again = measure(ROWS, ROWS.copy(), "kid")["kid"]
    assert measure(ROWS, ROWS, "kid")["kid"] == again
    assert again.value < 0.0 <= again.high


def test_median_bandwidth_is_the_median_distance():
    expected = np.median([np.linalg.norm(x - y) for i, x in enumerate(ROWS) for y in ROWS[:i]])
    assert mmd.choose_bandwidth(ROWS, 0.0, "kid") == pytest.approx(expected, rel=1e-12)
    assert mmd.choose_bandwidth(ROWS, 2.5, "kid") == 2.5
    assert mmd.choose_bandwidth(None, 2.5, "kid") == 2.5


def test_median_bandwidth_of_many_rows_is_that_of_a_part_whatever_their_order():
    """Distances of N(0, 1) rows have the median sqrt(2) z; 1000 rows estimate it to 0.05."""
    rows = np.random.default_rng(1).standard_normal((1500, 1))
    result = mmd.choose_bandwidth(rows, 0.0, "kid")
    assert result == mmd.choose_bandwidth(rows[::-1], 0.0, "kid")
    assert result == pytest.approx(math.sqrt(2.0) * stats.norm.ppf(0.75), abs=0.05)


@pytest.mark.parametrize(
    ("rows", "bandwidth", "line"),
    [
        (ROWS, -1.0, "bandwidth=-1.0; it must be above 0"),
        (ROWS, math.nan, "bandwidth=nan; it must be above 0"),
        (None, 0.0, "there are none: give real_features= or a bandwidth"),
        (np.ones((30, 2)), 0.0, "and that is 0: drop the copies"),
    ],
)
def test_bandwidth_that_is_none_is_refused(rows, bandwidth, line):
    with pytest.raises(InputError, match=line):
        mmd.choose_bandwidth(rows, bandwidth, "kid")


def published_cmmd(x, y):
    """The published program's sums, written out."""
    k = [
        np.array([[gaussian(a, b, 10.0) for b in right] for a in left]).mean()
        for left, right in ((x, x), (y, y), (x, y))
    ]
    return 1000 * (k[0] + k[1] - 2 * k[2])


def test_published_cmmd_counts_each_row_against_itself():
    x, y = mmd.unit(ROWS), mmd.unit(OTHERS)
    settings = {"cmmd": {"estimator": "published"}}
    result = measure(x, y, "cmmd", settings=settings)["cmmd"]
    assert result.value == pytest.approx(published_cmmd(x, y), rel=1e-9)
    assert not result.has_interval
    default = measure(x, y, "cmmd")["cmmd"]
    assert default.details["published"] == result.value
    own = [(1 - (mmd.gaussian(10.0)(r, r).sum() - len(r)) / len(r) / (len(r) - 1)) / len(r)
           for r in (x, y)]  # fmt: skip
    assert result.value - default.value == pytest.approx(1000 * sum(own), rel=1e-9)
    assert default.details["mean_length"] == 1.0


def gaussian_mean(m1, s1, m2, s2, bandwidth):
    """E exp(-|x - y|^2 / (2 bandwidth^2)) for independent N(m, s^2 I)."""
    d, total = len(m1), s1**2 + s2**2 + bandwidth**2
    return (bandwidth**2 / total) ** (d / 2) * math.exp(-sum((m1 - m2) ** 2) / (2 * total))


def truth(m, s, bandwidth):
    """Squared MMD of N(0, I) and N(m, s^2 I)."""
    laws = (np.zeros_like(m), 1.0), (m, s)
    xx, yy, xy = (gaussian_mean(*laws[i], *laws[j], bandwidth) for i, j in ((0, 0), (1, 1), (0, 1)))
    return xx + yy - 2 * xy


@pytest.mark.parametrize(
    ("metric", "settings", "bandwidth", "scale"),
    [
        ("cmmd", {"bandwidth": 1.5}, 1.5, 1000),
        ("kid", {"kernel": "gaussian", "bandwidth": 1.5}, 1.5, 1),
        ("kid", {"kernel": "gaussian", "bandwidth": 1.5, "estimator": "blocks", "block_size": 20},
         1.5, 1),
    ],
)  # fmt: skip
def test_gaussian_mmd_is_unbiased_and_covered(metric, settings, bandwidth, scale):
    """The mean of 200 draws lies within four standard errors of the truth.

    An interval with coverage 0.92 contains the truth in fewer than 175 draws with a probability
    below 0.01.
    """
    rng = np.random.default_rng(4)
    m, s = np.full(3, 0.5), 1.3
    expected = scale * truth(m, s, bandwidth)
    result = [
        measure(
            rng.standard_normal((80, 3)),
            m + s * rng.standard_normal((100, 3)),
            metric,
            settings={metric: settings},
        )[metric]
        for _ in range(200)
    ]
    values = [one.value for one in result]
    assert np.mean(values) == pytest.approx(expected, abs=4 * np.std(values) / math.sqrt(200))
    covered = sum(one.low <= expected <= one.high for one in result)
    assert stats.binom.cdf(174, 200, 0.92) < 0.01
    assert covered >= 175


@pytest.mark.parametrize(
    ("metric", "settings"), [("cmmd", {}), ("kid", {"kernel": "gaussian", "bandwidth": 10.0})]
)
def test_rows_too_far_apart_for_the_bandwidth_are_refused(metric, settings):
    """The kernel is 0 for all pairs of rows, so the distance would be 0 for any distributions."""
    x, y = 1e4 * ROWS, 1e4 * OTHERS
    with pytest.raises(InputError, match="bandwidth 10 is 0, and so is any distance"):
        measure(x, y, metric, settings={metric: settings})


def test_cmmd_refuses_an_unknown_estimator():
    with pytest.raises(InputError, match="use 'unbiased' or 'published'"):
        measure(ROWS, OTHERS, "cmmd", settings={"cmmd": {"estimator": "biased"}})


@pytest.mark.parametrize("name", ["kid", "cmmd"])
def test_rows_that_a_kernel_rounds_away_are_refused(name):
    """At a scale of 1e-4 all digits count. At a scale of 1e-8, or with a mean of 1e8, none does."""
    rng = np.random.default_rng(21)
    real, fake = rng.standard_normal((2, 100, 4))
    small = measure(1e-4 * real, 1e-4 * (fake + 3.0), name)[name]
    assert small.low > 0.0
    with pytest.raises(InputError, match=f"{name}: rows vary by .* rounds away"):
        measure(1e-8 * real, 1e-8 * (fake + 3.0), name)
    with pytest.raises(InputError, match=f"identical rows only; {name} needs"):
        measure(np.ones((80, 4)), fake, name)
    if name == "kid":
        with pytest.raises(InputError, match="subtract their mean"):
            measure(1e8 + real, 1e8 + fake, name)
        with pytest.raises(InputError, match="test='kid': rows vary by"):
            same_distribution(1e-8 * real, 1e-8 * fake)

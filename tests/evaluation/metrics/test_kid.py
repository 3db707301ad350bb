"""KID against sums written out, and against the closed form for Gaussians."""

import itertools

import numpy as np
import pytest
from scipy import stats

from evaluation import InputError, measure
from evaluation.distances import mmd


def kernel(x, y):
    return (x @ y / len(x) + 1) ** 3


def test_complete_statistic_is_the_mean_over_all_pairs(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((21, 4)), rng.standard_normal((23, 4)) + 0.5
    inner = [np.mean([kernel(a, b) for a, b in itertools.permutations(rows, 2)]) for rows in (x, y)]
    expected = sum(inner) - 2 * np.mean([kernel(a, b) for a, b in itertools.product(x, y)])
    whole = measure(x, y, "kid")["kid"]
    assert whole.value == pytest.approx(expected, rel=1e-10)
    monkeypatch.setattr(mmd, "BLOCK_ENTRIES", 50)
    streamed = measure(x, y, "kid")["kid"]
    assert streamed.value == pytest.approx(whole.value, rel=1e-12)
    assert streamed.high == pytest.approx(whole.high, rel=1e-9)


@pytest.mark.parametrize("same", [True, False])
def test_residual_is_the_mean_square_of_the_doubly_centred_kernel(same):
    """The streamed sums are compared with sums over the whole matrix."""
    rng = np.random.default_rng(1)
    a = rng.standard_normal((15, 3)) + 2
    b = a if same else rng.standard_normal((12, 3))
    k = (a @ b.T / 3 + 1) ** 3
    off = ~np.eye(15, dtype=bool) if same else np.ones(k.shape, dtype=bool)
    rows = np.array([k[i][off[i]].mean() for i in range(len(a))])
    columns = np.array([k[:, j][off[:, j]].mean() for j in range(len(b))])
    expected = np.square(k - rows[:, None] - columns + rows.mean())[off].mean()
    result = mmd.sums(a, None if same else b)
    assert result.residual == pytest.approx(expected, rel=1e-9)
    assert result.rows == pytest.approx(rows)
    assert result.columns == pytest.approx(columns)


def gaussian_mean(m1, s1, m2, s2):
    """E (x.y/d + 1)^3 for independent Gaussians."""
    d, s = len(m1), m1 @ m2
    second = np.trace((s1 + np.outer(m1, m1)) @ (s2 + np.outer(m2, m2)))
    cross = m1 @ s2 @ m1 + m2 @ s1 @ m2 + np.trace(s1 @ s2)
    third = s**3 + 3 * s * cross + 6 * m1 @ s2 @ s1 @ m2
    return third / d**3 + 3 * second / d**2 + 3 * s / d + 1


def test_closed_form_for_gaussians():
    """The mean of 200 draws, within four of its standard errors."""
    rng = np.random.default_rng(2)
    d = 3
    factors = rng.standard_normal((2, d, d)) / 2
    m1, m2 = rng.standard_normal((2, d)) / 2
    s1, s2 = (f @ f.T for f in factors)
    truth = gaussian_mean(m1, s1, m1, s1) + gaussian_mean(m2, s2, m2, s2)
    truth -= 2 * gaussian_mean(m1, s1, m2, s2)
    values = [
        measure(
            rng.standard_normal((50, d)) @ factors[0].T + m1,
            rng.standard_normal((60, d)) @ factors[1].T + m2,
            "kid",
        )["kid"].value
        for _ in range(200)
    ]
    assert np.mean(values) == pytest.approx(truth, abs=4 * np.std(values) / np.sqrt(200))


def test_subset_settings_have_an_effect():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((2, 60, 4))

    def value(**changed):
        chosen = {"kid": {"subset_size": 30} | changed}
        return measure(x, y, "kid", protocol="torch-fidelity", settings=chosen)["kid"].value

    answers = [value(), value(subsets=50), value(rng_seed=1), value(subset_size=20)]
    assert len(set(answers)) == 4
    assert value() == answers[0]
    all_rows = measure(
        x, y, "kid", settings={"kid": {"estimator": "subsets", "subset_size": 60, "subsets": 1}}
    )
    assert all_rows["kid"].value == pytest.approx(measure(x, y, "kid")["kid"].value, rel=1e-9)


def stylegan3_kid(real, fake, num_subsets, max_subset_size):
    """The published loop: subsets of at most m rows, from NumPy's global stream."""
    n = real.shape[1]
    m = min(len(real), len(fake), max_subset_size)
    total = 0
    for _ in range(num_subsets):
        x = fake[np.random.choice(len(fake), m, replace=False)]
        y = real[np.random.choice(len(real), m, replace=False)]
        a = (x @ x.T / n + 1) ** 3 + (y @ y.T / n + 1) ** 3
        b = (x @ y.T / n + 1) ** 3
        total += (a.sum() - np.diag(a).sum()) / (m - 1) - b.sum() * 2 / m
    return total / num_subsets / m


@pytest.mark.parametrize("size", [25, 1000])
def test_subsets_of_at_most_some_size_are_stylegan3s(size):
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((60, 4)), rng.standard_normal((50, 4)) + 0.2
    state = np.random.get_state()
    np.random.seed(7)
    expected = stylegan3_kid(x, y, 10, size)
    np.random.set_state(state)
    chosen = {"estimator": "subsets", "subsets": 10, "subset_size": size, "rng_seed": 7}
    result = measure(x, y, "kid", settings={"kid": chosen | {"at_most": True}})["kid"]
    assert result.value == pytest.approx(expected, rel=1e-9)
    if size > 50:
        with pytest.raises(InputError, match="kid needs at least 1000"):
            measure(x, y, "kid", settings={"kid": chosen})


def test_blocks_are_disjoint_and_nearly_equal():
    """53 and 41 rows make 5 blocks each: 10, 10, 11, 11, 11 against 8, 8, 8, 8, 9 rows."""
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((53, 3)), rng.standard_normal((41, 3)) + 0.3
    parts = zip(np.split(x, [10, 20, 31, 42]), np.split(y, [8, 16, 24, 32]), strict=True)
    values = [mmd.small_mmd2(a, b, mmd.polynomial) for a, b in parts]
    settings = {"kid": {"estimator": "blocks", "block_size": 12}}
    result = measure(x, y, "kid", settings=settings)["kid"]
    error = np.std(values, ddof=1) / np.sqrt(5)
    assert result.value == pytest.approx(np.mean(values), rel=1e-12)
    assert result.details == {"blocks": 5, "standard_error": pytest.approx(error, rel=1e-12)}
    assert result.low == pytest.approx(result.value - stats.t.ppf(0.975, 4) * error, rel=1e-12)


def test_one_block_is_the_complete_statistic_and_two_have_no_interval():
    x, y = np.random.default_rng(6).standard_normal((2, 50, 3))

    def ask(size):
        return measure(x, y, "kid", settings={"kid": {"estimator": "blocks", "block_size": size}})

    assert ask(50)["kid"].value == pytest.approx(measure(x, y, "kid")["kid"].value, rel=1e-9)
    assert not ask(50)["kid"].has_interval
    assert not ask(25)["kid"].has_interval
    assert ask(17)["kid"].has_interval


def test_blocks_of_shared_rows_have_no_interval():
    x = np.random.default_rng(7).standard_normal((60, 3))
    settings = {"kid": {"estimator": "blocks", "block_size": 20}}
    assert not measure(x, x, "kid", settings=settings)["kid"].has_interval


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"estimator": "all"}, "use 'complete' or 'subsets' or 'blocks'"),
        ({"kernel": "cosine"}, "use 'polynomial' or 'gaussian'"),
        ({"bandwidth": 2.0}, "add kernel='gaussian'"),
        ({"estimator": "blocks", "block_size": 1}, "block_size=1; it must be at least 2"),
        ({"estimator": "blocks", "block_size": 2}, r"21 rows; kid needs at least 40 \(2 in each"),
        ({"estimator": "subsets", "subsets": 0}, "use at least 1"),
        ({"estimator": "subsets", "subset_size": 9, "subsets": 10**13}, "from 1 to 1000000"),
        ({"estimator": "subsets", "subset_size": 9, "rng_seed": -1}, "rng_seed=-1; .*from 0 to 42"),
        ({"estimator": "subsets", "subset_size": 9, "rng_seed": 2**40}, "kid setting rng_seed=1"),
    ],
)
def test_wrong_settings_are_refused(settings, line):
    x = np.random.default_rng(8).standard_normal((40, 3))
    with pytest.raises(InputError, match=line):
        measure(x, x[:21], "kid", settings={"kid": settings})

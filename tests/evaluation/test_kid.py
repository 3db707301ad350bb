"""KID against sums written out, and against the closed form for Gaussians."""

import itertools

import numpy as np
import pytest

from evaluation import measure
from evaluation.metrics import kid


def kernel(x, y):
    return (x @ y / len(x) + 1) ** 3


def test_complete_statistic_is_the_mean_over_all_pairs(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((21, 4)), rng.standard_normal((23, 4)) + 0.5
    inner = [np.mean([kernel(a, b) for a, b in itertools.permutations(rows, 2)]) for rows in (x, y)]
    expected = sum(inner) - 2 * np.mean([kernel(a, b) for a, b in itertools.product(x, y)])
    whole = measure(x, y, "kid")["kid"]
    assert whole.value == pytest.approx(expected, rel=1e-10)
    monkeypatch.setattr(kid, "BLOCK_ENTRIES", 50)
    streamed = measure(x, y, "kid")["kid"]
    assert streamed.value == pytest.approx(whole.value, rel=1e-12)
    assert streamed.high == pytest.approx(whole.high, rel=1e-9)


@pytest.mark.parametrize("same", [True, False])
def test_residual_is_the_mean_square_of_the_doubly_centred_kernel(same):
    """The algebra of the streamed sums against the matrix itself."""
    rng = np.random.default_rng(1)
    a = rng.standard_normal((15, 3)) + 2
    b = a if same else rng.standard_normal((12, 3))
    k = (a @ b.T / 3 + 1) ** 3
    off = ~np.eye(15, dtype=bool) if same else np.ones(k.shape, dtype=bool)
    rows = np.array([k[i][off[i]].mean() for i in range(len(a))])
    columns = np.array([k[:, j][off[:, j]].mean() for j in range(len(b))])
    expected = np.square(k - rows[:, None] - columns + rows.mean())[off].mean()
    found = kid._sums(a, b)
    assert found.residual == pytest.approx(expected, rel=1e-9)
    assert found.rows == pytest.approx(rows)
    assert found.columns == pytest.approx(columns)


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

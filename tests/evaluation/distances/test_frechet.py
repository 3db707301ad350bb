"""The Fréchet distance against closed forms, invariances and an independent formula."""

import numpy as np
import pytest
import scipy.linalg

from evaluation import measure
from evaluation.distances import frechet_jackknife
from evaluation.distances.frechet import frechet_distance, lower_bound, trace_of_root
from evaluation.distances.frechet_jackknife import (
    couple,
    jackknife,
    leave_one_out,
    second_order_variance,
)
from evaluation.distances.moments import Moments


def exact_rows(rng, n, mean, covariance):
    """Rows whose sample mean and covariance (ddof 1) are exactly these; n > d."""
    rows = rng.standard_normal((n, len(mean)))
    rows -= rows.mean(axis=0)
    whitener = np.linalg.inv(np.linalg.cholesky(rows.T @ rows / (n - 1))).T
    return rows @ whitener @ np.linalg.cholesky(covariance).T + mean


@pytest.mark.parametrize("dim", [1, 3, 64])
@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (2.0, 1.0), (0.5, 3.0)])
def test_frechet_distance_of_isotropic_gaussians(dim, shift, scale):
    """N(0, I) against N(shift, scale^2 I) is dim * (shift^2 + (1 - scale)^2)."""
    rng = np.random.default_rng(0)
    a = exact_rows(rng, 200, np.zeros(dim), np.eye(dim))
    b = exact_rows(rng, 150, np.full(dim, shift), scale**2 * np.eye(dim))
    expected = dim * (shift**2 + (1 - scale) ** 2)
    assert frechet_distance(a, b) == pytest.approx(expected, abs=1e-9 * dim)
    assert couple(a, b).plain == pytest.approx(expected, abs=1e-9 * dim)


def test_root_of_matrices_that_do_not_commute():
    """Against SciPy's general matrix root, an independent algorithm."""
    rng = np.random.default_rng(1)
    s1, s2 = (x.T @ x for x in rng.standard_normal((2, 30, 8)))
    expected = np.trace(scipy.linalg.sqrtm(s1 @ s2)).real
    assert trace_of_root(s1, s2) == pytest.approx(expected, rel=1e-9)


def test_root_of_singular_matrices():
    """Projections onto planes that share one axis: the root's trace is 1; nothing shared: 0."""
    e = np.eye(4)
    assert trace_of_root(np.diag(e[0] + e[1]), np.diag(e[1] + e[2])) == pytest.approx(1.0)
    assert trace_of_root(np.diag(e[0] + e[1]), np.diag(e[2] + e[3])) == pytest.approx(0.0)


@pytest.mark.parametrize(("n", "m", "dim"), [(30, 25, 8), (10, 12, 40), (50, 12, 20), (12, 50, 20)])
def test_distance_at_any_rank(n, m, dim):
    """Against the singular values of the cross Gram matrix, written out."""
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((n, dim)), 1.0 + 2.0 * rng.standard_normal((m, dim))
    ac, bc = a - a.mean(0), b - b.mean(0)
    root = np.linalg.norm(ac @ bc.T, "nuc") / np.sqrt((n - 1) * (m - 1))
    traces = np.square(ac).sum() / (n - 1) + np.square(bc).sum() / (m - 1)
    expected = np.square(a.mean(0) - b.mean(0)).sum() + traces - 2 * root
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)
    assert couple(a, b).plain == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("dim", [5, 60])
def test_invariances(dim):
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((40, dim)), rng.exponential(size=(50, dim))
    rotation = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    value = frechet_distance(a, b)
    assert frechet_distance(b, a) == pytest.approx(value, rel=1e-10)
    assert frechet_distance(a @ rotation + 7, b @ rotation + 7) == pytest.approx(value, rel=1e-9)
    assert frechet_distance(3 * a, 3 * b) == pytest.approx(9 * value, rel=1e-10)
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-9)


def test_float32_mean_has_an_effect():
    rng = np.random.default_rng(4)
    a, b = 1000 + rng.standard_normal((2, 500, 3))
    assert frechet_distance(a, b, float32_mean=True) != frechet_distance(a, b)


def test_dead_features_change_nothing():
    """Constant columns, as dead ReLU units give, make covariances singular."""
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((200, 6)), 1.3 * rng.standard_normal((200, 6))
    dead_a, dead_b = (np.hstack([x, np.zeros((200, 3))]) for x in (a, b))
    assert frechet_distance(dead_a, dead_b) == pytest.approx(frechet_distance(a, b), rel=1e-9)
    assert couple(dead_a, dead_b).rank == 6
    assert couple(dead_a, dead_b).plain == pytest.approx(couple(a, b).plain, rel=1e-9)
    assert jackknife(couple(dead_a, dead_b)).value == pytest.approx(
        jackknife(couple(a, b)).value, rel=1e-7
    )


def test_coupled_coordinates():
    """Both samples white, and centred inner products are sum_i s_i y1_i y2_i."""
    rng = np.random.default_rng(6)
    a, b = rng.exponential(size=(300, 5)), rng.standard_normal((200, 5)) @ rng.random((5, 5))
    result = couple(a, b)
    (first, white1), (second, white2) = (next(side.white()) for side in result.sides)
    for white in (white1, white2):
        assert white.T @ white / (len(white) - 1) == pytest.approx(np.eye(5), abs=1e-9)
    assert (white1 * result.s) @ white2.T == pytest.approx(first @ second.T, abs=1e-9)


@pytest.mark.parametrize(
    ("n", "m", "dim"), [(60, 50, 3), (40, 30, 20), (22, 24, 20), (12, 40, 20), (10, 12, 30)]
)
def test_leaving_one_row_out_is_leaving_it_out(n, m, dim):
    """The closed form against the distance computed again without the row, at any rank."""
    rng = np.random.default_rng(7)
    a = rng.exponential(size=(n, dim))
    b = rng.standard_normal((m, dim)) * rng.uniform(0.5, 2.0, dim)
    result = leave_one_out(couple(a, b))
    expected = [frechet_distance(np.delete(a, i, axis=0), b) for i in range(n)]
    assert result[0] == pytest.approx(np.array(expected), rel=2e-6)
    expected = [frechet_distance(a, np.delete(b, i, axis=0)) for i in range(m)]
    assert result[1] == pytest.approx(np.array(expected), rel=2e-6)


def test_float32_rows_have_the_same_jackknife(monkeypatch):
    monkeypatch.setattr(frechet_jackknife, "LARGE", 0)
    rng = np.random.default_rng(14)
    a = rng.exponential(size=(900, 30)).astype(np.float32)
    b = 1.2 * rng.standard_normal((800, 30)).astype(np.float32)
    single, double = jackknife(couple(a, b)), jackknife(couple(a.astype(float), b.astype(float)))
    assert single.value == pytest.approx(double.value, rel=1e-5)
    assert single.variance == pytest.approx(double.variance, rel=1e-4)


def test_bias_of_equal_gaussians():
    """(1/n + 1/m) [sum l + 1/2 sum_ij l_i l_j (1 + d_ij) / (l_i + l_j)], n large."""
    rng = np.random.default_rng(8)
    variances = np.array([4.0, 1.0, 0.25])
    a, b = rng.standard_normal((2, 200_000, 3)) * np.sqrt(variances)
    pairs = np.outer(variances, variances) / np.add.outer(variances, variances)
    bracket = variances.sum() + 0.5 * (pairs.sum() + np.trace(pairs))
    expected = (1 / len(a) + 1 / len(b)) * bracket
    result = couple(a, b)
    assert result.plain - jackknife(result).value == pytest.approx(expected, rel=0.02)


def test_second_order_variance_of_equal_gaussians_in_one_dimension():
    """In one dimension it is 2 (1/n + 1/m)^2 E k^2.

    The kernel is s y y' + s/4 (y^2 - 1)(y'^2 - 1), whose square has mean s^2 (1 + 1/4).
    """
    rng = np.random.default_rng(9)
    a, b = rng.standard_normal((2, 50_000, 1)) * 2.0
    result = second_order_variance(couple(a, b), seed=0, pairs=400_000)
    expected = 2.0 * (4.0 * (1 / len(a) + 1 / len(b))) ** 2 * 1.25
    assert result == pytest.approx(expected, rel=0.15)


def test_lower_bound_is_below_and_tight_for_multiples():
    rng = np.random.default_rng(10)
    base = rng.exponential(size=(20_000, 4)) @ rng.random((4, 4))
    other = 2.0 * (rng.exponential(size=(20_000, 4)) @ rng.random((4, 4))) + 1.0
    assert lower_bound(base, other)[0] < frechet_distance(base, other)
    scaled = 3.0 * base
    value, error = lower_bound(base, scaled)
    assert value == pytest.approx(frechet_distance(base, scaled), abs=3 * error)


def test_moments_merge_and_are_float64():
    rng = np.random.default_rng(11)
    rows = (1e4 + rng.standard_normal((1000, 3))).astype(np.float32)
    whole = Moments.from_rows(rows)
    parts = Moments.from_rows(rows[:10]).merge(Moments.from_rows(rows[10:]))
    assert parts.n == whole.n == 1000
    assert parts.mean == pytest.approx(whole.mean, rel=1e-14)
    assert parts.scatter == pytest.approx(whole.scatter, rel=1e-9, abs=1e-6)
    expected = np.cov(rows.astype(np.float64), rowvar=False)
    assert whole.covariance() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_too_few_rows_for_their_dimension_gives_bounds_that_hold():
    """Fewer rows than dimensions, equal laws: the interval says that it cannot tell."""
    rng = np.random.default_rng(12)
    result = measure(rng.standard_normal((60, 100)), rng.standard_normal((50, 100)), "fid")["fid"]
    assert result.details["regime"] == "bounds"
    assert result.details["rows_for_an_interval"] > 60
    assert result.low < 0.0 < result.value < result.high


def test_seed_has_an_effect_below_the_standard_error_where_tails_are_heavy():
    rng = np.random.default_rng(13)
    rows = rng.standard_normal((2, 400, 64)) / np.sqrt(rng.chisquare(5, (2, 400, 1)))
    result = [measure(*rows, "fid", seed=seed)["fid"] for seed in (0, 1)]
    assert result[0].details["second_order"] != result[1].details["second_order"]
    assert abs(result[0].value - result[1].value) < result[0].details["standard_error"]


def test_shards_merge_to_one_pass():
    rng = np.random.default_rng(15)
    rows = 5.0 + rng.exponential(size=(1000, 30))
    whole, first, *parts = (Moments.from_rows(x) for x in (rows, *np.array_split(rows, 8)))
    for part in parts:
        first = first.merge(part)
    assert first.mean == pytest.approx(whole.mean, rel=1e-12)
    assert np.abs(first.scatter - whole.scatter).max() < 1e-12 * np.abs(whole.scatter).max()


def test_equal_n_and_ddof():
    rng = np.random.default_rng(16)
    a, b = rng.standard_normal((300, 4)), rng.standard_normal((200, 4))
    plain = {"estimator": "plain"}

    def fid(**settings):
        return measure(a, b, "fid", settings={"fid": plain | settings})["fid"].value

    assert fid(rows=50) > fid()  # the bias grows as rows get fewer
    assert (
        fid(rows=50)
        == measure(a[::-1], b, "fid", settings={"fid": plain | {"rows": 50}})["fid"].value
    )
    s1, s2 = np.cov(a.T, ddof=0), np.cov(b.T, ddof=0)
    gap = a.mean(0) - b.mean(0)
    expected = gap @ gap + np.trace(s1 + s2) - 2 * np.trace(scipy.linalg.sqrtm(s1 @ s2)).real
    assert fid(ddof=0) == pytest.approx(expected, rel=1e-9)

"""PRD against closed forms, the published definitions written out, and counted coverage."""

import numpy as np
import pytest

from evaluation import InputError, measure, prd_curve
from evaluation.estimators.f_beta import Counts, best_test, interval, max_f_beta
from evaluation.estimators.prd import PRDCurve


def ask(metric, real, fake, **settings):
    return measure(real, fake, metric, settings={metric: settings})[metric]


QUICK = {(150, 8.0, "lost"), (150, 1 / 8, "equal"), (2000, 8.0, "near")}  # of the counts


def shares(kind, rng, cells=12):
    """Real and generated shares in cells."""
    even = np.full(cells, 1 / cells)
    few = np.where(np.arange(cells) < 4, 0.0, 1 / (cells - 4))
    return {
        "equal": (even, even),
        "lost": (even, few),
        "bad": (few, even),
        "near": (even, rng.dirichlet(np.full(cells, 20.0))),
        "far": (rng.dirichlet(np.full(cells, 3.0)), rng.dirichlet(np.full(cells, 2.0))),
    }[kind]


def published(real, fake, beta, angles=200_001):
    """The largest F_beta on a fine grid of angles, as the paper defines it."""
    slopes = np.tan(np.linspace(1e-10, np.pi / 2 - 1e-10, angles))
    precision = sum(np.minimum(slopes * p, q) for p, q in zip(real, fake, strict=True))
    recall = precision / slopes
    return np.max((1 + beta**2) * precision * recall / (beta**2 * precision + recall + 1e-10))


@pytest.mark.parametrize("kind", ["equal", "lost", "bad", "near", "far"])
@pytest.mark.parametrize("beta", [8.0, 1.0, 1 / 8])
def test_the_exact_maximum_is_that_of_a_fine_grid(kind, beta):
    p, q = shares(kind, np.random.default_rng(0))
    value, kink = max_f_beta(p, q, beta**2)
    assert value == pytest.approx(published(p, q, beta), abs=2e-4)
    alpha = np.minimum(kink * p, q).sum()
    assert value == pytest.approx((1 + beta**2) * alpha / (1 + beta**2 * kink))


@pytest.mark.parametrize("kind", ["equal", "lost", "bad", "near", "far"])
@pytest.mark.parametrize("beta", [8.0, 1 / 8])
def test_the_best_test_balances_and_no_other_is_better(kind, beta):
    """Both parts of the minimax equal F; 2000 random tests score no less."""
    rng, weight = np.random.default_rng(1), beta**2
    p, q = shares(kind, rng)
    value, test = max_f_beta(p, q, weight)[0], best_test(p, q, weight)
    assert ((test >= 0.0) & (test <= 1.0)).all()
    assert (1 + weight) * (q @ test) == pytest.approx(value)
    assert (1 + weight) * (p @ (1 - test)) / weight == pytest.approx(value)
    others = np.clip(test + rng.normal(size=(2000, 12)) * rng.choice([0.01, 0.3], (2000, 1)), 0, 1)
    scores = (1 + weight) * np.maximum(others @ q, (1 - others) @ p / weight)
    assert scores.min() >= value - 1e-12


def test_recall_and_precision_of_lost_and_bad_cells():
    """A third of the real rows is lost, the rest served at 3/2 of its share: F_8 is near 2/3."""
    p, q = shares("lost", np.random.default_rng(0))
    recall, precision = max_f_beta(p, q, 64.0)[0], max_f_beta(p, q, 1 / 64)[0]
    kink = 12 / 8  # the rest has 3/2 of its share
    assert recall == pytest.approx(65 / (1 + 64 * kink))
    assert precision == pytest.approx((1 + 1 / 64) / (1 + kink / 64))
    assert max_f_beta(q, p, 64.0)[0] == pytest.approx(precision)


def test_curve_of_uniforms_on_half_overlapping_supports():
    """alpha(1) = 1 - total variation = 1/2; at the ends precision and recall are 1/2 too."""
    rng = np.random.default_rng(2)
    curve = prd_curve(rng.uniform(0, 2, (4000, 1)), rng.uniform(1, 3, (4000, 1)), clusters=30)
    assert curve.precision[500] == pytest.approx(curve.recall[500])
    assert curve.precision[500] == pytest.approx(0.5, abs=0.03)
    assert curve.precision[-1] == pytest.approx(0.5, abs=0.05)
    assert curve.recall[0] == pytest.approx(0.5, abs=0.05)
    assert (np.diff(curve.precision) >= -1e-12).all()
    assert (np.diff(curve.recall) <= 1e-12).all()


def test_curve_of_equal_and_of_disjoint_laws():
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((400, 2))
    assert prd_curve(rows, rows[::-1]).f_beta() > 0.98
    apart = prd_curve(rows, rows + 100.0)
    assert apart.f_beta() == apart.f_beta(1 / 8) == 0.0


def test_curve_swaps_with_its_sides():
    """Exchanging the sides exchanges precision and recall; the cells are others, hence 0.02."""
    rng = np.random.default_rng(4)
    real, fake = rng.standard_normal((900, 2)), 0.5 * rng.standard_normal((900, 2))
    one, other = prd_curve(real, fake), prd_curve(fake, real)
    assert one.f_beta() == pytest.approx(other.f_beta(1 / 8), abs=0.02)
    assert one.f_beta(1 / 8) == pytest.approx(other.f_beta(8), abs=0.02)


def test_curve_prints_on_one_line():
    curve = PRDCurve(np.array([0.1, 0.5, 1.0]), np.array([1.0, 0.5, 0.1]))
    assert repr(curve) == "PRDCurve(3 angles, F_8=0.8784, F_1/8=0.8784)"


def test_curve_does_not_depend_on_row_order_and_takes_unequal_sides():
    rng = np.random.default_rng(5)
    real, fake = rng.standard_normal((300, 2)), rng.standard_normal((200, 2)) + 0.5
    curve = prd_curve(real, fake, runs=2)
    again = prd_curve(rng.permutation(real), rng.permutation(fake), runs=2)
    np.testing.assert_allclose(again.precision, curve.precision, rtol=1e-12)
    assert not np.array_equal(prd_curve(real, fake, runs=2, seed=9).recall, curve.recall)
    assert len(prd_curve(real, fake, angles=11, runs=1).recall) == 11
    assert prd_curve(real, fake, clusters=2, runs=1).f_beta() > curve.f_beta()


def test_published_metrics_are_those_of_the_curve():
    rng = np.random.default_rng(6)
    real, fake = rng.standard_normal((300, 3)), rng.standard_normal((300, 3)) * [0.3, 1, 1]
    curve = prd_curve(real, fake, runs=3)
    for metric, beta in (("prd_recall", 8.0), ("prd_precision", 1 / 8)):
        result = ask(metric, real, fake, estimator="published", runs=3)
        assert result.value == curve.f_beta(beta)
        assert not result.has_interval


@pytest.mark.parametrize(
    ("n", "beta", "kind"),
    [
        pytest.param(n, beta, kind, marks=() if (n, beta, kind) in QUICK else pytest.mark.slow)
        for n in (150, 2000)
        for beta in (8.0, 1 / 8)
        for kind in ("equal", "lost", "bad", "near", "far")
    ],
)
def test_interval_covers_shares_in_given_cells(kind, beta, n):
    """400 draws; 0.92 is 2.8 binomial errors below 0.95."""
    rng, weight = np.random.default_rng(6), beta**2
    p, q = shares(kind, rng)
    truth, covered = max_f_beta(p, q, weight)[0], 0
    for _ in range(400):
        placing = [rng.multinomial(n // 2, s) / (n // 2) for s in (p, q)]
        counted = [rng.multinomial(n, s) / n for s in (p, q)]
        counts = Counts(*counted, n, n, best_test(*placing, weight))
        low, high, _ = interval(counts, weight, 0.95)
        covered += low - 1e-12 <= truth <= high + 1e-12
    assert covered / 400 >= 0.92


def test_interval_covers_with_cells_from_kmeans():
    """Six far clusters, one of which the generator lacks: cells hold whole clusters or parts."""
    rng, covered = np.random.default_rng(8), 0
    centres = 50.0 * np.eye(6)
    truth = max_f_beta(np.full(6, 1 / 6), np.array([0, 0.2, 0.2, 0.2, 0.2, 0.2]), 64.0)[0]
    for seed in range(100):
        real, fake = (centres[rng.integers(low, 6, 300)] for low in (0, 1))
        noise = rng.standard_normal((2, 300, 6)) * 0.01
        result = measure(
            real + noise[0],
            fake + noise[1],
            "prd_recall",
            settings={"prd_recall": {"clusters": 6}},
            seed=seed,
        )["prd_recall"]
        assert result.details["cells"] <= 6
        covered += result.low <= truth <= result.high
    assert covered >= 85


def test_counted_rows_place_no_cells():
    """Shares are those of two thirds of the rows, the rest placed the cells."""
    rng = np.random.default_rng(9)
    rows = np.repeat(100.0 * np.eye(4), 90, axis=0) + rng.standard_normal((360, 4))
    result = ask("prd_precision", rows, rows[:300], clusters=4)
    counted = np.array(result.details["real_shares"]) * 260
    assert counted == pytest.approx(np.round(counted))
    assert result.details["cells"] == 4
    few = ask("prd_precision", rows[::4], rows[::4])
    assert few.details["cells"] <= 6  # ten of sixty counted rows each


def test_disjoint_laws_have_zero_and_an_upper_bound():
    """A share of 0 may be 3.84 / m by Wilson; 65 times that for F_8."""
    rng = np.random.default_rng(10)
    real = rng.standard_normal((1500, 2))
    recall, precision = (
        ask(metric, real, real[:1200] + 1000.0) for metric in ("prd_recall", "prd_precision")
    )
    assert recall.value == recall.low == precision.value == 0.0
    z2 = 1.959964**2
    assert recall.high == pytest.approx(65 * z2 / (800 + z2), rel=1e-4)
    assert precision.high == pytest.approx(65 * z2 / (1100 + z2), rel=1e-4)


def test_mistakes_of_prd_are_named():
    rows = np.random.default_rng(11).standard_normal((80, 2))
    with pytest.raises(InputError, match="prd_recall setting clusters=1; it must be a whole"):
        ask("prd_recall", rows, rows, clusters=1)
    with pytest.raises(InputError, match="prd_recall setting estimator='x'; use 'held_out' or"):
        ask("prd_recall", rows, rows, estimator="x")
    with pytest.raises(InputError, match="have identical rows only; prd_precision needs"):
        ask("prd_precision", np.ones((80, 2)), np.ones((80, 2)))
    with pytest.raises(InputError, match="real has 2 columns and fake 1; they must agree"):
        prd_curve(rows, rows[:, :1])
    with pytest.raises(InputError, match="clusters=20; with 10 rows it must be at most 10"):
        prd_curve(rows[:5], rows)
    for name in ("angles", "runs"):
        with pytest.raises(InputError, match=f"^{name}=0; it must be a whole number, from"):
            prd_curve(rows, rows, **{name: 0})
        with pytest.raises(InputError, match=f"^{name}={10**13}; it must be a whole number, from"):
            prd_curve(rows, rows, **{name: 10**13})
    for name, wrong in (("seed", -1), ("clusters", "x")):
        with pytest.raises(InputError, match=f"^{name}={wrong!r}; it must be a whole number"):
            prd_curve(rows, rows, **{name: wrong})
    with pytest.raises(InputError, match=r"beta=0\.0; it must be above 0"):
        prd_curve(rows, rows, runs=1).f_beta(0.0)
    with pytest.raises(InputError, match=r"beta=1e\+300; it must be .* in \[1e-06, 1e\+06\]"):
        prd_curve(rows, rows, runs=1).f_beta(1e300)

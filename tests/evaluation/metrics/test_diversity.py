"""Vendi and RKE against closed forms, whole matrices and numeric derivatives; their intervals."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from evaluation import InputError, measure
from evaluation.distances import mmd, spectral_entropy
from evaluation.metrics import rke

GOLDEN = Path(__file__).parents[2] / "golden"
RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((60, 5)) + 0.5


def ask(metric, fake, real=None, **settings):
    return measure(real, fake, metric, settings={metric: settings})[metric]


def entropy(shares, order):
    """Renyi's, of shares that sum to 1."""
    if order == 1.0:
        return -float(np.sum(shares * np.log(shares)))
    return math.log(np.sum(shares**order)) / (1.0 - order)


@pytest.mark.parametrize("case", ["full_rank", "rank_deficient"])
def test_vendi_of_the_reference_program(case):
    """Its kernel matrix is 250 x 250; one case has fewer columns, the other more."""
    expected = json.loads((GOLDEN / "metrics_expected.json").read_text())[case]
    with np.load(GOLDEN / "metrics_arrays.npz") as stored:
        rows = stored[f"{case}_fake"][:250]
    result = ask("vendi", rows, estimator="published")
    assert result.value == pytest.approx(expected["vendi_cosine_first250_fake"], rel=1e-6)
    assert not result.has_interval
    assert ask("vendi", rows).details["plain"] == result.value


@pytest.mark.parametrize("order", [0.3, 1.0, 2.0, 7.5])
@pytest.mark.parametrize("kernel", ["cosine", "gaussian"])
def test_vendi_is_the_entropy_of_the_kernel_matrix(kernel, order):
    matrix = (mmd.cosine if kernel == "cosine" else mmd.gaussian(1.5))(ROWS, ROWS)
    shares = np.linalg.eigvalsh(matrix / 60)
    shares = shares[shares > 1e-12]
    settings = {"kernel": kernel, "order": order, "bandwidth": 1.5 * (kernel == "gaussian")}
    result = ask("vendi", ROWS, estimator="published", **settings)
    assert result.value == pytest.approx(math.exp(entropy(shares, order)), rel=1e-8)


@pytest.mark.parametrize("order", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("columns", [25, 40])
def test_vendi_of_orthonormal_rows_is_their_number(order, columns):
    rows = np.eye(25, columns) * np.linspace(0.1, 9.0, 25)[:, None]
    result = ask("vendi", rows, estimator="published", order=order)
    assert result.value == pytest.approx(25.0, rel=1e-9)


def test_vendi_of_unlike_shares():
    """A half, a quarter and a quarter: 2^1.5 at order 1, 8 / 3 at order 2."""
    rows = np.repeat(np.eye(3), [20, 10, 10], axis=0)
    assert ask("vendi", rows).details["plain"] == pytest.approx(2**1.5, rel=1e-9)
    assert ask("vendi", rows, order=2.0).details["plain"] == pytest.approx(8 / 3, rel=1e-9)


def test_large_orders_count_the_largest_share_alone():
    rows = np.repeat(np.eye(3), [20, 10, 10], axis=0)
    assert ask("vendi", rows, order=1e4).details["plain"] == pytest.approx(2.0, rel=1e-3)


def test_orders_near_one_are_near_shannons():
    near, exact = (ask("vendi", ROWS, order=q) for q in (1.0 + 1e-6, 1.0))
    assert near.value == pytest.approx(exact.value, rel=1e-5)
    assert near.high == pytest.approx(exact.high, rel=1e-5)
    assert near.value != exact.value


@pytest.mark.parametrize("order", [0.5, 1.0, 3.0])
def test_first_and_second_parts_are_derivatives_of_the_entropy(order):
    """Of S + s (u u' - S) + t (v v' - S), from differences of the entropy itself."""
    scaled = mmd.unit(ROWS)
    moment = scaled.T @ scaled / 60
    values, coordinates = spectral_entropy.spectrum(ROWS, "rows", None)
    parts = spectral_entropy.Entropy.from_eigenvalues(values, order)
    u, v = coordinates(np.array([3])), coordinates(np.array([8]))
    ways = [np.outer(scaled[i], scaled[i]) - moment for i in (3, 8)]

    def at(s, t):
        return entropy(np.linalg.eigvalsh(moment + s * ways[0] + t * ways[1]), order)

    h = 1e-4
    slope = (at(h, 0) - at(-h, 0)) / (2 * h)
    mixed = (at(h, h) - at(h, -h) - at(-h, h) + at(-h, -h)) / (4 * h**2)
    assert parts.first(u)[0] == pytest.approx(slope, rel=1e-5)
    assert parts.second(u, v)[0] == pytest.approx(mixed, rel=1e-4)


def test_equal_eigenvalues_have_the_limit_of_divided_differences():
    nearly = spectral_entropy.Entropy.from_eigenvalues(
        np.array([0.25, 0.25 + 1e-9, 0.5 - 1e-9]), 1.0
    )
    assert nearly.curve[0, 1] == pytest.approx(-4.0, rel=1e-7)
    assert nearly.curve[0, 2] == pytest.approx(-math.log(2.0) / 0.25, rel=1e-7)


def test_score_in_blocks_is_the_same(monkeypatch):
    whole = ask("vendi", ROWS)
    monkeypatch.setattr(spectral_entropy, "BLOCK_ENTRIES", 40)
    streamed = ask("vendi", ROWS)
    assert streamed.value == pytest.approx(whole.value, rel=1e-12)
    assert streamed.high == pytest.approx(whole.high, rel=1e-12)


LAWS = {
    "directions": lambda rng, n: rng.standard_normal((n, 8)),
    "decaying": lambda rng, n: rng.standard_normal((n, 8)) * np.arange(1, 9) ** -0.6,
    "kinds": lambda rng, n: np.eye(4)[rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])],
}


@pytest.mark.slow
@pytest.mark.parametrize("order", [1.0, 2.0])
@pytest.mark.parametrize("law", LAWS)
def test_corrected_vendi_is_unbiased_and_covered(law, order):
    """200 draws of 150 rows; what covers 0.92 holds 175 or more of them but for 1 in 100."""
    rng = np.random.default_rng(1)
    many = mmd.unit(LAWS[law](rng, 400_000))
    truth = math.exp(entropy(np.linalg.eigvalsh(many.T @ many / len(many)), order))
    result = [ask("vendi", LAWS[law](rng, 150), order=order) for _ in range(200)]
    values = np.array([one.value for one in result])
    error = values.std() / math.sqrt(200)
    assert values.mean() == pytest.approx(truth, abs=4 * error + 2e-3 * truth)
    covered = sum(one.low <= truth <= one.high for one in result)
    assert stats.binom.cdf(174, 200, 0.92) < 0.01
    assert covered >= 175


def test_bias_of_kinds_is_miller_and_madows():
    """Of an entropy of K shares, counted in n rows: (K - 1) / 2n."""
    rows = np.repeat(np.eye(4), [40, 30, 20, 10], axis=0)
    result = ask("vendi", rows)
    assert result.details["bias"] == pytest.approx(-3 / 200, rel=1e-9)
    assert result.value == pytest.approx(result.details["plain"] * math.exp(3 / 200), rel=1e-9)


def test_interval_allows_for_what_is_left_of_the_bias():
    """Halves of a sample are too small to have twice its bias."""
    result = ask("vendi", ROWS)
    assert result.details["left"] > 1e-4
    half = stats.norm.ppf(0.975) * result.details["standard_error"] + result.details["left"]
    assert result.high == pytest.approx(result.value * math.exp(half), rel=1e-9)
    assert result.low == pytest.approx(result.value * math.exp(-half), rel=1e-9)


def test_errors_of_equal_kinds_are_those_of_the_quadratic_part():
    """Of K equal counts: entropy varies as chi-squared / 2n, log RKE as chi-squared / n.

    Vendi takes that variance from 100 pairs, whose squares 9 or 1 have mean 3 and spread 3.5.
    """
    rows = np.repeat(np.eye(4), 50, axis=0)
    result = ask("vendi", rows)
    assert result.details["standard_error"] == pytest.approx(math.sqrt(3 / 2) / 200, rel=0.25)
    result = ask("rke", rows, rows, bandwidth=0.01)
    assert result.details["standard_error"] == pytest.approx(math.sqrt(6) / 200, rel=0.02)


def test_no_correction_where_rows_are_too_few():
    """Fewer rows than dimensions, or a little noise in so many that its share looks resolved."""
    rng = np.random.default_rng(2)
    spread = rng.standard_normal((100, 60))
    centres = 4 * rng.standard_normal((6, 256))
    noisy = centres[rng.integers(6, size=60)] + rng.standard_normal((60, 256))
    for rows in (spread, noisy):
        result = ask("vendi", rows)
        assert not result.has_interval
        assert result.value == result.details["plain"]
        assert "too few rows" in result.method
    assert ask("vendi", spread[:, :10]).has_interval


def test_rows_all_alike_have_one_kind_and_no_interval():
    rows = np.outer(np.arange(1.0, 31.0), [3.0, 4.0])
    result = ask("vendi", rows)
    assert result.value == pytest.approx(1.0, abs=1e-12)
    assert not result.has_interval


def test_real_rows_are_scored_beside_the_fake_ones():
    real = RNG.standard_normal((80, 5))
    result = ask("vendi", ROWS, real)
    assert result.details["real"] == ask("vendi", real).value
    assert result.details["real_plain"] == ask("vendi", real).details["plain"]
    assert result.n_real == 0
    assert ask("vendi", ROWS).value == result.value
    gaussian = ask("vendi", ROWS, real, kernel="gaussian")
    assert gaussian.details["bandwidth"] == mmd.choose_bandwidth(real, 0.0, "vendi")


@pytest.mark.parametrize(
    ("rows", "settings", "line"),
    [
        (ROWS, {"estimator": "best"}, "use 'corrected' or 'published'"),
        (ROWS, {"kernel": "linear"}, "use 'cosine' or 'gaussian'"),
        (ROWS, {"bandwidth": 2.0}, "add kernel='gaussian'"),
        (ROWS, {"kernel": "gaussian"}, "there are none: give real_features="),
        (ROWS, {"order": 0.0}, "order=0.0; it must be above 0 and finite"),
        (ROWS, {"order": math.inf}, "order=inf; it must be above 0 and finite"),
        (ROWS * (np.arange(60) != 7)[:, None], {}, r"1 rows of length 0 \(first: row 7\)"),
    ],
)
def test_vendi_refuses_what_means_nothing(rows, settings, line):
    with pytest.raises(InputError, match=line):
        ask("vendi", rows, **settings)


def test_a_matrix_of_too_many_rows_is_refused(monkeypatch):
    monkeypatch.setattr(spectral_entropy, "MOST_ROWS", 50)
    with pytest.raises(InputError, match="fake_features has 60 rows; vendi compares all pairs"):
        ask("vendi", ROWS, kernel="gaussian", bandwidth=1.0)
    assert ask("vendi", ROWS).value > 1.0


def test_rke_is_that_of_the_whole_matrix(monkeypatch):
    matrix = mmd.gaussian(1.5)(ROWS, ROWS)
    frobenius = 1.0 / np.linalg.norm(matrix / 60) ** 2
    off = 1.0 / np.square(matrix)[~np.eye(60, dtype=bool)].mean()
    monkeypatch.setattr(mmd, "BLOCK_ENTRIES", 100)
    published = ask("rke", ROWS, ROWS[:30], bandwidth=1.5, estimator="published")
    assert published.value == pytest.approx(frobenius, rel=1e-9)
    assert not published.has_interval
    result = ask("rke", ROWS, ROWS[:30], bandwidth=1.5)
    assert result.value == pytest.approx(off, rel=1e-9)
    assert result.details["plain"] == pytest.approx(frobenius, rel=1e-9)
    assert result.details["real"] == ask("rke", ROWS[:30], ROWS, bandwidth=1.5).value


def test_rke_of_order_two_is_vendis():
    settings = {"bandwidth": 1.5, "estimator": "published"}
    other = ask("vendi", ROWS, kernel="gaussian", order=2.0, **settings)
    assert ask("rke", ROWS, ROWS, **settings).value == pytest.approx(other.value, rel=1e-8)


def test_rke_of_rows_all_alike_allows_for_kinds_unseen():
    """A share q of unseen kinds stays unseen with (1 - q)^30 = 0.025; then RKE is (1 - q)^-2."""
    result = ask("rke", np.ones((30, 2)), ROWS[:, :2])
    assert (result.value, result.low) == (1.0, 1.0)
    assert result.high == pytest.approx(0.025 ** (-2 / 30), rel=1e-12)


def rke_truth(centres, shares, spread, bandwidth):
    """1 / E k^2 of a mixture of N(centre, spread^2 I)."""
    total = bandwidth**2 + 4 * spread**2
    gaps = np.square(centres[:, None] - centres).sum(axis=2)
    mean = shares @ np.exp(-gaps / total) @ shares
    return 1.0 / (mean * (bandwidth**2 / total) ** (centres.shape[1] / 2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shares", "spread", "bandwidth"),
    [(np.ones(2) / 2, 0.1, 1.0), (np.arange(1, 51) ** -1.0, 0.2, 2.0), (np.ones(1), 1.0, 4.0)],
)
def test_rke_is_covered(shares, spread, bandwidth):
    """Two equal kinds, fifty of falling shares, one wide kind: 200 draws of 150 rows."""
    rng = np.random.default_rng(3)
    shares = shares / shares.sum()
    centres = 4 * rng.standard_normal((len(shares), 8))
    truth = rke_truth(centres, shares, spread, bandwidth)
    covered = 0
    for _ in range(200):
        rows = centres[rng.choice(len(shares), 150, p=shares)]
        rows = rows + spread * rng.standard_normal(rows.shape)
        result = ask("rke", rows, rows[:20], bandwidth=bandwidth)
        covered += result.low <= truth <= result.high
    assert covered >= 175  # see the same for Vendi


def test_rke_at_the_median_bandwidth_stays_below_two_e():
    rows = np.eye(50)[np.random.default_rng(4).integers(50, size=300)]
    assert 2.0 < ask("rke", rows, rows).value < 2 * math.e


def test_rke_refuses_rows_of_which_hardly_two_are_alike():
    with pytest.raises(InputError, match=r"too few rows that are alike at bandwidth 0\.01"):
        ask("rke", ROWS, ROWS, bandwidth=0.01)
    few = ask("rke", np.repeat(ROWS[:20], 3, axis=0), ROWS, bandwidth=0.01)
    assert few.value == pytest.approx(60 * 59 / (60 * 2), rel=1e-9)
    assert "real" not in few.details


def test_rke_refuses_an_unknown_estimator():
    with pytest.raises(InputError, match="use 'unbiased' or 'published'"):
        ask("rke", ROWS, ROWS, estimator="biased")


def test_error_of_rke_is_that_of_the_fake_rows_alone():
    fake, real = (ask("rke", ROWS, other, bandwidth=1.5) for other in (ROWS[:30], ROWS[30:]))
    assert (fake.low, fake.high) == (real.low, real.high)
    assert fake.details["standard_error"] == pytest.approx(
        rke._error(mmd.sums(ROWS, None, mmd.gaussian(1.5 / math.sqrt(2)))), rel=1e-12
    )

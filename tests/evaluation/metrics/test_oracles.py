"""What is known in closed form of each metric's value: no program and no weights are asked.

Further oracles stand beside the metrics' own tests: Gaussian KID in test_kid.py; coverage, density
and clipped coverage at equal laws in test_knn_metrics.py; one-hot classes in test_logit_metrics.py;
birthdays in test_modes.py; copied training rows in test_memorisation.py; NDB in test_ndb.py.
"""

import numpy as np
import pytest
import scipy.linalg
from scipy import stats

from evaluation import measure
from evaluation.core.pair import Pair
from evaluation.metrics import p_cover, r_cover

SLOW = pytest.mark.slow


def near(values, truth, errors=4.0):
    """Whether the mean of independent values is within some of its standard errors of the truth."""
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return np.mean(values) == pytest.approx(truth, abs=errors * error)


def exact_rows(rng, n, mean, covariance):
    """Rows whose sample mean and covariance (ddof 1) are exactly these; n > d."""
    rows = rng.standard_normal((n, len(mean)))
    rows -= rows.mean(axis=0)
    whitener = np.linalg.inv(np.linalg.cholesky(rows.T @ rows / (n - 1))).T
    return rows @ whitener @ np.linalg.cholesky(covariance).T + mean


@pytest.mark.parametrize("protocol", ["ttur", "pytorch-fid", "tf-gan", "torchmetrics"])
def test_fid_of_gaussians_that_do_not_commute(protocol):
    rng = np.random.default_rng(0)
    s1, s2 = (x.T @ x / 9 for x in rng.standard_normal((2, 9, 6)))
    m1, m2 = rng.standard_normal((2, 6))
    expected = np.square(m1 - m2).sum() + np.trace(s1 + s2 - 2 * scipy.linalg.sqrtm(s1 @ s2).real)
    rows = exact_rows(rng, 40, m1, s1), exact_rows(rng, 30, m2, s2)
    result = measure(*rows, "fid", protocol=protocol)["fid"]
    assert result.value == pytest.approx(expected, rel=1e-9)


def test_fid_of_gaussians_in_one_dimension():
    """(m1 - m2)^2 + (sigma1 - sigma2)^2."""
    rng = np.random.default_rng(1)
    rows = (exact_rows(rng, 50, [m], [[sigma**2]]) for m, sigma in ((1.0, 2.0), (4.0, 0.5)))
    assert measure(*rows, "fid", protocol="ttur")["fid"].value == pytest.approx(9 + 2.25, rel=1e-12)


@pytest.mark.parametrize(
    "variances", [pytest.param([1.0] * 8, marks=SLOW), [4.0, 2.0, 1.0, 0.5, 0.25, 0.01]]
)
def test_the_bias_of_plain_fid_at_equal_laws(variances):
    """(1/n + 1/m) [sum l + 1/2 sum_ij l_i l_j (1 + d_ij) / (l_i + l_j)] + O(n^-2).

    The second order is about d / n of the first, 2 % here; the default value has neither.
    """
    variances, (n, m), draws = np.array(variances), (400, 300), 300
    pairs = np.outer(variances, variances) / np.add.outer(variances, variances)
    first = (1 / n + 1 / m) * (variances.sum() + 0.5 * (pairs.sum() + np.trace(pairs)))
    plain, corrected = [], []
    for draw in range(draws):
        rng = np.random.default_rng([2, draw])
        rows = (rng.standard_normal((size, len(variances))) * np.sqrt(variances) for size in (n, m))
        result = measure(*rows, "fid")["fid"]
        plain.append(result.details["plain"])
        corrected.append(result.value)
    error = np.std(plain) / np.sqrt(draws)
    assert np.mean(plain) == pytest.approx(first, abs=4 * error + len(variances) / m * first)
    assert first > 20 * error
    assert near(corrected, 0.0)


@pytest.mark.parametrize(
    ("module", "metric", "n", "m", "k", "c"),
    [
        (p_cover, "p_cover", 100, 80, 3, 3),
        (r_cover, "r_cover", 60, 90, 2, 4),
        pytest.param(p_cover, "p_cover", 60, 90, 2, 4, marks=SLOW),
        pytest.param(r_cover, "r_cover", 100, 80, 3, 3, marks=SLOW),
    ],
)
def test_covers_at_equal_laws(module, metric, n, m, k, c):
    """Of n - 1 own and m other rows in any order, k others come before the (k c)-th own one.

    How many others do is beta-binomial, whatever the law of the rows, if it is continuous.
    """
    own, other = (n, m) if metric == "r_cover" else (m, n)
    truth = stats.betabinom(other, k * c, own - k * c).sf(k - 1)
    values = []
    for draw in range(150):
        rng = np.random.default_rng([3, draw])
        pair = Pair(rng.exponential(size=(n, 2)), rng.exponential(size=(m, 2)))
        values.append(module.estimate(pair, level=0.95, seed=0, k=k, c=c).value)
    assert near(values, truth)


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.7, 0.2, 0.1], [0.01, 0.99]])
def test_inception_score_of_sure_answers_is_the_exponential_of_their_entropy(shares):
    counts = np.round(400 * np.array(shares)).astype(int)
    logits = 1000.0 * np.eye(len(shares))[np.repeat(np.arange(len(shares)), counts)]
    chosen = {"inception_score": {"estimator": "splits", "splits": 1}}
    result = measure(metrics="inception_score", fake_logits=logits, settings=chosen)
    expected = np.exp(stats.entropy(shares))
    assert result["inception_score"].value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("produced", [40, pytest.param(100, marks=SLOW)])
def test_expected_number_of_modes(produced):
    """Of K equal modes n rows hit K (1 - (1 - 1/K)^n); a mode counts from one row on."""
    modes = 30
    real = np.eye(modes)[np.repeat(np.arange(modes), 10)]
    values = []
    for draw in range(60):
        labels = np.random.default_rng([4, draw]).integers(modes, size=produced)
        result = measure(metrics="modes", real_logits=real, fake_logits=np.eye(modes)[labels])
        values.append(result["modes"].value)
    assert near(values, modes * (1 - (1 - 1 / modes) ** produced))


def test_precision_and_recall_of_half_overlapping_intervals():
    """Uniform on [0, 1] against [1/2, 3/2]: half of each lies where the other is, to O(k / n)."""
    rng = np.random.default_rng(5)
    real, fake = rng.uniform(size=(4000, 1)), rng.uniform(0.5, 1.5, size=(4000, 1))
    for result in measure(real, fake, ("precision", "recall")).values():
        assert result.value == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / 4000) + 3 / 4000)

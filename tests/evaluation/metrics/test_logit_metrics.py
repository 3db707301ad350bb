"""Inception Score and modes on logits whose answer is known."""

import math

import numpy as np
import pytest
from scipy import stats

from evaluation import InputError, measure
from evaluation.metrics.mode_kl import kl_divergence

SURE = 1000.0


def score_of(logits):
    return measure(metrics="inception_score", fake_logits=logits)["inception_score"]


def one_hot(labels, classes):
    return SURE * np.eye(classes)[labels]


@pytest.mark.parametrize("classes", [2, 10])
def test_score_of_equal_one_hot_classes_is_their_number(classes):
    logits = one_hot(np.repeat(np.arange(classes), 50), classes)
    result = measure(metrics="inception_score", fake_logits=logits)["inception_score"]
    assert result.details["plain"] == pytest.approx(classes, rel=1e-12)


def test_score_of_equal_answers_is_one():
    logits = np.tile(np.random.default_rng(0).standard_normal(5), (40, 1))
    result = score_of(logits)
    assert (result.value, result.low) == (1.0, 1.0)
    assert result.high > 1.01  # a part of the population may be unlike all 40 rows
    unseen = 1 - 0.025 ** (1 / 20)
    mixed = np.append(np.full(9, unseen / 9), 1 - unseen)  # nine more classes share what is unseen
    bound = np.exp(stats.entropy(mixed))
    assert score_of(one_hot(np.zeros(20, dtype=int), 10)).high >= bound - 1e-9


@pytest.mark.parametrize("rows", [5, 20])
def test_score_of_even_classes_ends_at_their_number(rows):
    """The value exceeds 10, as it adds a bias of 9 / 2n; what it estimates cannot."""
    result = score_of(one_hot(np.repeat(np.arange(10), rows), 10))
    assert result.low < 10.0 - 1e-3 < result.value == result.high
    assert math.log(result.value) == pytest.approx(math.log(10) + 9 / (20 * rows), rel=0.02)
    second = math.sqrt(9 / 2) / (10 * rows)  # chi-square with 9 degrees of freedom over 2n
    assert result.details["standard_error"] == pytest.approx(second, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shares", "rows"),
    [
        (np.ones(2), 100),
        (np.array([0.6, 0.4]), 200),
        (np.ones(10), 50),
        (np.append(np.full(9, 0.03 / 9), 0.97), 50),
        (np.append(np.full(9, 0.01 / 9), 0.99), 200),
        (np.ones(100), 50),
    ],
)
def test_score_covers_at_the_edge(shares, rows):
    """Sure answers, even classes or a collapsed generator: 300 draws miss in 5 % or less."""
    p, rng, missed = shares / shares.sum(), np.random.default_rng(3), 0
    truth = math.exp(stats.entropy(p))
    for _ in range(300):
        result = score_of(one_hot(rng.choice(len(p), size=rows, p=p), len(p)))
        missed += not result.low - 1e-9 <= truth <= result.high + 1e-9
    assert stats.binom.sf(missed - 1, 300, 0.06) > 1e-3


def test_jackknife_is_that_of_a_loop():
    rng = np.random.default_rng(1)
    logits = 2 * rng.standard_normal((30, 4))

    def log_score(rows):
        p = np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)
        return np.mean([(q * np.log(q / p.mean(axis=0))).sum() for q in p])

    left_out = np.array([log_score(np.delete(logits, i, axis=0)) for i in range(30)])
    value = 30 * log_score(logits) - 29 * left_out.mean()
    error = math.sqrt(29 / 30 * np.square(left_out - left_out.mean()).sum())
    result = measure(metrics="inception_score", fake_logits=logits)["inception_score"]
    assert result.value == pytest.approx(math.exp(value), rel=1e-10)
    assert result.details["standard_error"] == pytest.approx(error, rel=1e-8)
    assert result.low <= math.exp(value - 1.959963984540054 * error) * (1 + 1e-9)
    assert result.high >= math.exp(value + 1.959963984540054 * error) * (1 - 1e-9)


def test_modes_counts_what_is_produced():
    """Real: 4 modes of 5 classes, 100 each; fake: 300, 96, 4, 0; a tenth of 25 % is 2.5 %."""
    real = one_hot(np.repeat([0, 1, 2, 3], 100), 5)
    fake = one_hot(np.repeat([0, 1, 2], [300, 96, 4]), 5)
    result = measure(metrics="modes", real_logits=real, fake_logits=fake)["modes"]
    assert result.value == 2.0
    assert result.details["missing"] == [2, 3]
    assert result.details["total_modes"] == 4
    assert result.details["real_shares"] == [0.25, 0.25, 0.25, 0.25, 0.0]
    assert result.details["fake_shares"] == [0.75, 0.24, 0.01, 0.0, 0.0]
    assert (result.low, result.high) == (2.0, 3.0)  # mode 2 might be at a tenth; mode 3 is not
    generous = measure(
        metrics="modes", real_logits=real, fake_logits=fake, settings={"modes": {"share": 0.04}}
    )
    assert generous["modes"].value == 3.0


def test_modes_needs_a_row_for_each():
    logits = one_hot(np.arange(10), 10)
    with pytest.raises(InputError, match="fake_logits has 9 rows; modes needs at least 10"):
        measure(metrics="modes", real_logits=logits, fake_logits=logits[:9])


def test_kl_has_no_bias_at_equal_laws():
    """The mean over 2000 multinomial draws is 0 within four standard errors; plug-in is not."""
    rng = np.random.default_rng(2)
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    values = [
        kl_divergence(rng.multinomial(300, shares), rng.multinomial(500, shares))
        for _ in range(2000)
    ]
    error = np.std(values) / np.sqrt(2000)
    assert np.mean(values) == pytest.approx(0.0, abs=4 * error)
    assert 4 * error < (4 - 1) / (2 * 300)


def test_kl_of_known_shares_and_of_a_class_that_real_lacks():
    counts, reference = np.array([750_000, 250_000]), np.array([500_000, 500_000])
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert kl_divergence(counts, reference) == pytest.approx(expected, abs=1e-5)
    assert kl_divergence(np.array([5, 5]), np.array([10, 0])) == math.inf

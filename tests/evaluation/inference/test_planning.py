"""Plans against closed forms, themselves, and the power that they promise."""

import dataclasses
import json

import numpy as np
import pytest

from evaluation import InputError
from evaluation.inference.planning import plan
from evaluation.inference.ranking import compare
from evaluation.inference.two_sample import same_distribution


def draws(seed, *sizes, d=3):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((n, d)) for n in sizes]


def test_linear_part_of_shifted_gaussians():
    """FID of N(0, I) and N(mu, I): influences 2 mu.x, so that L = 2 (4 |mu|^2) for two models."""
    real, a, b = draws(0, 4000, 4000, 4000)
    result = plan("fid", real, a + 0.8, effect=0.1, other=b + 0.8)
    assert result.linear == pytest.approx(8 * 3 * 0.8**2, rel=0.1)
    expected = (1.96 + 0.8416) ** 2 * result.linear / 0.1**2
    assert result.n == pytest.approx(expected, rel=0.01)


def test_quadratic_part_of_equal_gaussians():
    """KID's kernel at equal laws: 12 times the mean square of the centred kernel."""
    real, a, b = draws(1, 1500, 1500, 1500, d=2)
    result = plan("kid", real, a, n=100, other=b)
    x, y = draws(2, 1500, 1500, d=2)
    kernel = (x @ y.T / 2 + 1) ** 3
    kernel += kernel.mean() - kernel.mean(axis=0) - kernel.mean(axis=1)[:, None]
    assert result.quadratic == pytest.approx(12 * np.square(kernel).mean(), rel=0.3)


@pytest.mark.parametrize("metric", ["kid", "fid"])
@pytest.mark.parametrize("question", ["difference", "equality"])
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_rows_for_an_effect_and_the_effect_for_rows_agree(metric, question, shift):
    real, fake = draws(3, 300, 300)
    options = {"question": question, "power": 0.9, "level": 0.9}
    result = plan(metric, real, fake + shift, effect=0.1, **options)
    again = plan(metric, real, fake + shift, n=result.n, **options)
    assert again.effect == pytest.approx(0.1, rel=0.02)
    assert again.standard_error == pytest.approx(result.standard_error, rel=0.02)
    more = plan(metric, real, fake + shift, effect=0.05, **options)
    assert more.n > 1.9 * result.n


def test_power_and_level_cost_rows():
    real, fake = draws(4, 200, 200)
    n = plan("kid", real, fake + 0.5, effect=0.1).n
    assert plan("kid", real, fake + 0.5, effect=0.1, power=0.95).n > n
    assert plan("kid", real, fake + 0.5, effect=0.1, level=0.99).n > n


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["kid", "fid"])
def test_power_of_a_planned_comparison(metric):
    """Pilots of 400 rows of models that differ by a known effect; `compare` then finds it."""
    hits, big = [], draws(5, 20000, 20000, 20000)
    effect = _value(metric, big[0], 1.2 * big[2] + 0.42) - _value(metric, big[0], big[1] + 0.3)
    for seed in range(15):
        real, a = draws((6, seed), 400, 400)
        n = plan(metric, real, a + 0.3, effect=effect).n
        for again in range(8):
            real, a, b = draws((7, seed, again), n, n, n)
            models = {"a": a + 0.3, "b": 1.2 * b + 0.42}
            hits.append(compare(models, real, metric).differences[0].better == "a")
    assert 0.65 < np.mean(hits) < 0.97


def _value(metric, real, fake):
    """The distance of so many rows that sampling does not count; KID from blocks."""
    if metric == "fid":
        from evaluation.distances.frechet import frechet_distance

        return frechet_distance(real, fake)
    from evaluation.inference.influences import kid_influences

    parts = zip(np.split(real, 20), np.split(fake, 20), strict=True)
    return np.mean([kid_influences(x, [y])[0].value for x, y in parts])


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["kid", "fid"])
def test_power_of_a_planned_test_of_equality(metric):
    hits, shift = [], 0.35
    big = draws(8, 20000, 20000)
    effect = _value(metric, big[0], big[1] + shift)
    for seed in range(10):
        real, fake = draws((9, seed), 300, 300)
        n = plan(metric, real, fake + shift, effect=effect, question="equality").n
        for again in range(10):
            x, y = draws((10, seed, again), n, n)
            hits.append(same_distribution(x, y + shift, metric, permutations=99).different)
    assert 0.62 < np.mean(hits) < 0.97


def test_fid_asks_for_the_rows_that_its_bias_needs():
    real, fake = draws(11, 100, 100, d=40)
    assert plan("fid", real, fake + 1.0, effect=1e3).n == 80
    with pytest.raises(InputError, match="n=50; fid of so many dimensions needs at least 80 rows"):
        plan("fid", real, fake + 1.0, n=50)
    with pytest.raises(InputError, match="the pilot has 60 rows; fid of so many dimensions"):
        plan("fid", real[:60], fake, effect=1.0)
    assert plan("kid", real[:60], fake, effect=1.0).n >= 20


def test_rows_without_any_spread_are_refused():
    flat = np.ones((60, 2))
    with pytest.raises(InputError, match="shares most of its rows"):
        plan("kid", flat, flat, n=100)


def test_the_plan_is_plain_and_says_what_it_was_made_of():
    real, fake = draws(12, 80, 60)
    result = plan("kid", real, fake + 0.5, n=500, seed=2)
    fields = dataclasses.asdict(result)
    json.dumps(fields)
    assert (fields["n"], fields["n_real"], fields["n_fake"], fields["seed"]) == (500, 80, 60, 2)
    assert "500 rows per sample detect a difference of" in str(result)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"metric": "recall"}, "metric='recall'; use one of kid, fid"),
        ({"question": "more"}, "question='more'; use one of difference, equality"),
        ({"n": 100}, "effect=0.1 and n=100; give one of them"),
        ({"effect": None}, "effect=None and n=None"),
        ({"effect": 0.0}, "effect=0.0; it must be a finite number above 0"),
        ({"effect": None, "n": 5}, "n=5; it must be a whole number, from 20 to 10"),
        ({"effect": None, "n": 10**400}, "it must be a whole number, from 20 to 10"),
        ({"question": ["x"]}, r"question=\['x'\]; use one of difference, equality"),
        ({"metric": ["kid"]}, r"metric=\['kid'\]; use one of"),
        ({"effect": 1e300}, r"effect=1e\+300; it must be a finite number above 0, 1e\+100"),
        ({"effect": 10**400}, "is too large for a float"),
        ({"level": 1.0 - 1e-9, "question": "equality"}, "give a lower level"),
        ({"power": 80}, "power=80"),
        ({"level": 0.0}, "level=0.0"),
        ({"seed": -1}, "seed=-1"),
        ({"real": np.eye(20, 3)}, "real has 20 rows; a pilot needs at least 50"),
        ({"real": np.ones((60, 2))}, "real has 2 columns and fake 3"),
        ({"other": np.ones((60, 3)), "question": "equality"}, "other goes with question="),
        ({"effect": 1e-12}, "would take more than 1e.12 rows"),
    ],
)
def test_refusals(change, line):
    real, fake = draws(13, 60, 60)
    inputs = {"metric": "kid", "real": real, "fake": fake + 0.5, "effect": 0.1}
    with pytest.raises(InputError, match=line):
        plan(**(inputs | change))


@pytest.mark.parametrize("metric", ["kid", "fid"])
def test_the_largest_effect_needs_the_fewest_rows(metric):
    real, fake = draws(15, 60, 60)
    assert plan(metric, real, fake + 0.5, effect=1e100).n == 20


def test_equality_at_a_high_level_takes_the_permutations_that_it_needs():
    """400 permutations have no quantile at 0.999; a higher level needs more rows."""
    real, fake = draws(16, 60, 60)
    few, more = (
        plan("kid", real, fake + 0.5, effect=0.5, question="equality", level=level).n
        for level in (0.9, 0.999)
    )
    assert few < more


def test_the_pilot_must_not_be_the_reference():
    real = draws(14, 60)[0]
    with pytest.raises(InputError, match="fake shares most of its rows with real"):
        plan("kid", real, real[:55], effect=0.1)

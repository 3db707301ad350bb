"""Differences of models against published examples, closed forms, simulation and themselves."""

import dataclasses
import json

import numpy as np
import pytest
from scipy import stats

from evaluation import InputError, measure
from evaluation.core.pair import Pair
from evaluation.inference import differences, influences
from evaluation.inference.ranking import METRICS, compare
from evaluation.statistics.multiplicity import benjamini_hochberg, holm

SLOW = pytest.mark.slow
NEAREST = ["precision", "density", "coverage"]


def draws(seed, *sizes, d=3):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((n, d)) for n in sizes]


def test_shares_differ_as_in_newcombes_example():
    """56 of 70 less 48 of 80: 0.0524 to 0.3339 (Newcombe 1998, table II, method 10)."""
    first, second = 56 / 70, 48 / 80
    ends = differences.difference_ends(
        first, differences.fraction_ends(first, 70), second, differences.fraction_ends(second, 80)
    )
    assert ends(0.95) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize("metric", METRICS)
def test_values_are_those_of_measure(metric):
    real, a, b = draws(0, 120, 100, 90)
    result = compare({"a": a, "b": b + 0.5}, real, metric)
    for name, rows in (("a", a), ("b", b + 0.5)):
        expected = measure(real, rows, metric)[metric]
        assert result.models[name].value == pytest.approx(expected.value, rel=1e-6)
        assert result.models[name].low == pytest.approx(expected.low, rel=1e-6)
        assert result.models[name].high == pytest.approx(expected.high, rel=1e-6)
    pair = result.differences[0]
    values = [result.models[name].value for name in (pair.first, pair.second)]
    assert pair.value == pytest.approx(values[0] - values[1], abs=1e-12)
    assert result.direction == measure(real, a, metric)[metric].better


@pytest.mark.parametrize(
    ("metric", "paired"),
    [
        ("fid", False),
        ("kid", True),
        pytest.param("fid", True, marks=SLOW),
        pytest.param("kid", False, marks=SLOW),
    ],
)
def test_standard_error_is_the_spread_over_samples(metric, paired):
    """200 draws: the mean variance estimate agrees with the variance of the differences."""
    gaps, variances = [], []
    for seed in range(200):
        real, a, b = draws((1, seed), 150, 120, 120)
        if paired:
            b = 0.8 * a + 0.6 * b
        models = [a + 0.6, 1.1 * b + 0.9]
        if metric == "fid":
            first, second = (influences.fid_influences(Pair(real, rows), 0) for rows in models)
        else:
            first, second = influences.kid_influences(real, models)
        gaps.append(first.value - second.value)
        variances.append(differences.standard_error(first, second, paired) ** 2)
    assert np.mean(variances) == pytest.approx(np.var(gaps), rel=0.3)


def test_kid_influences_are_the_jackknifes():
    """Leaving a row out moves the U-statistic by its influence over n - 1, to the order 1 / n."""
    real, fake = draws(2, 60, 50)
    study = influences.kid_influences(real, [fake])[0]

    def value(x, y):
        return influences.kid_influences(x, [y])[0].value

    whole = value(real, fake)
    moved = [whole - value(real, np.delete(fake, i, axis=0)) for i in range(50)]
    assert np.corrcoef(study.fake, moved)[0, 1] > 0.999
    assert np.std(moved) * 49 == pytest.approx(np.std(study.fake), rel=0.1)
    moved = [whole - value(np.delete(real, i, axis=0), fake) for i in range(60)]
    assert np.corrcoef(study.real, moved)[0, 1] > 0.999


@pytest.mark.parametrize("metric", ["fid", pytest.param("kid", marks=SLOW)])
def test_coverage_of_differences(metric):
    """Isotropic Gaussians, whose FID is d (mu^2 + (1 - s)^2), and KID's mean in closed form."""
    d = 3
    laws = {"a": (0.5, 1.0), "b": (0.3, 1.3)}

    def cubic(m1, s1, m2, s2):  # E (x.y / d + 1)^3
        s, c1, c2 = d * m1 * m2, s1**2, s2**2
        second = d * c1 * c2 + d * m1**2 * c2 + d * m2**2 * c1 + s**2
        third = s**3 + 3 * s * (d * m1**2 * c2 + d * m2**2 * c1 + d * c1 * c2)
        third += 6 * m1 * m2 * d * c1 * c2
        return third / d**3 + 3 * second / d**2 + 3 * s / d + 1

    def truth(mean, scale):
        if metric == "fid":
            return d * (mean**2 + (1 - scale) ** 2)
        own = cubic(mean, scale, mean, scale) + cubic(0.0, 1.0, 0.0, 1.0)
        return own - 2 * cubic(mean, scale, 0.0, 1.0)

    expected, held, runs = truth(*laws["a"]) - truth(*laws["b"]), 0, 150
    for seed in range(runs):
        real, a, b = draws((3, seed), 200, 150, 180, d=d)
        models = {"a": 0.5 + a, "b": 0.3 + 1.3 * b}
        pair = compare(models, real, metric).differences[0]
        sign = 1 if pair.first == "a" else -1
        held += (
            min(sign * pair.low, sign * pair.high)
            <= expected
            <= max(sign * pair.low, sign * pair.high)
        )
    assert stats.binom.cdf(held, runs, 0.95) > 1e-3 and held / runs > 0.9


@pytest.mark.parametrize(
    "metric",
    ["density", *(pytest.param(name, marks=SLOW) for name in ("precision", "coverage", "fid"))],
)
def test_false_findings_at_most_at_their_rate(metric):
    """Two models of one law that is not the reference's, p <= 0.1 in 120 draws."""
    real = draws(4, 150)[0]
    result = 0
    for seed in range(120):
        fresh, a, b = draws((5, seed), 150, 100, 100)
        reference = fresh if metric == "fid" else real
        pair = compare({"a": a + 0.5, "b": b + 0.5}, reference, metric).differences[0]
        result += pair.p_value <= 0.1
    assert stats.binom.sf(result - 1, 120, 0.1) > 1e-3
    assert result >= 1


@pytest.mark.parametrize("metric", METRICS)
def test_interval_and_p_value_agree(metric):
    real, a, b = draws(6, 100, 80, 80)
    models = {"a": a, "b": 0.8 * b + 0.4}
    pair = compare(models, real, metric).differences[0]
    at = compare(models, real, metric, level=1.0 - pair.p_value).differences[0]
    assert min(abs(at.low), abs(at.high)) < 1e-5 * (at.high - at.low)
    for level in (0.8, 0.99):
        again = compare(models, real, metric, level=level).differences[0]
        assert (again.low > 0.0 or again.high < 0.0) == (again.p_value < 1.0 - level)


@pytest.mark.parametrize("metric", METRICS)
def test_order_of_rows_and_of_models_does_not_matter(metric):
    real, a, b, c = draws(7, 80, 60, 60, 60)
    rng = np.random.default_rng(1)
    result = compare({"a": a, "b": b + 0.3, "c": c + 1.0}, real, metric)
    shuffled = {"c": rng.permutation(c + 1.0), "b": b + 0.3, "a": rng.permutation(a)}
    again = compare(shuffled, rng.permutation(real), metric)
    assert again.ranking == result.ranking
    for one, other in zip(result.differences, again.differences, strict=True):
        assert (one.first, one.second) == (other.first, other.second)
        assert one.value == pytest.approx(other.value, rel=1e-6, abs=1e-9)
        assert one.p_value == pytest.approx(other.p_value, rel=0.1, abs=1e-9)


def test_corrections_are_those_of_multiplicity():
    real, *models = draws(8, 80, 60, 60, 60)
    inputs = {
        name: rows + 0.2 * i for i, (name, rows) in enumerate(zip("abc", models, strict=True))
    }
    for correction, adjust in (("holm", holm), ("benjamini-hochberg", benjamini_hochberg)):
        result = compare(inputs, real, "kid", correction=correction).differences
        adjusted = [pair.adjusted_p_value for pair in result]
        np.testing.assert_allclose(adjusted, adjust([pair.p_value for pair in result]))


def test_paired_latents_narrow_the_interval():
    real, a, noise = draws(9, 200, 200, 200)
    models = {"a": a + 0.4, "b": a + 0.5 + 0.1 * noise}
    for metric in ("fid", "kid", "precision", "density"):
        alone, paired = (
            compare(models, real, metric, paired_latents=flag).differences[0]
            for flag in (False, True)
        )
        assert alone.value == pytest.approx(paired.value)
        assert paired.high - paired.low < 0.7 * (alone.high - alone.low)


def test_ranking_says_what_is_established():
    real, a, b, c = draws(10, 300, 300, 300, 300)
    assert compare({"a": a, "far": b + 1.0}, real).ranking == "a < far"
    result = compare({"a": a, "b": b, "far": c + 1.0}, real)
    assert result.ranking in ("a = b < far", "b = a < far")
    assert [pair.better for pair in result.differences] == [
        None,
        result.ranking[0],
        result.ranking[4],
    ]
    assert "no significant difference; detectable with power 0.8: " in str(result)
    result = compare({"a": a, "far": c + 1.0}, real, "precision")
    assert result.ranking == "a > far"
    result = compare({"x": a, "y": b + 0.15, "z": c + 0.25}, real)
    assert result.ranking == "x = y = z; also x < z"


def test_the_same_rows_twice_are_no_difference():
    real, a = draws(11, 80, 60)
    for metric in METRICS:
        pair = compare({"a": a, "b": a.copy()}, real, metric).differences[0]
        assert (pair.value, pair.p_value, pair.better) == (0.0, 1.0, None)


def test_what_would_have_been_found():
    """As good as the reference itself, or worse by `detectable`: most samples show it."""
    real, a, b = draws(12, 200, 200, 200)
    detectable = compare({"a": a, "b": b}, real).differences[0].detectable
    shift, power = np.sqrt(detectable / 3), []
    for seed in range(40):
        real, a, b = draws((13, seed), 200, 200, 200)
        power.append(compare({"a": a, "b": b + shift}, real).differences[0].better == "a")
    assert np.mean(power) > 0.65


def test_few_rows_establish_only_what_bounds_must():
    """With n < 2 d FID's bias is not known: the interval is that of bounds, wide but right."""
    real, a, b, c = draws(14, 40, 40, 50, 40, d=60)
    result = compare({"a": a, "b": 1.05 * b, "far": c + 1.0}, real)
    near, far = result.differences[0], result.differences[1]
    assert near.better is None and near.p_value == 1.0
    assert far.low <= -60.0 <= far.high and far.better


def test_a_collapsed_model_is_worse():
    real, a = draws(15, 80, 60)
    for metric in ("fid", "kid", "coverage"):
        result = compare({"a": a, "one": np.ones((60, 3))}, real, metric)
        assert result.differences[0].better == "a"


@pytest.mark.parametrize("kind", [np.float16, np.int64])
def test_dtypes(kind):
    real, a, b = ((10 * rows).astype(kind) for rows in draws(16, 60, 50, 50))
    result = compare({"a": a, "b": b}, real, "kid").differences[0]
    wide = compare({"a": a.astype(float), "b": b.astype(float)}, real.astype(float), "kid")
    assert result.p_value == pytest.approx(wide.differences[0].p_value, rel=1e-6)


def test_the_comparison_is_plain_and_says_what_it_was_made_of():
    real, a, b = draws(17, 60, 50, 40)
    result = compare({"a": a, "b": b}, real, "density", k=4, seed=5)
    fields = dataclasses.asdict(result)
    json.dumps(fields)
    assert fields["models"]["b"]["n_fake"] == 40
    assert (result.settings, result.seed, result.n_real) == ({"k": 4, "closed": True}, 5, 60)
    assert result.differences != compare({"a": a, "b": b}, real, "density").differences


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"metric": "recall"}, "metric='recall' has no standard error over generated rows"),
        ({"metric": "fud"}, "unknown metric 'fud'"),
        ({"correction": "none"}, "correction='none'; use one of holm, benjamini-hochberg"),
        ({"correction": ["holm"]}, r"correction=\['holm'\]; use one of holm"),
        ({"metric": ["fid"]}, r"metric=\['fid'\] has no standard error"),
        ({"level": 1}, "level=1"),
        ({"paired_latents": 1}, "paired_latents=1"),
        ({"paired_latents": True, "metric": "coverage"}, "coverage is no mean over generated rows"),
        ({"paired_latents": True}, "all models must have equally many rows"),
        ({"k": 3}, "k=3; fid has no neighbours"),
        ({"models": {"a": np.eye(30, 3)}}, "models is 1 models; it must map 2 to 20"),
        ({"models": [np.eye(30, 3)]}, "models is list"),
        ({"models": {"a": np.eye(30, 3), "b": np.eye(30, 4)}}, r"models\['b'\] has 4 columns"),
        ({"models": {"a": np.eye(30, 3), "b": np.eye(3)}}, r"models\['b'\] has 3 rows"),
        ({"reference": np.ones((30, 3))}, "reference has identical rows only"),
        ({"reference": np.full((30, 3), np.inf)}, "reference holds NaN or infinite"),
    ],
)
def test_refusals(change, line):
    real, a, b = draws(18, 60, 50, 40)
    with pytest.raises(InputError, match=line):
        compare(**({"models": {"a": a, "b": b}, "reference": real} | change))


def test_rows_of_the_reference_are_refused():
    real, a = draws(19, 60, 50)
    with pytest.raises(InputError, match=r"models\['b'\] shares most of its rows with reference"):
        compare({"a": a, "b": real[:40]}, real)

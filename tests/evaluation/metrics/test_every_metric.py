"""What every file in evaluation/metrics/ must do; they are found by file name."""

import functools
import re

import numpy as np
import pytest

from evaluation import InputError, measure, metrics

ALL = metrics.names()
CLASSES = 6


def rows(kind, rng, n, classes=CLASSES):
    """Rows around `classes` of six centres: features, or logits of a classifier of them."""
    labels = np.arange(n) % classes
    if kind == "logits":
        return 4 * np.eye(CLASSES)[labels] + rng.standard_normal((n, CLASSES))
    centres = 4 * np.random.default_rng(0).standard_normal((CLASSES, 8))
    return centres[labels] + rng.standard_normal((n, 8))


def ask(name, real, fake, **options):
    """Measures one metric on rows of the kind that it reads, always with the same training rows."""
    module = metrics.load(name)
    inputs = {f"real_{module.READS}": real, f"fake_{module.READS}": fake}
    if "train" in module.NEEDS:
        inputs[f"train_{module.READS}"] = rows(module.READS, np.random.default_rng(4), 260)
    return measure(metrics=name, **inputs, **options)[name]


def usual(name):
    """A real and a generated sample of the kind that the metric reads, in float64."""
    kind, rng = metrics.load(name).READS, np.random.default_rng(1)
    return rows(kind, rng, 240), 0.9 * rows(kind, rng, 200) + 0.05


@functools.cache
def usual_result(name):
    """Measures the metric on the two samples of `usual`, once for all tests."""
    return ask(name, *usual(name))


@pytest.fixture(params=ALL)
def name(request):
    return request.param


@pytest.fixture
def pair(name):
    return usual(name)


@pytest.fixture
def result(name):
    return usual_result(name)


def test_a_metric_declares_itself(name):
    module = metrics.load(name)
    assert module.READS in ("features", "logits", "spatial")
    assert module.BETTER in ("lower", "higher")
    assert module.COLLAPSE in ("lower", "higher", None)
    assert set(module.NEEDS) <= {"real", "fake", "train"}


def test_a_metric_says_what_it_tells_and_when_it_misleads(name):
    paragraphs = metrics.load(name).__doc__.split("\n\n")
    assert re.match(r"[^:\n]+: .+\.$", paragraphs[0]), (
        f"{name}: the first paragraph of the docstring must be one line, 'Name: what it measures.'"
    )
    assert sum(p.startswith("It misleads") for p in paragraphs) == 1, (
        f"{name}: exactly one paragraph of the docstring must begin with 'It misleads'"
    )
    for section in ("Args", "Returns", "Raises", "Source", "Example"):
        assert f"\n    {section}:\n" in metrics.load(name).estimate.__doc__, (
            f"{name}: the docstring of estimate has no section '{section}:'"
        )


def test_value_lies_in_its_interval_and_is_plain(name, result):
    assert result.low <= result.value <= result.high
    assert np.isfinite([result.low, result.value]).all()
    assert np.isfinite(result.high) or name == "support"  # without duplicates nothing bounds it
    assert type(result.value) is type(result.low) is type(result.high) is float
    assert (result.metric, result.protocol, result.level) == (name, "default", 0.95)
    assert result.n_fake == 200
    assert result.n_real == (240 if "real" in metrics.load(name).NEEDS else 0)
    assert result.better == metrics.load(name).BETTER
    assert result.method
    assert result.target


def test_a_higher_level_is_wider(name, pair):
    narrow, wide = (ask(name, *pair, level=level) for level in (0.5, 0.999))
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high
    assert narrow.value == wide.value
    if name not in ("modes", "support"):  # whole numbers need not move; inf does not
        assert wide.high - wide.low > narrow.high - narrow.low


def test_row_order_does_not_matter(name, pair, result):
    rng = np.random.default_rng(2)
    again = ask(name, *(rng.permutation(x) for x in pair))
    scale = max(abs(result.value), result.high - result.low)
    assert again.value == pytest.approx(result.value, abs=1e-9 * scale)
    assert again.low == pytest.approx(result.low, abs=1e-6 * scale)
    assert again.high == pytest.approx(result.high, abs=1e-6 * scale)


def test_float32_equals_float64(name, pair, result):
    single = ask(name, *(x.astype(np.float32) for x in pair))
    assert single.value == pytest.approx(result.value, rel=1e-4, abs=1e-4)


def test_any_layout_and_dtype(name, pair):
    real, fake = (np.round(8 * x) for x in pair)
    result = ask(name, real, fake)
    strided = [np.repeat(np.asfortranarray(x), 2, axis=0)[::2] for x in (real, fake)]
    for other in (strided, (real.tolist(), fake.tolist()), (real.astype(int), fake.astype(int))):
        assert ask(name, *other).value == pytest.approx(result.value, rel=1e-12)
    half = ask(name, real.astype(np.float16), fake.astype(np.float16))
    assert half.value == pytest.approx(result.value, rel=1e-12)


def test_inputs_are_not_changed(name, pair):
    copies = [x.copy() for x in pair]
    ask(name, *pair)
    assert all((x == y).all() for x, y in zip(pair, copies, strict=True))


def test_mode_collapse_moves_it_the_declared_way(name):
    """All six modes against one; sizes, noise and real rows are the same."""
    module = metrics.load(name)
    if module.COLLAPSE is None:
        return  # the metric measures something else: copies of the training data
    rng = np.random.default_rng(3)
    real = rows(module.READS, rng, 240)
    whole = ask(name, real, rows(module.READS, rng, 200)).value
    collapsed = ask(name, real, 0.7 * _around_one(rows(module.READS, rng, 200, classes=1))).value
    if module.COLLAPSE == "higher":
        assert collapsed > whole
    else:
        assert collapsed < whole


def _around_one(values):
    """The rows with their mean scaled so that a later factor of 0.7 leaves it in place."""
    mean = values.mean(axis=0)
    return (values - mean) + mean / 0.7


def test_too_few_rows_says_how_many(name, pair):
    """Two rows on one side are too few, on the side that the metric needs more of."""
    lines = []
    for fewer in ((pair[0][:2], pair[1]), (pair[0], pair[1][:2])):
        try:
            ask(name, *fewer)
        except InputError as error:
            lines.append(str(error))
    assert lines
    for line in lines:
        assert re.search(rf"has 2 rows; {name} needs at least \d+", line)


@pytest.mark.parametrize(
    "bad", [np.nan, *(pytest.param(bad, marks=pytest.mark.slow) for bad in (np.inf, -np.inf))]
)
def test_not_finite_is_refused(name, pair, bad):
    broken = pair[1].copy()
    broken[17, 3] = bad
    with pytest.raises(
        InputError, match=r"fake_\w+ holds NaN or infinite .*first: row 17"
    ) as error:
        ask(name, pair[0], broken)
    assert "\n" not in str(error.value)


def test_settings_are_recorded_and_unknown_ones_refused(name, pair, result):
    with pytest.raises(InputError, match=f"unknown setting of {name} 'nonsense'"):
        ask(name, *pair, settings={name: {"nonsense": 1}})
    assert isinstance(result.settings, dict)


def test_the_same_seed_gives_the_same_estimate(name, pair, result):
    """The other estimate was made at another time; its seed was the default, 0."""
    assert ask(name, *pair, seed=0) == result

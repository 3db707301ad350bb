"""Inputs that break programs of this kind, on every metric: the right answer or one clear line.

test_every_metric.py covers well-behaved rows; this file covers the others.
"""

import itertools
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from evaluation import InputError, measure, metrics

# Each of these has the arithmetic of another metric: sfid of fid, recall of precision, and so on.
TWINS = {"sfid", "recall", "r_cover", "probabilistic_recall", "prd_precision"}
ALL = [
    pytest.param(name, marks=pytest.mark.slow) if name in TWINS else name
    for name in metrics.names()
]
# How the value scales with the rows: with their first or second power, or not at all. Of distances
# alone are those that shifts and rotations do not change either.
BY_SCALE = {"fid": 2, "sfid": 2, "mifid": 2, "rarity": 1}
OF_RANKS = {
    *("precision", "recall", "density", "coverage", "clipped_density", "clipped_coverage"),
    *("p_cover", "r_cover", "probabilistic_precision", "probabilistic_recall", "realism"),
    *("authenticity", "c_t"),
}
OF_DISTANCES = (OF_RANKS - {"c_t"}) | {"fid", "sfid", "rarity"}  # k-means starts along the axes
# Halves drawn at random depend on the rows: of these the plain value alone has an exact symmetry.
PLAIN = {name: {name: {"estimator": "plain"}} for name in ("fid", "sfid", "mifid")}
UNBOUNDED = {"realism", "support", "mode_kl", "rarity"}  # where inf is an answer


def quick(examples, **options):
    """Hypothesis without a clock, the same examples every time."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
        **options,
    )


listed = quick(1, phases=[Phase.explicit])  # the listed examples alone: the short run


def ask(name, real, fake, train=None, **options):
    """One metric of rows of the kind that it reads."""
    module = metrics.load(name)
    inputs = {f"real_{module.READS}": real, f"fake_{module.READS}": fake}
    if "train" in module.NEEDS:
        inputs[f"train_{module.READS}"] = train
    return measure(metrics=name, **inputs, **options)[name]


def answer(name, *rows, **options):
    """The estimate, which holds no NaN but for bounds that are left out, or the line of refusal."""
    try:
        result = ask(name, *rows, **options)
    except InputError as error:
        assert "\n" not in str(error)
        return str(error)
    assert not np.isnan(result.value)
    assert np.isfinite(result.value) or name in UNBOUNDED
    if result.has_interval:
        assert result.low <= result.value <= result.high
    return result


def same(name, result, other, rel=1e-9):
    """Two answers agree: in value and bounds, or in the line but for the number of a row."""
    if isinstance(result, str) or isinstance(other, str):
        assert re.sub(r"row \d+", "row", str(result)) == re.sub(r"row \d+", "row", str(other))
        return
    scale = max(abs(result.value), abs(other.value), 1e-12)
    if np.isfinite(scale):
        assert other.value == pytest.approx(result.value, abs=rel * scale)
    else:
        assert other.value == result.value
    if np.isfinite([result.low, result.high]).all():
        scale = max(scale, result.high - result.low)
        assert other.low == pytest.approx(result.low, abs=1e-5 * scale)
        assert other.high == pytest.approx(result.high, abs=1e-5 * scale)


def of(names):
    """The cases of these metrics."""
    return [case for case in ALL if (case if isinstance(case, str) else case.values[0]) in names]


@pytest.fixture(params=ALL)
def name(request):
    return request.param


def lattice(rng, n, d):
    return rng.integers(0, 3, (n, d)) / 2


def clusters(rng, n, d):
    return 8.0 * rng.integers(0, 2, (n, 1)) + rng.standard_normal((n, d)) / 8


def heavy(rng, n, d):
    return rng.standard_t(2, (n, d))


def repeated(rng, n, d):
    """Every row four times or so, as a folder with duplicates gives them."""
    return rng.standard_normal((n // 4 + 1, d))[rng.integers(0, n // 4 + 1, n)]


def offset(rng, n, d):
    return 1000.0 + rng.standard_normal((n, d))


LAWS = (lattice, clusters, heavy, repeated, offset)


SAMPLES = {
    "law": st.sampled_from(LAWS),
    "seed": st.integers(0, 10_000),
    "d": st.sampled_from([2, 3, 7, 90]),
}


def samples(law, seed, d):
    """Real, generated and training rows of one law, of few or many columns."""
    rng = np.random.default_rng(seed)
    return tuple(law(rng, n, d) for n in (70, 65, 80))


@listed
@given(**SAMPLES)
@example(law=repeated, seed=1, d=90)
@example(law=lattice, seed=2, d=3)
def test_row_order_never_matters(name, law, seed, d):
    """Also with ties, copies, heavy tails and fewer rows than columns. Training rows move, too."""
    rows, rng = samples(law, seed, d), np.random.default_rng(seed + 1)
    # With fewer rows than columns, FID adds roots of eigenvalues that are 0 but for rounding.
    rel = 1e-7 if name in PLAIN and d > len(rows[1]) else 1e-9
    same(name, answer(name, *rows), answer(name, *(rng.permutation(x) for x in rows)), rel)


@pytest.mark.slow
@quick(5)
@given(**SAMPLES)
def test_row_order_never_matters_in_any_law(name, law, seed, d):
    test_row_order_never_matters.hypothesis.inner_test(name, law, seed, d)


@listed
@given(**SAMPLES, cut=st.integers(1, 60))
@example(law=heavy, seed=3, d=7, cut=20)
def test_blocks_mapped_files_and_layouts_are_the_same_rows(name, law, seed, d, cut, tmp_path):
    """Not a bit differs: float32 from a file, from an iterator, transposed, and every other row."""
    rows = [x.astype(np.float32) for x in samples(law, seed, d)]
    result = answer(name, *rows)
    numbers = itertools.count()

    def mapped(x):
        path = tmp_path / f"{next(numbers)}.npy"
        np.save(path, x)
        return np.load(path, mmap_mode="r")

    def thinned(x):
        return np.repeat(x, 2, axis=0)[::2]

    for form in (mapped, np.asfortranarray, thinned, lambda x: iter([x[:cut], x[cut:]])):
        other = answer(name, *(form(x) for x in rows))
        assert other == result or (np.isnan(other.low) and other.value == result.value)


@pytest.mark.slow
@quick(3)
@given(**SAMPLES, cut=st.integers(1, 60))
def test_blocks_and_layouts_in_any_law(name, law, seed, d, cut, tmp_path):
    inner = test_blocks_mapped_files_and_layouts_are_the_same_rows.hypothesis.inner_test
    inner(name, law, seed, d, cut, tmp_path)


@pytest.mark.parametrize("name", of({*BY_SCALE, *OF_RANKS}))
@listed
@given(**SAMPLES, power=st.sampled_from([-20, 7]))
@example(law=clusters, seed=4, d=2, power=-20)
@example(law=offset, seed=5, d=90, power=7)
def test_scale(name, law, seed, d, power):
    """A factor of 2^k rounds nothing, so that what does not depend on the scale stays exactly."""
    rows = samples(law, seed, d)
    result, other = (
        answer(name, *(factor * x for x in rows), settings=PLAIN.get(name))
        for factor in (1.0, 2.0**power)
    )
    if isinstance(result, str) or isinstance(other, str):
        assert result == other
    else:
        factor = 2.0 ** (power * BY_SCALE.get(name, 0))
        assert other.value == pytest.approx(factor * result.value, rel=1e-8, abs=1e-8 * factor)


@pytest.mark.slow
@pytest.mark.parametrize("name", of({*BY_SCALE, *OF_RANKS}))
@quick(3)
@given(**SAMPLES, power=st.sampled_from([-20, 7]))
def test_scale_in_any_law(name, law, seed, d, power):
    test_scale.hypothesis.inner_test(name, law, seed, d, power)


@pytest.mark.parametrize("name", of(OF_DISTANCES))
@quick(3)
@given(seed=st.integers(0, 10_000), d=st.sampled_from([2, 5]))
def test_rotation_and_shift(name, seed, d):
    """Distances between rows stay, and with them all that is made of distances alone."""
    rng = np.random.default_rng(seed)
    rows = [rng.standard_normal((n, d)) for n in (70, 65, 80)]
    turned = np.linalg.qr(rng.standard_normal((d, d)))[0]
    result, other = (
        answer(name, *form, settings=PLAIN.get(name))
        for form in (rows, [x @ turned + 3.0 for x in rows])
    )
    assert other.value == pytest.approx(result.value, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("name", of(OF_DISTANCES))
@quick(3)
@given(seed=st.integers(0, 10_000), level=st.sampled_from([0.0, 5.0, -300.0]))
def test_constant_columns_change_nothing_that_is_made_of_distances(name, seed, level):
    rng = np.random.default_rng(seed)
    rows = [rng.standard_normal((n, 3)) for n in (70, 65, 80)]
    wider = [np.hstack([x, np.full((len(x), 2), level)]) for x in rows]
    result, other = (answer(name, *form, settings=PLAIN.get(name)) for form in (rows, wider))
    assert other.value == pytest.approx(result.value, rel=1e-7, abs=1e-9)


def one_mode(rng, n, d):
    """A generator that has collapsed to one image."""
    return np.tile(rng.standard_normal((1, d)), (n, 1))


def ordinary(rng, n, d):
    return rng.standard_normal((n, d))


def zeros(rng, n, d):
    return np.zeros((n, d))


def two_values(rng, n, d):
    return np.repeat(rng.integers(0, 2, (n, 1)), d, axis=1).astype(float)


def outlier(rng, n, d):
    rows = rng.standard_normal((n, d))
    rows[0] = 1e8
    return rows


def tiny(rng, n, d):
    return 1e-12 * rng.standard_normal((n, d))


def huge(rng, n, d):
    return 1e19 * rng.standard_normal((n, d))


DEGENERATE = (one_mode, zeros, two_values, outlier, tiny, huge, ordinary)


def check_degenerate(name, pairs):
    """Each of `pairs` is the law of the real rows, that of the generated rows, and the columns."""
    for real, fake, d in pairs:
        rng = np.random.default_rng(0)
        answer(name, real(rng, 70, d), fake(rng, 66, d), ordinary(rng, 80, d))


@pytest.mark.parametrize("law", DEGENERATE)
def test_degenerate_rows_get_an_answer_or_one_line(name, law):
    """No warning, no NaN, no other exception; on either side and on both.

    100 columns are more than rows.
    """
    check_degenerate(name, [(law, law, 2), (law, ordinary, 100), (ordinary, law, 2)])


@pytest.mark.slow
@pytest.mark.parametrize("real", DEGENERATE)
def test_every_pair_of_degenerate_rows_gets_an_answer_or_one_line(name, real):
    check_degenerate(name, itertools.product([real], DEGENERATE, (2, 100)))


def test_one_column(name):
    """Logits of one class are refused by those that need two."""
    rng = np.random.default_rng(1)
    result = answer(name, *(ordinary(rng, n, 1) for n in (70, 66, 80)))
    assert isinstance(result, str) == (metrics.load(name).READS == "logits")


TRAINED = [name for name in metrics.names() if "train" in metrics.load(name).NEEDS]


@pytest.mark.parametrize("name", of(TRAINED))
def test_training_rows_that_are_all_alike(name):
    rng = np.random.default_rng(2)
    rows = ordinary(rng, 70, 3), ordinary(rng, 66, 3)
    for law in (one_mode, zeros, two_values):
        answer(name, *rows, law(rng, 80, 3))


def test_rows_given_thrice_are_no_samples_but_get_an_answer(name):
    """Real, generated and training rows are the same array."""
    rows = ordinary(np.random.default_rng(3), 70, 3)
    answer(name, rows, rows, rows)


@pytest.mark.parametrize(
    "bad", [np.nan, *(pytest.param(bad, marks=pytest.mark.slow) for bad in (np.inf, -np.inf))]
)
def test_numbers_that_are_not_finite_are_refused_on_every_side(name, bad):
    for side in metrics.load(name).NEEDS:
        check_refused(name, side, bad)


def check_refused(name, side, bad):
    rng = np.random.default_rng(4)
    rows = {key: ordinary(rng, 70, 3).astype(np.float32) for key in ("real", "fake", "train")}
    rows[side][5, 1] = bad
    line = answer(name, *rows.values())
    assert "holds NaN or infinite numbers in 1 of 70 rows (first: row 5)" in line
    assert line.startswith(side)


@pytest.mark.parametrize("count", [0, 1])
def test_no_rows_and_one_row_are_refused(name, count):
    """On some side: of one real row a metric that has balls around the others can make use."""
    rng = np.random.default_rng(5)
    rows = {key: ordinary(rng, 70, 3) for key in ("real", "fake", "train")}
    needs = metrics.load(name).NEEDS
    lines = [answer(name, *(rows | {side: rows[side][:count]}).values()) for side in needs]
    refused = [line for line in lines if isinstance(line, str)]
    assert refused
    if count == 0:
        assert len(refused) == len(needs)
        assert all("must not be empty" in line for line in refused)


def test_sides_of_different_width_are_refused(name):
    needs = metrics.load(name).NEEDS
    if len(needs) == 1:
        return
    rng = np.random.default_rng(6)
    rows = {key: ordinary(rng, 70, 3) for key in ("real", "fake", "train")}
    for side in needs:
        line = answer(name, *(rows | {side: ordinary(rng, 70, 4)}).values())
        assert "columns" in line
        assert "they must agree" in line

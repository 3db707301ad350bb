"""Inputs that break programs of this kind, on every metric: the right answer or one clear line.

test_every_metric.py covers well-behaved rows; this file covers the others.
"""

import itertools
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation import InputError, measure, metrics

ALL = metrics.names()
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


def quick(examples):
    """Hypothesis without a clock, the same examples every time."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


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


@quick(5)
@given(**SAMPLES)
def test_row_order_never_matters(name, law, seed, d):
    """Also with ties, copies, heavy tails and fewer rows than columns. Training rows move, too."""
    rows, rng = samples(law, seed, d), np.random.default_rng(seed + 1)
    # With fewer rows than columns, FID adds roots of eigenvalues that are 0 but for rounding.
    rel = 1e-7 if name in PLAIN and d > len(rows[1]) else 1e-9
    same(name, answer(name, *rows), answer(name, *(rng.permutation(x) for x in rows)), rel)


@quick(3)
@given(**SAMPLES, cut=st.integers(1, 60))
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


@quick(3)
@given(**SAMPLES, power=st.sampled_from([-20, 7]))
def test_scale(name, law, seed, d, power):
    """A factor of 2^k rounds nothing, so that what does not depend on the scale stays exactly."""
    if name not in BY_SCALE and name not in OF_RANKS:
        return
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


@quick(3)
@given(seed=st.integers(0, 10_000), d=st.sampled_from([2, 5]))
def test_rotation_and_shift(name, seed, d):
    """Distances between rows stay, and with them all that is made of distances alone."""
    if name not in OF_DISTANCES:
        return
    rng = np.random.default_rng(seed)
    rows = [rng.standard_normal((n, d)) for n in (70, 65, 80)]
    turned = np.linalg.qr(rng.standard_normal((d, d)))[0]
    result, other = (
        answer(name, *form, settings=PLAIN.get(name))
        for form in (rows, [x @ turned + 3.0 for x in rows])
    )
    assert other.value == pytest.approx(result.value, rel=1e-7, abs=1e-9)


@quick(3)
@given(seed=st.integers(0, 10_000), level=st.sampled_from([0.0, 5.0, -300.0]))
def test_constant_columns_change_nothing_that_is_made_of_distances(name, seed, level):
    if name not in OF_DISTANCES:
        return
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


@pytest.mark.parametrize("real", DEGENERATE)
def test_degenerate_rows_get_an_answer_or_one_line(name, real):
    """No warning, no NaN, no other exception; also with fewer rows than columns."""
    for fake, d in itertools.product(DEGENERATE, (2, 100)):
        rng = np.random.default_rng(0)
        answer(name, real(rng, 70, d), fake(rng, 66, d), ordinary(rng, 80, d))


def test_one_column(name):
    """Logits of one class are refused by those that need two."""
    rng = np.random.default_rng(1)
    result = answer(name, *(ordinary(rng, n, 1) for n in (70, 66, 80)))
    assert isinstance(result, str) == (metrics.load(name).READS == "logits")


def test_training_rows_that_are_all_alike(name):
    if "train" not in metrics.load(name).NEEDS:
        return
    rng = np.random.default_rng(2)
    rows = ordinary(rng, 70, 3), ordinary(rng, 66, 3)
    for law in (one_mode, zeros, two_values):
        answer(name, *rows, law(rng, 80, 3))


def test_rows_given_thrice_are_no_samples_but_get_an_answer(name):
    """Real, generated and training rows are the same array."""
    rows = ordinary(np.random.default_rng(3), 70, 3)
    answer(name, rows, rows, rows)


@pytest.mark.parametrize("side", ["real", "fake", "train"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_on_every_side(name, side, bad):
    needs = metrics.load(name).NEEDS
    if side not in needs:
        return
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

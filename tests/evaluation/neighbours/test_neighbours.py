"""The pass over all distances against tables of differences: exact, whatever the tiles and ties."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import InputError, measure, metrics, protocols
from evaluation.core.nearest import nearest
from evaluation.core.pair import Pair
from evaluation.neighbours import closest, distances
from evaluation.neighbours.one_pass import Neighbours
from evaluation.neighbours.soft_balls import soft_product

NEIGHBOURS = 5


def table(x, y):
    """All squared distances in float64, from differences."""
    return np.stack([np.square(row - y.astype(float)).sum(axis=1) for row in x.astype(float)])


def own_table(x):
    result = table(x, x)
    np.fill_diagonal(result, np.inf)
    return result


def nearest_in(distances2, k):
    order = np.argsort(distances2, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(distances2, order, axis=1)


def check(real, fake, plan_ks=(3, 5)):
    """Every answer of `Neighbours` is the table's, to the last bit."""
    result = Neighbours(real, fake)
    own = {"real": own_table(real), "fake": own_table(fake)}
    cross = {"real": table(real, fake)}
    cross["fake"] = cross["real"].T
    for side in ("real", "fake"):
        for got, expected in zip(result.same(side, 5), nearest_in(own[side], 5), strict=True):
            np.testing.assert_array_equal(got, expected)
        for got, expected in zip(result.across(side, 5), nearest_in(cross[side], 5), strict=True):
            np.testing.assert_array_equal(got, expected)
        for k, clipped in itertools.product(plan_ks, (False, True)):
            radius2 = np.sort(own[side], axis=1)[:, k - 1, None]
            if clipped:
                radius2 = np.minimum(radius2, np.median(np.sqrt(radius2)) ** 2)
            for closed in (False, True):
                inside = cross[side] <= radius2 if closed else cross[side] < radius2
                balls = result.balls(side, k, closed, clipped)
                np.testing.assert_array_equal(balls.per_point, inside.sum(axis=0))
                least = np.sqrt(np.where(inside, radius2, np.inf).min(axis=0))
                np.testing.assert_allclose(balls.smallest, least, rtol=1e-15)
    radius2 = np.sort(own["real"], axis=1)[:, 2]
    half = (radius2 <= np.median(radius2)) & (radius2 > 0)
    with np.errstate(divide="ignore"):
        ratio2 = radius2[half, None] / cross["real"][half]
    expected = np.sqrt(ratio2.max(axis=0, initial=0.0))
    np.testing.assert_allclose(result.largest_ratio(3), expected, rtol=1e-14)


def copies(x, y):
    x[:40], y[:30], y[30:40] = x[0], x[0], y[30]
    return x, y


CASES = {
    "normal": lambda x, y: (x, 0.8 * y + 0.3),
    "float32": lambda x, y: (x.astype(np.float32), y.astype(np.float32)),
    "mixed": lambda x, y: (x.astype(np.float32), y),
    "offset": lambda x, y: (x + 1e6, y + 1e6),
    "copies": copies,
    "zeros": lambda x, y: (0.0 * x, 0.0 * y),
    "lattice": lambda x, y: (np.round(x) / 4 + 1000, np.round(y) / 4 + 1000),
    "outliers": lambda x, y: (np.r_[x, x[:1] + 1e9], np.r_[y, y[:1] - 1e8]),
    "clusters": lambda x, y: (np.r_[x, x + 1e5], np.r_[y, y - 1e4]),
    "huge": lambda x, y: (1e19 * x, 1e19 * y),
    "small": lambda x, y: (1e-60 * x, 1e-60 * y),
}


@pytest.mark.parametrize("tile", [(1024, 2048), (16, 16), (7, 30), (40, 9)])
@pytest.mark.parametrize("case", CASES)
def test_exact_whatever_the_tiles(case, tile, monkeypatch):
    monkeypatch.setattr(distances, "TILE_ROWS", tile[0])
    monkeypatch.setattr(distances, "TILE_COLUMNS", tile[1])
    monkeypatch.setattr(closest, "AT_ONCE", 500)
    monkeypatch.setattr(closest, "SEED_COLUMNS", 8)
    rng = np.random.default_rng(0)
    for width in (1, 20):
        check(*CASES[case](rng.standard_normal((90, width)), rng.standard_normal((80, width))))


def test_many_candidates_are_made_exact_on_the_way(monkeypatch):
    monkeypatch.setattr(closest, "AT_ONCE", 100)
    monkeypatch.setattr(closest, "ROOM", 200)
    x, y = np.random.default_rng(0).integers(0, 3, (2, 80, 2)).astype(float)
    check(x, y)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    width=st.integers(1, 6),
    levels=st.integers(1, 5),
    scale=st.sampled_from([1.0, 1e-3, 1e10]),
    shift=st.sampled_from([0.0, 1000.0]),
)
def test_ties_on_a_lattice(seed, width, levels, scale, shift):
    """Whole numbers tie everywhere; what counts must not depend on how a product rounds."""
    rng = np.random.default_rng(seed)
    rows = [rng.integers(0, levels, (n, width)) * scale + shift for n in (30, 25)]
    check(*rows)


def test_lower_bounds_are_below_and_no_farther_than_the_slack():
    """The error that is granted to a product holds, and is not much too wide."""
    rng = np.random.default_rng(1)
    rows = rng.exponential(size=(60, 300)) * 10.0 ** rng.integers(-3, 3, (60, 1))
    for dtype in (np.float32, np.float64):
        points = distances.prepare(rows, dtype=dtype)[0]
        (_, _, tile), *_ = distances.tiles(points, points)
        truth = own_table(rows) * points.scale
        off = ~np.eye(60, dtype=bool)
        tolerance = (points.tolerance[:, None] + points.tolerance)[off]
        assert (tile[off] <= truth[off]).all()
        assert (truth[off] <= tile[off] + tolerance).all()
        assert tolerance.max() < 1000 * np.finfo(dtype).eps


def test_products_are_made_in_float64_where_float32_says_too_little():
    rng = np.random.default_rng(2)
    near = rng.standard_normal((100, 20))
    far = np.r_[near, near[:1] + 1e9]
    for rows, dtype in ((near, np.float32), (near + 1e6, np.float32), (far, np.float64)):
        assert Neighbours(rows, rows)._points["real"].centred.dtype == dtype


def test_one_pass_answers_all_of_the_plan(monkeypatch):
    passes = []
    plain = Neighbours._pass
    monkeypatch.setattr(Neighbours, "_pass", lambda *a: (passes.append(a), plain(*a)))
    real, fake = np.random.default_rng(3).standard_normal((2, 60, 4))
    plan = [("balls", "real", 3, False), ("balls", "real", 5, True), ("balls", "fake", 5, False)]
    plan += [("across", "real", 5), ("across", "fake", 6), ("ratio", 3)]
    result = Neighbours(real, fake, plan)
    for closed in (False, True):
        result.balls("real", 3, closed)
        result.balls("real", 5, closed, clipped=True)
        result.balls("fake", 5, closed)
    result.rows_in_balls("real", 5, True, 4)
    result.across("fake", 2)
    result.largest_ratio(3)
    assert len(passes) == 1
    expected = (table(real, fake) <= np.sort(own_table(real), axis=1)[:, 10:11]).sum(axis=0)
    assert (result.balls("real", 11, True).per_point == expected).all()
    assert result.across("real", 60)[0].shape == (60, 60)
    assert len(passes) == 3


@pytest.mark.parametrize("protocol", ["default", "prdc"])
def test_all_metrics_share_one_pass(monkeypatch, protocol):
    """Whatever their settings are; and one side's own distances are not made if none asks."""
    passes, same = [], []
    plain, alike = Neighbours._pass, Neighbours.same
    monkeypatch.setattr(Neighbours, "_pass", lambda *a: (passes.append(a), plain(*a)))
    monkeypatch.setattr(Neighbours, "same", lambda *a: (same.append(a[1]), alike(*a))[1])
    real, fake = np.random.default_rng(4).standard_normal((2, 60, 4))
    able = protocols.defined(protocol)
    names = [name for name in metrics.names() if hasattr(metrics.load(name), "neighbour_requests")]
    assert len(names) >= 10
    measure(real, fake, [name for name in names if name in able], protocol=protocol)
    assert len(passes) == 1
    same.clear()
    measure(real, fake, "precision", protocol=protocol)
    assert set(same) == {"real"}


def test_what_balls_hold():
    real = np.array([[0.0], [1.0], [10.0], [11.0]])
    fake = np.array([[0.1], [0.2], [10.5], [10.6], [10.7], [99.0]])
    result = Neighbours(real, fake)
    counts, members = result.rows_in_balls("real", 1, True, 3)
    assert counts.tolist() == [2, 2, 3, 3]
    assert members[:2, :2].tolist() == [[0, 1], [1, 0]]
    assert members[2:].tolist() == [[2, 3, 4], [2, 3, 4]] or members[3].tolist() == [4, 3, 2]
    assert result.balls("real", 1, True).per_point.tolist() == [2, 2, 2, 2, 2, 0]


@pytest.mark.parametrize("case", ["normal", "offset", "copies", "clusters"])
def test_product_of_distances(case, monkeypatch):
    monkeypatch.setattr("evaluation.neighbours.soft_balls.BLOCK_ROWS", 13)
    x, y = CASES[case](*np.random.default_rng(4).standard_normal((2, 90, 3)))
    radius = 1.3
    with np.errstate(divide="ignore"):
        expected = np.minimum(np.sqrt(table(x, y)) / radius, 1.0).prod(axis=0)
    np.testing.assert_allclose(soft_product(x, y, radius), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("k", [1, 4])
def test_nearest_is_that_of_a_table(k):
    x = np.random.default_rng(5).integers(0, 4, (70, 3))
    y = np.random.default_rng(6).integers(0, 4, (50, 3))
    index, distance = nearest(x.astype(np.float16), y, k)
    expected = nearest_in(table(y, x), k)
    np.testing.assert_array_equal(index, expected[0])
    np.testing.assert_array_equal(distance, np.sqrt(expected[1]))
    index, distance = nearest(x, k=k)
    expected = nearest_in(own_table(x), k)
    np.testing.assert_array_equal(index, expected[0])
    np.testing.assert_array_equal(distance, np.sqrt(expected[1]))


def test_nearest_reads_mapped_files(tmp_path):
    rows = np.random.default_rng(7).standard_normal((200, 6)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    np.testing.assert_array_equal(nearest(mapped, mapped[::2])[0][:, 0], np.arange(0, 200, 2))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            (np.ones((5, 2)), np.ones((5, 3))),
            "rows has 3 columns and reference 2; they must agree: take",
        ),
        ((np.ones((5, 2)), np.ones((5, 2)), 6), "reference has 5 rows; k=6 needs at least 6"),
        ((np.ones((5, 2)), None, 5), "reference has 5 rows; k=5 needs at least 6"),
        ((np.ones((5, 2)), np.ones((5, 2)), 0), "k=0; it must be a whole number, 1 or more"),
        ((np.ones((5, 2)), [[np.nan, 1.0]]), "rows holds NaN"),
        ((np.ones(5), np.ones((5, 2))), "reference has shape"),
    ],
)
def test_nearest_refuses(arguments, line):
    with pytest.raises(InputError, match=line):
        nearest(*arguments)


def test_dependent_counts_copies_of_any_dtype():
    rows = np.random.default_rng(8).standard_normal((40, 3)).astype(np.float32)
    other = np.random.default_rng(9).standard_normal((40, 3))
    assert Pair(rows, rows.astype(np.float64)[::-1]).dependent
    assert Pair(np.array([[0.0], [1.0]]), np.array([[-0.0], [2.0], [1.0]])).dependent
    assert not Pair(rows, np.r_[rows[:20], other]).dependent
    assert not Pair(rows, other).dependent

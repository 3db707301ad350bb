"""Precision, recall, density and coverage against a direct count, ties and copies included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import InputError, measure, neighbours
from evaluation.metrics.coverage import expected_at_equal_laws
from evaluation.neighbours import Neighbours

NAMES = ("precision", "recall", "density", "coverage")


def direct(real, fake, k, closed):
    """The four metrics as their papers define them, with all distances held at once."""

    def inside(centres, points):
        own = np.square(centres[:, None] - centres[None]).sum(axis=2).astype(float)
        np.fill_diagonal(own, np.inf)
        radius = np.sort(own, axis=1)[:, k - 1, None]
        cross = np.square(centres[:, None] - points[None]).sum(axis=2)
        return cross <= radius if closed else cross < radius

    around_real, around_fake = inside(real, fake), inside(fake, real)
    return {
        "precision": around_real.any(axis=0).mean(),
        "recall": around_fake.any(axis=0).mean(),
        "density": around_real.sum() / (k * len(fake)),
        "coverage": around_real.any(axis=1).mean(),
    }


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("closed", [True, False])
def test_against_direct_count(k, closed, monkeypatch):
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((150, 5)), 0.8 * rng.standard_normal((130, 5)) + 0.3
    expected = direct(real, fake, k, closed)
    chosen = {name: {"k": k, "closed": closed} for name in NAMES}
    for entries in (neighbours.BLOCK_ENTRIES, 1000):  # one block, and many
        monkeypatch.setattr(neighbours, "BLOCK_ENTRIES", entries)
        found = measure(real, fake, NAMES, settings=chosen)
        assert {name: found[name].value for name in NAMES} == pytest.approx(expected, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 4), width=st.integers(2, 5))
def test_ties_on_a_lattice(seed, k, width):
    """Whole numbers tie everywhere; the count must not depend on how a product rounds."""
    rng = np.random.default_rng(seed)
    real, fake = rng.integers(0, width, (30, 3)), rng.integers(0, width, (25, 3))
    closed = {name: {"k": k, "closed": True} for name in ("precision", "recall", "coverage")}
    found = measure(real / 4 + 1000, fake / 4 + 1000, tuple(closed), settings=closed)
    expected = direct(real, fake, k, True)
    assert {n: found[n].value for n in closed} == pytest.approx({n: expected[n] for n in closed})


def test_members_of_balls_with_few_points():
    real = np.array([[0.0], [1.0], [10.0], [11.0]])
    fake = np.array([[0.1], [0.2], [10.5], [10.6], [10.7], [99.0]])
    found = Neighbours(real, fake).balls("real", 1, True)
    assert found.per_ball.tolist() == [2, 2, 3, 3]
    assert found.per_point.tolist() == [2, 2, 2, 2, 2, 0]
    assert found.members.tolist() == [[0, 1, -1], [0, 1, -1], [2, 3, 4], [2, 3, 4]]


def test_swapped_arguments_swap_precision_and_recall():
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((100, 4)), rng.standard_normal((90, 4)) + 1
    forth, back = measure(a, b, NAMES), measure(b, a, NAMES)
    assert forth["precision"].value == back["recall"].value != forth["recall"].value


def test_disjoint_and_copied_sets():
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((60, 3))
    apart, same = measure(rows, rows + 100, NAMES), measure(rows, rows.copy(), NAMES)
    assert [apart[name].value for name in NAMES] == [0.0, 0.0, 0.0, 0.0]
    assert [same[name].value for name in NAMES] == [1.0, 1.0, pytest.approx(1.2), 1.0]
    assert apart["density"].high > 0.0  # nothing seen in 60 rows is not certainty
    one_point = measure(rows, np.tile(rows[:1], (60, 1)), "density")["density"]
    assert one_point.low < one_point.value < one_point.high


def test_copies_inside_one_set():
    """All rows equal: a closed ball of radius 0 holds its copies; density has no scale to go by."""
    real, fake = np.ones((30, 2)), np.ones((40, 2))
    found = measure(real, fake, ("precision", "recall", "coverage"))
    assert [e.value for e in found.values()] == [1.0, 1.0, 1.0]
    with pytest.raises(InputError, match="30 rows with 5 or more exact copies"):
        measure(real, fake, "density")
    with pytest.raises(InputError, match="remove the copies"):
        measure(real, fake, "coverage", protocol="prdc")


def test_expected_coverage_and_density_at_equal_laws():
    """E coverage = 1 - prod (n-1-j)/(n+m-1-j) and E density = 1, over 200 draws."""
    n, m, k, draws = 100, 80, 5, 200
    assert expected_at_equal_laws(n, n, k) == pytest.approx(1 - 2.0**-k, abs=0.003)
    values = []
    for draw in range(draws):
        rng = np.random.default_rng([3, draw])
        rows = [rng.exponential(size=(size, 3)) for size in (n, m)]
        found = measure(*rows, ("coverage", "density"))
        values.append([found["coverage"].value, found["density"].value])
    mean, error = np.mean(values, axis=0), np.std(values, axis=0, ddof=1) / np.sqrt(draws)
    assert mean[0] == pytest.approx(expected_at_equal_laws(n, m, k), abs=4 * error[0])
    assert mean[1] == pytest.approx(1.0, abs=4 * error[1])

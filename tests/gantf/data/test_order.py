"""The order of the images: permutations in which every bit of seed and epoch counts."""

import numpy as np
import pytest
from scipy import stats

from gantf.data import order

COUNTS = (1, 2, 3, 4, 5, 12, 17, 100, 1437, 65_536, 65_537, 1_000_003)
TINY = 1e-5  # the least p-value; the seeds are fixed


@pytest.mark.parametrize("count", COUNTS)
def test_it_is_a_permutation(count):
    for seed, epoch in ((0, 0), (3, 1), (2**31 - 1, 70_000), (2**63 + 5, 2**40)):
        found = order.permuted(np.arange(count), count, seed, epoch)
        np.testing.assert_array_equal(np.sort(found), np.arange(count))


def test_the_hash_is_splitmix64():
    """The first outputs for the state 1234567, as several implementations publish them."""
    states = np.array([(1234567 + n * order.GAMMA) % 2**64 for n in range(3)], np.uint64)
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert order._mixed(states).tolist() == expected


@pytest.mark.parametrize("name", ["epoch", "seed", "place"])
def test_no_two_of_many_are_alike(name):
    """The first 64 of 2,000 rows are equal by chance with a probability below 1e-200."""
    choice = {"seed": 0, "epoch": 0, "place": 0}
    starts = {
        order.permuted(np.arange(64), 2000, **(choice | {name: number})).tobytes()
        for number in range(2000)
    }
    assert len(starts) == 2000


@pytest.mark.parametrize("bit", range(63))
@pytest.mark.parametrize("name", ["epoch", "seed"])
def test_every_bit_counts(bit, name):
    """Two independent orders of 5,000 rows agree in one place on average."""
    base = order.permuted(np.arange(5000), 5000, 0, 0)
    other = order.permuted(np.arange(5000), 5000, **({"seed": 0, "epoch": 0} | {name: 1 << bit}))
    assert np.sum(base == other) <= 8


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8, 23, 100, 1437])
def test_places_are_uniform(count):
    """Over many epochs, the first, a middle and the last row come at each place equally often."""
    epochs = np.arange(40 * max(count, 50))
    for index in {0, count // 2, count - 1}:
        places = order.permuted(np.full(len(epochs), index), count, 5, epochs)
        assert stats.chisquare(np.bincount(places, minlength=count)).pvalue > TINY


@pytest.mark.parametrize("count", [3, 4, 5, 6])
def test_all_permutations_are_equally_frequent(count):
    """So few rows have n! orders that can be counted."""
    orders = int(np.prod(np.arange(1, count + 1)))
    epochs = np.repeat(np.arange(200 * orders), count)
    found = order.permuted(np.tile(np.arange(count), 200 * orders), count, 1, epochs)
    _, counts = np.unique(found.reshape(-1, count), axis=0, return_counts=True)
    assert len(counts) == orders
    assert stats.chisquare(counts).pvalue > TINY


def test_neighbours_are_torn_apart():
    """The distance of neighbours is uniform modulo n."""
    places = order.permuted(np.arange(65_536), 65_536, 2, 3)
    distances = np.diff(places) % 65_536
    assert stats.chisquare(np.bincount(distances // 256, minlength=256)).pvalue > TINY


@pytest.mark.parametrize("change", [{"epoch": 1}, {"seed": 3}, {"place": 1}])
def test_two_orders_are_independent(change):
    """A row's place in one order says nothing of the other: a table of 16 x 16 parts."""
    choice = {"seed": 2, "epoch": 0, "place": 0}
    first, second = (
        order.permuted(np.arange(65_536), 65_536, **options) // 4096
        for options in (choice, choice | change)
    )
    table = np.bincount(first * 16 + second, minlength=256).reshape(16, 16)
    assert stats.chi2_contingency(table).pvalue > TINY


@pytest.mark.parametrize(("count", "batch_size"), [(12, 4), (10, 4), (3, 8), (1, 4)])
def test_every_image_comes_exactly_once_in_an_epoch(count, batch_size):
    """Also where an epoch ends inside a batch, or a batch spans several epochs."""
    batches = [order.rows_of_batch(0, batch, batch_size, count) for batch in range(3 * count)]
    stream = np.concatenate(batches)
    for epoch in range(len(stream) // count):
        seen = stream[epoch * count : (epoch + 1) * count]
        np.testing.assert_array_equal(np.sort(seen), np.arange(count))
        np.testing.assert_array_equal(seen, order.permuted(np.arange(count), count, 0, epoch))

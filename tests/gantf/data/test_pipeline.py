"""Which images a step sees is a pure function of (seed, step)."""

import numpy as np
import pytest


def rows(tf, seed, batch, batch_size, count):
    from gantf.data import pipeline

    return pipeline.rows_of_batch(seed, tf.constant(batch, tf.int64), batch_size, count).numpy()


@pytest.mark.parametrize(("count", "batch_size"), [(12, 4), (10, 4), (3, 8), (1, 4)])
def test_every_image_comes_exactly_once_in_an_epoch(tf, count, batch_size):
    """Also where an epoch ends inside a batch, or a batch spans several epochs."""
    batches = [rows(tf, 0, batch, batch_size, count) for batch in range(3 * count)]
    stream = np.concatenate(batches)
    for epoch in range(len(stream) // count):
        seen = stream[epoch * count : (epoch + 1) * count]
        np.testing.assert_array_equal(np.sort(seen), np.arange(count))


def test_epochs_and_seeds_have_different_orders(tf):
    first, second = rows(tf, 0, 0, 100, 100), rows(tf, 0, 1, 100, 100)
    other = rows(tf, 1, 0, 100, 100)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(first, rows(tf, 0, 0, 100, 100))


def test_the_dataset_starts_at_any_batch_and_scales_to_minus_one_and_one(tf):
    from gantf.data import pipeline

    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1) * 25
    labels = np.arange(10)
    make = pipeline.make_dataset(
        ({"image": images, "label": labels},), seed=3, batch_size=4, first_batch=5
    )
    got = next(iter(make(tf.distribute.InputContext())))
    expected = rows(tf, 3, 5, 4, 10)
    np.testing.assert_array_equal(got["label"], expected)
    np.testing.assert_allclose(got["image"][:, 0, 0, 0], expected * 25 / 127.5 - 1, atol=1e-6)


def test_replicas_get_the_contiguous_parts_of_the_global_batch(tf):
    from gantf.data import pipeline

    images = np.zeros((10, 2, 2, 1), np.uint8)
    make = pipeline.make_dataset(
        ({"image": images, "label": np.arange(10)},), seed=0, batch_size=4, first_batch=1
    )
    context = tf.distribute.InputContext(num_replicas_in_sync=2)
    parts = [part["label"].numpy() for part in make(context).take(4)]
    np.testing.assert_array_equal(np.concatenate(parts[:2]), rows(tf, 0, 1, 4, 10))
    np.testing.assert_array_equal(np.concatenate(parts[2:]), rows(tf, 0, 2, 4, 10))


def test_two_input_pipelines_share_a_batch_without_overlap(tf):
    from gantf.data import pipeline

    images = np.zeros((10, 2, 2, 1), np.uint8)
    make = pipeline.make_dataset(({"image": images, "label": np.arange(10)},), seed=0, batch_size=8)
    parts = []
    for part in range(2):
        context = tf.distribute.InputContext(2, part, num_replicas_in_sync=4)
        parts += [batch["label"].numpy() for batch in make(context).take(2)]
    np.testing.assert_array_equal(np.concatenate(parts), rows(tf, 0, 0, 8, 10))


def test_an_array_too_large_for_the_graph_gives_the_same_batches(tf, monkeypatch):
    from gantf.data import pipeline

    images = np.random.default_rng(0).integers(0, 256, (20, 3, 3, 1), dtype=np.uint8)
    small = next(
        iter(pipeline.make_dataset(({"image": images},), 0, 6)(tf.distribute.InputContext()))
    )
    monkeypatch.setattr(pipeline, "IN_GRAPH_BYTES", 0)
    large = next(
        iter(pipeline.make_dataset(({"image": images},), 0, 6)(tf.distribute.InputContext()))
    )
    np.testing.assert_array_equal(small["image"], large["image"])


def test_two_sets_have_lengths_and_orders_of_their_own(tf):
    """Within one epoch of each set every row comes once; rows of one set stay together."""
    from gantf.data import pipeline

    first, second = np.arange(12), np.arange(8) + 100
    sets = ({"a": first, "a_twice": 2 * first}, {"b": second})
    make = pipeline.make_dataset(sets, seed=0, batch_size=4)
    got = list(make(tf.distribute.InputContext()).take(6))
    a, b = (np.concatenate([part[name] for part in got]) for name in "ab")
    np.testing.assert_array_equal(np.concatenate([p["a_twice"] for p in got]), 2 * a)
    for epoch in (a[:12], a[12:]):
        np.testing.assert_array_equal(np.sort(epoch), first)
    for epoch in (b[:8], b[8:16], b[16:]):
        np.testing.assert_array_equal(np.sort(epoch), second)
    same = pipeline.make_dataset(({"a": first}, {"b": first}), seed=0, batch_size=12)
    both = next(iter(same(tf.distribute.InputContext())))
    assert not np.array_equal(both["a"], both["b"])

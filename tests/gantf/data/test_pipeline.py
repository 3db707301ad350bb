"""Which images a step sees is a pure function of (seed, step)."""

import numpy as np
import pytest
from PIL import Image

from evaluation import OnDemand, load_images
from evaluation.sources import pictures
from gantf.data import order


def test_the_dataset_starts_at_any_batch_and_its_images_become_floats(tf):
    from gantf.data import pipeline

    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1) * 25
    labels = np.arange(10)
    make = pipeline.make_dataset(
        ({"image": images, "label": labels},), seed=3, batch_size=4, first_batch=5
    )
    batch = next(iter(make(tf.distribute.InputContext())))
    assert batch["image"].dtype == tf.uint8
    got = pipeline.as_floats(batch)
    expected = order.rows_of_batch(3, 5, 4, 10)
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
    np.testing.assert_array_equal(np.concatenate(parts[:2]), order.rows_of_batch(0, 1, 4, 10))
    np.testing.assert_array_equal(np.concatenate(parts[2:]), order.rows_of_batch(0, 2, 4, 10))


def test_two_input_pipelines_share_a_batch_without_overlap(tf):
    from gantf.data import pipeline

    images = np.zeros((10, 2, 2, 1), np.uint8)
    make = pipeline.make_dataset(({"image": images, "label": np.arange(10)},), seed=0, batch_size=8)
    parts = []
    for part in range(2):
        context = tf.distribute.InputContext(2, part, num_replicas_in_sync=4)
        parts += [batch["label"].numpy() for batch in make(context).take(2)]
    np.testing.assert_array_equal(np.concatenate(parts), order.rows_of_batch(0, 0, 8, 10))


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


@pytest.fixture
def folder(tmp_path):
    """Twelve images of 8 x 8 pixels, in two classes."""
    rng = np.random.default_rng(0)
    for number in range(12):
        path = tmp_path / "images" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    return tmp_path / "images"


def test_images_on_demand_give_the_same_batches(tf, folder, monkeypatch):
    from gantf.data import loading, pipeline

    def batches():
        data = loading.load(f"folder:{folder}", "labels")
        made = pipeline.make_dataset(data.sets, seed=3, batch_size=5, first_batch=2)
        return list(made(tf.distribute.InputContext()).take(7).as_numpy_iterator())

    held = batches()
    monkeypatch.setattr(pictures, "HELD_BYTES", 0)
    assert isinstance(loading.load(f"folder:{folder}", "labels").images, OnDemand)
    for one, other in zip(held, batches(), strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            np.testing.assert_array_equal(other[name], value)


def test_a_damaged_image_is_named_where_it_is_met(tf, folder, monkeypatch):
    """The batches before it are whole."""
    from gantf.data import loading, pipeline

    monkeypatch.setattr(pictures, "HELD_BYTES", 0)
    data = loading.load(f"folder:{folder}", "images")
    (row,) = order.rows_of_batch(3, 6, 1, 12)
    damaged = folder / load_images(f"folder:{folder}").files[row]
    damaged.write_bytes(damaged.read_bytes()[:-40])
    made = pipeline.make_dataset(data.sets, seed=3, batch_size=1)
    batches = iter(made(tf.distribute.InputContext()))
    for _ in range(6):
        next(batches)
    with pytest.raises(Exception, match=f"{damaged.name} cannot be decoded"):
        next(batches)

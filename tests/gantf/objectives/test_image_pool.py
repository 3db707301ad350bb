"""The pool of earlier fakes, against its published rule image by image."""

import numpy as np
import pytest

CAPACITY = 3


def in_turn(pool, fakes, coins, places, capacity):
    """The published rule: images come one after another, and each enters or bypasses the pool."""
    inputs = []
    for fake, coin, place in zip(fakes, coins, places, strict=True):
        if len(pool) < capacity:
            pool.append(fake)
            inputs.append(fake)
        elif coin >= 0.5:
            chosen = int(place * capacity)
            inputs.append(pool[chosen])
            pool[chosen] = fake
        else:
            inputs.append(fake)
    return inputs


@pytest.mark.parametrize("capacity", [1, 3, 50])
@pytest.mark.parametrize("batch", [1, 4, 7])
def test_a_batch_is_exchanged_as_its_images_one_by_one(tf, capacity, batch):
    """Also if the pool fills up within a batch, and if several images go to the same place."""
    from gantf.objectives.image_pool import exchange

    rng = np.random.default_rng(0)
    held, pool, kept = np.zeros(capacity), [], 0
    changed = 0
    for step in range(40):
        fakes = 100.0 * (step + 1) + np.arange(batch)
        coins, places = rng.random((2, batch)).astype(np.float32)
        expected = in_turn(pool, fakes, coins, places, capacity)
        inputs, holds = exchange(
            tf.constant(kept), capacity, tf.constant(coins), tf.constant(places)
        )
        names = np.concatenate([held, fakes])
        np.testing.assert_array_equal(names[inputs.numpy()], expected)
        held, kept = names[holds.numpy()], min(kept + batch, capacity)
        np.testing.assert_array_equal(held[:kept], pool)
        changed += np.sum(expected != fakes)
    assert changed > 40 * batch / 5 or capacity == 50


def test_half_of_the_images_of_a_full_pool_are_exchanged_each_place_alike(tf):
    """The exchanged fraction is 1/2, and each place's fraction 1/3, within five standard errors."""
    from gantf.objectives.image_pool import exchange

    trials = 1000
    draws = np.random.default_rng(1).random((trials, 2, 1)).astype(np.float32)
    counts = np.zeros(CAPACITY)
    for coin, place in draws:
        inputs, _ = exchange(tf.constant(CAPACITY), CAPACITY, tf.constant(coin), tf.constant(place))
        if inputs[0] < CAPACITY:
            counts[int(inputs[0])] += 1
    assert abs(counts.sum() - trials / 2) < 5 * (trials / 4) ** 0.5
    expected = counts.sum() / CAPACITY
    assert np.all(np.abs(counts - expected) < 5 * (expected * (1 - 1 / CAPACITY)) ** 0.5)


def run_pool(tf, kind, steps, pool=None, first_step=0):
    """Returns a pool's outputs for eight numbered images in each step, and the pool."""
    from gantf import noise
    from gantf.distribute import strategies
    from gantf.objectives.image_pool import ImagePool

    strategy = strategies.make(kind)
    if pool is None:
        with strategy.scope():
            pool = ImagePool(CAPACITY, (1, 1, 1), name="pool")
    replicas = strategy.num_replicas_in_sync

    def replica(step):
        context = tf.distribute.get_replica_context()
        rows = 8 // replicas
        start = tf.cast(context.replica_id_in_sync_group, tf.int32) * rows
        numbers = tf.cast(step * 8, tf.float32) + tf.cast(start + tf.range(rows), tf.float32)
        fakes = tf.reshape(numbers, (rows, 1, 1, 1))
        return pool.exchange(fakes, noise.of_step(5, step, 8))

    run = tf.function(lambda step: strategy.run(replica, (step,)))
    inputs = []
    for step in range(first_step, first_step + steps):
        parts = strategy.experimental_local_results(run(tf.constant(step, tf.int64)))
        inputs.append(np.concatenate([part.numpy() for part in parts]).ravel())
    return np.array(inputs), pool


def test_two_replicas_share_one_pool(tf):
    one, pool = run_pool(tf, "one-device", 20)
    two, mirrored = run_pool(tf, "mirrored", 20)
    np.testing.assert_array_equal(two, one)
    np.testing.assert_array_equal(mirrored.images.numpy(), pool.images.numpy())
    for replica in mirrored.images.value.values:
        np.testing.assert_array_equal(replica.numpy(), pool.images.numpy())
    newest = np.arange(160).reshape(20, 8)
    assert np.all(one[0, :3] == [0, 1, 2])  # while the pool fills, it returns each image itself
    assert np.mean(one[1:] != newest[1:]) == pytest.approx(0.5, abs=0.15)
    assert np.all(one <= newest)


def test_a_pool_survives_a_checkpoint(tf, tmp_path):
    from gantf.objectives.image_pool import ImagePool
    from gantf.runs import checkpoints, restore

    expected, _ = run_pool(tf, "one-device", 12)
    first, pool = run_pool(tf, "one-device", 6)
    state = {variable.name: variable for variable in pool.variables}
    values = {name: variable.numpy() for name, variable in state.items()}
    path = checkpoints.save(tmp_path, checkpoints.Checkpoint(6, values, {}))
    fresh = ImagePool(CAPACITY, (1, 1, 1), name="pool")
    restore.assign(
        checkpoints.read(path), {variable.name: variable for variable in fresh.variables}
    )
    rest, _ = run_pool(tf, "one-device", 6, fresh, first_step=6)
    np.testing.assert_array_equal(np.concatenate([first, rest]), expected)


def test_parts_of_a_batch_draw_different_numbers(tf):
    """With accumulation each part is a separate batch; about half of its images are exchanged."""
    from gantf import noise
    from gantf.objectives.image_pool import ImagePool

    pool = ImagePool(1, (1, 1, 1), name="pool")
    whole = noise.of_step(0, tf.constant(0, tf.int64), 64)
    inputs = []
    for number in range(2):
        fakes = tf.reshape(tf.range(32.0) + 32.0 * number, (32, 1, 1, 1))
        inputs.append(pool.exchange(fakes, whole.part(number, 2)).numpy().ravel())
    changed = [part != np.arange(32) + 32 * number for number, part in enumerate(inputs)]
    assert not np.array_equal(changed[0][1:], changed[1][1:])


def test_no_gradient_passes_a_pool(tf):
    from gantf import noise
    from gantf.objectives.image_pool import ImagePool

    pool = ImagePool(CAPACITY, (1, 1, 1), name="pool")
    fakes = tf.ones((2, 1, 1, 1))
    with tf.GradientTape() as tape:
        tape.watch(fakes)
        inputs = pool.exchange(fakes, noise.of_step(0, tf.constant(0, tf.int64), 2))
    assert tape.gradient(inputs, fakes) is None

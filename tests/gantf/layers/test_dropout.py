"""Dropout: its law, and that a mask depends on seed, step and call, not on the replicas."""

import numpy as np
import pytest
from scipy import stats

ROWS = 8


def masks(tf, strategy, step=0, calls=1, seed=0):
    """What `calls` layers make of ones (ROWS, 50), all in one scope, rows of all replicas."""
    from gantf import noise
    from gantf.layers.dropout import Dropout

    layers = [Dropout(0.4) for _ in range(calls)]

    @tf.function
    def run():
        def replica():
            source = noise.of_step(seed, tf.constant(step, tf.int64), ROWS)
            with noise.scope(source):
                ones = tf.ones((source.local_rows, 50))
                return tf.stack([layer(ones, training=True) for layer in layers], axis=1)

        return strategy.run(replica)

    return np.concatenate([np.asarray(p) for p in strategy.experimental_local_results(run())])


def test_replicas_see_the_masks_of_the_whole_batch(tf):
    """Each row has a mask of its own, so that of one replica is not that of the other."""
    from gantf.distribute import strategies

    one, two = (masks(tf, strategies.make(kind)) for kind in ("one-device", "mirrored"))
    assert one.shape == two.shape == (ROWS, 1, 50)
    np.testing.assert_array_equal(one, two)
    assert len(np.unique(one.reshape(ROWS, -1), axis=0)) == ROWS


def test_each_call_step_and_seed_has_a_mask_of_its_own(tf):
    from gantf.distribute import strategies

    strategy = strategies.make("one-device")
    both = masks(tf, strategy, calls=2)
    different = [
        both[:, 0],
        both[:, 1],
        masks(tf, strategy, step=1)[:, 0],
        masks(tf, strategy, seed=1)[:, 0],
    ]
    assert len({values.tobytes() for values in different}) == len(different)
    np.testing.assert_array_equal(both, masks(tf, strategy, calls=2))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_what_is_kept_is_enlarged_so_that_the_mean_stays(tf, rate):
    """A binomial share is 0, the rest is input / (1 - rate)."""
    from gantf import noise
    from gantf.layers.dropout import Dropout

    inputs = tf.random.stateless_uniform((100, 10, 10, 1), [0, 0]) + 1.0
    with noise.scope(noise.of_step(0, tf.constant(0, tf.int64), 100)):
        outputs = np.asarray(Dropout(rate)(inputs, training=True))
    low, high = stats.binom.interval(1 - 1e-6, outputs.size, rate)
    assert low <= np.sum(outputs == 0) <= high
    kept = outputs != 0
    np.testing.assert_allclose(outputs[kept], np.asarray(inputs)[kept] / (1 - rate), rtol=1e-6)


@pytest.mark.parametrize("always", [False, True])
def test_outside_training_only_always_drops(tf, always):
    """And even that needs noise to draw from."""
    from gantf import noise
    from gantf.layers.dropout import Dropout

    ones = tf.ones((4, 100))
    layer = Dropout(0.5, always=always)
    np.testing.assert_array_equal(layer(ones, training=True), ones)
    with noise.scope(noise.of_seed(3, 4)):
        assert bool(np.all(layer(ones, training=False) == 1.0)) != always


def test_a_clone_drops_as_the_layer_does(tf):
    from gantf.layers.dropout import Dropout

    clone = Dropout.from_config(Dropout(0.3, always=True).get_config())
    assert (clone.rate, clone.always) == (0.3, True)


def test_images_of_any_size_are_masked_pixel_by_pixel(tf):
    import keras

    from gantf import noise
    from gantf.layers.dropout import Dropout

    inputs = keras.Input((None, None, 2))
    model = keras.Model(inputs, Dropout(0.5)(inputs))
    for side in (5, 9):
        with noise.scope(noise.of_step(0, tf.constant(0, tf.int64), 2)):
            outputs = np.asarray(model(tf.ones((2, side, side, 2)), training=True))
        assert set(np.unique(outputs)) == {0.0, 2.0}

"""Training noise: stateless, and the same numbers whatever the number of replicas."""

import numpy as np


def test_a_draw_depends_on_seed_step_and_name_alone(tf):
    from gantf import noise

    def draw(seed, step, name):
        return noise.of_step(seed, tf.constant(step, tf.int64), 4).normal(name, (3,)).numpy()

    base = draw(0, 0, "a")
    np.testing.assert_array_equal(base, draw(0, 0, "a"))
    for other in (draw(1, 0, "a"), draw(0, 1, "a"), draw(0, 0, "b")):
        assert np.min(np.abs(base - other)) > 0


def test_replicas_draw_the_rows_of_the_global_batch(tf):
    from gantf import noise
    from gantf.distribute import strategies

    strategy = strategies.make("mirrored")
    assert strategy.num_replicas_in_sync == 2

    @tf.function
    def draw():
        return strategy.run(lambda: noise.of_step(5, tf.constant(7, tf.int64), 6).normal("z", (2,)))

    parts = strategy.experimental_local_results(draw())
    alone = noise.of_step(5, tf.constant(7, tf.int64), 6).normal("z", (2,))
    np.testing.assert_array_equal(np.concatenate(parts), alone)


def test_the_laws_of_the_latents(tf):
    """Means within 5 standard errors; a kurtosis of 3 for the normal, a bound for the uniform."""
    from gantf import noise

    source = noise.of_step(0, tf.constant(0, tf.int64), 1000)
    normal, uniform = (source.latents(50, law).numpy() for law in ("normal", "uniform"))
    assert abs(normal.mean()) < 5 / np.sqrt(50_000)
    assert abs((normal**4).mean() - 3) < 5 * np.sqrt(96 / 50_000)
    assert uniform.min() >= -1
    assert uniform.max() <= 1
    assert abs((uniform**2).mean() - 1 / 3) < 5 * np.sqrt((1 / 5 - 1 / 9) / 50_000)

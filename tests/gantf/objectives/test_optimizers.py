"""The players' optimizers: rates and betas along a ramp, against the formulas in NumPy."""

import math

import numpy as np
import pytest

from tests.gantf.training.test_step import move_linear_critic, strategy  # noqa: F401  a fixture


def optimization(**settings):
    from gantf.settings import Optimization

    return Optimization(**settings)


def value_at(shape, first, last, step, start, end):
    """The ramp by its definition."""
    share = min(max((step - start) / (end - start), 0.0), 1.0)
    if shape == "cosine":
        share = (1 - math.cos(math.pi * share)) / 2
    return first + (last - first) * share


@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_a_ramp_leaves_and_arrives_where_it_says(tf, shape):
    from gantf.objectives import optimizers

    steps = [0, 9, 10, 11, 15, 19, 20, 1000]
    got = [float(optimizers.ramp(shape, 3.0, 1.0, tf.constant(float(s)), 10, 20)) for s in steps]
    np.testing.assert_allclose(got, [value_at(shape, 3, 1, s, 10, 20) for s in steps], rtol=1e-6)
    assert got[:3] == [3.0] * 3
    assert got[-2:] == [1.0] * 2
    assert got[4] == pytest.approx(2.0)


@pytest.mark.parametrize("shape", ["linear", "cosine"])
@pytest.mark.parametrize("compiled", [False, True])
def test_adam_with_moving_rate_and_betas_is_algorithm_1_with_them(tf, shape, compiled):
    import keras

    from gantf.objectives import optimizers

    settings = optimization(
        beta_1=0.5,
        beta_2=0.9,
        schedule=shape,
        schedule_from_step=2,
        schedule_until_step=7,
        final_learning_rate_fraction=0.2,
        final_beta_1=0.1,
        final_beta_2=0.99,
    )
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    dense.build((None, 3))
    optimizer = optimizers.make(settings, 0.1, (dense,))
    rng = np.random.default_rng(0)
    weights, m, v = np.ones((3, 1)), 0.0, 0.0
    move = tf.function(lambda g: optimizer.apply([g], dense.trainable_variables))
    for step in range(10):
        gradient = rng.normal(size=(3, 1))
        inputs = tf.constant(gradient, tf.float32)
        if compiled:
            move(inputs)
        else:
            optimizer.apply([inputs], dense.trainable_variables)
        rate, beta_1, beta_2 = (
            value_at(shape, first, last, step, 2, 7)
            for first, last in ((0.1, 0.02), (0.5, 0.1), (0.9, 0.99))
        )
        m = beta_1 * m + (1 - beta_1) * gradient
        v = beta_2 * v + (1 - beta_2) * gradient**2
        unbiased = m / (1 - beta_1 ** (step + 1)), v / (1 - beta_2 ** (step + 1))
        weights = weights - rate * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-7)
        np.testing.assert_allclose(dense.kernel.numpy(), weights, rtol=2e-5)


def test_without_a_schedule_it_is_keras_adam_bit_for_bit(tf):
    import keras

    from gantf.objectives import optimizers

    finals = []
    for make in (
        lambda d: optimizers.make(optimization(beta_1=0.3, beta_2=0.8), 0.1, (d,)),
        lambda d: keras.optimizers.Adam(0.1, 0.3, 0.8),
    ):
        dense = keras.layers.Dense(2, kernel_initializer="ones")
        dense.build((None, 3))
        optimizer = make(dense)
        for step in range(5):
            gradients = [
                tf.random.stateless_normal(v.shape, [step, i])
                for i, v in enumerate(dense.trainable_variables)
            ]
            optimizer.apply(gradients, dense.trainable_variables)
        finals.append(dense.get_weights())
    for ours, theirs in zip(*finals, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_replicas_move_by_moving_betas_as_one(tf, strategy):  # noqa: F811
    """The first move is the rate; six of the same gradient are what Algorithm 1 makes of them."""
    from gantf.objectives import optimizers

    settings = optimization(
        beta_1=0.5, schedule="linear", schedule_until_step=4, final_beta_1=0.0, final_beta_2=0.5
    )
    moved, _ = move_linear_critic(
        tf, strategy, 1, lambda critic: optimizers.make(settings, 0.1, (critic,))
    )
    np.testing.assert_allclose(moved, [0.1, -0.1], rtol=1e-5)
    moved, _ = move_linear_critic(
        tf, strategy, 6, lambda critic: optimizers.make(settings, 0.1, (critic,))
    )
    assert moved[0] == pytest.approx(_adam_of_one_gradient(3.0, 6), rel=1e-4)
    assert moved[1] == pytest.approx(-moved[0], rel=1e-4)


def _adam_of_one_gradient(gradient, steps):
    weight, m, v = 0.0, 0.0, 0.0
    for step in range(steps):
        beta_1 = value_at("linear", 0.5, 0.0, step, 0, 4)
        beta_2 = value_at("linear", 0.99, 0.5, step, 0, 4)
        m = beta_1 * m + (1 - beta_1) * gradient
        v = beta_2 * v + (1 - beta_2) * gradient**2
        rate = 0.1 * math.sqrt(1 - beta_2 ** (step + 1)) / (1 - beta_1 ** (step + 1))
        weight += rate * m / math.sqrt(v)
    return weight


@pytest.mark.parametrize("decay", [0.9, 0.5])
def test_rmsprop_decays_by_beta_2(tf, decay):
    """The first move is rate / sqrt(1 - decay), whatever the gradient."""
    import keras

    from gantf.objectives import optimizers

    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    dense.build((None, 2))
    optimizer = optimizers.make(optimization(optimizer="rmsprop", beta_2=decay), 0.1, (dense,))
    optimizer.apply([tf.constant([[4.0], [-0.3]])], dense.trainable_variables)
    step = 0.1 / math.sqrt(1 - decay)
    np.testing.assert_allclose(dense.kernel.numpy(), [[-step], [step]], rtol=1e-4)

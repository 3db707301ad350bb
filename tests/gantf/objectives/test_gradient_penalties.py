"""Gradient penalties of discriminators whose gradient is known."""

import numpy as np
import pytest


@pytest.fixture
def images(tf):
    rng = np.random.default_rng(0)
    return tf.constant(rng.normal(size=(5, 4, 4, 3)).astype(np.float32))


def test_r1_of_a_linear_discriminator_is_half_its_squared_slope(tf, images):
    """D(x) = 2 sum(x) has the gradient 2 in each of 48 places: |grad|^2 / 2 = 96."""
    from gantf.objectives import gradient_penalties

    def discriminator(x):
        return 2.0 * tf.reduce_sum(x, axis=[1, 2, 3])[:, None]

    penalty, logits = gradient_penalties.r1_penalty(discriminator, images)
    np.testing.assert_allclose(penalty, [96.0] * 5, rtol=1e-6)
    np.testing.assert_array_equal(logits[0], discriminator(images))


def test_r1_of_a_quadratic_discriminator_is_half_the_images_squared_norm(tf, images):
    """D(x) = |x|^2 / 2 has the gradient x, which differs from image to image."""
    from gantf.objectives import gradient_penalties

    def discriminator(x):
        return tf.reduce_sum(tf.square(x), axis=[1, 2, 3])[:, None] / 2.0

    expected = np.sum(np.square(images), axis=(1, 2, 3)) / 2
    penalty, _ = gradient_penalties.r1_penalty(discriminator, images)
    np.testing.assert_allclose(penalty, expected, rtol=1e-5)


@pytest.mark.parametrize("mixing", [0.0, 0.25, 1.0])
def test_gradient_penalty_is_taken_between_real_and_fake(tf, images, mixing):
    """With D(x) = |x|^2 / 2 the penalty at u is (|u| - 1)^2."""
    from gantf.objectives import gradient_penalties

    def discriminator(x):
        return tf.reduce_sum(tf.square(x), axis=[1, 2, 3])[:, None] / 2.0

    fake = tf.zeros_like(images) + 0.5
    got = gradient_penalties.gradient_penalty(discriminator, images, fake, tf.fill([5], mixing))
    between = mixing * images.numpy() + (1 - mixing) * 0.5
    norm = np.sqrt(np.sum(np.square(between), axis=(1, 2, 3)))
    np.testing.assert_allclose(got, (norm - 1) ** 2, rtol=1e-5)


@pytest.mark.parametrize("length", [0.5, 2.0])
def test_gradient_penalty_of_a_linear_discriminator_and_its_slope(tf, images, length):
    """D(x) = w x: the penalty is (|w| - 1)^2, its gradient by w is 2 (|w| - 1) w / |w|."""
    from gantf.objectives import gradient_penalties

    rng = np.random.default_rng(1)
    direction = rng.normal(size=(4, 4, 3))
    start = (length * direction / np.linalg.norm(direction)).astype(np.float32)
    weight = tf.Variable(start)

    def discriminator(x):
        return tf.reduce_sum(weight * x, axis=[1, 2, 3])[:, None]

    with tf.GradientTape() as tape:
        values = gradient_penalties.gradient_penalty(
            discriminator, images, -images, tf.fill([5], 0.3)
        )
        total = values[0]
    np.testing.assert_allclose(values, [(length - 1) ** 2] * 5, rtol=1e-5)
    expected = 2 * (length - 1) * start / length
    np.testing.assert_allclose(tape.gradient(total, weight), expected, atol=1e-6)


def test_the_slope_of_r1_of_a_linear_discriminator_is_its_weight(tf, images):
    """|w|^2 / 2 by w."""
    from gantf.objectives import gradient_penalties

    weight = tf.Variable(np.random.default_rng(1).normal(size=(4, 4, 3)).astype(np.float32))

    def discriminator(x):
        return tf.reduce_sum(weight * x, axis=[1, 2, 3])[:, None]

    with tf.GradientTape() as tape:
        value = gradient_penalties.r1_penalty(discriminator, images)[0][0]
    np.testing.assert_allclose(tape.gradient(value, weight), weight, rtol=1e-6)


def r1(gradient_penalties, tf, judge, images):
    return gradient_penalties.r1_penalty(judge, images)[0]


def wgan_gp(gradient_penalties, tf, judge, images):
    mixing = tf.cast(tf.linspace(0.1, 0.9, 5), tf.float64)
    return gradient_penalties.gradient_penalty(judge, images, images[::-1] - 0.3, mixing)


@pytest.mark.parametrize("penalty", [r1, wgan_gp])
def test_a_penalty_has_the_second_derivative_of_finite_differences(tf, images, penalty):
    """By every weight of a small network of tanh and leaky ReLU, through the inner gradient."""
    from gantf.objectives import gradient_penalties

    rng = np.random.default_rng(2)
    images = tf.cast(images, tf.float64)
    shapes = [(48, 3), (3,), (3, 2), (2, 1)]
    start = [rng.normal(size=shape) for shape in shapes]

    def total(weights):
        def judge(x):
            x = tf.tanh(tf.reshape(x, (-1, 48)) @ weights[0] / 4 + weights[1])
            return tf.nn.leaky_relu(x @ weights[2]) @ weights[3]

        return tf.reduce_sum(penalty(gradient_penalties, tf, judge, images))

    weights = [tf.constant(value) for value in start]
    with tf.GradientTape() as tape:
        tape.watch(weights)
        value = total(weights)
    exact = tape.gradient(value, weights, unconnected_gradients="zero")
    delta = 1e-6
    for place, shape in enumerate(shapes):
        for index in list(np.ndindex(shape))[:12]:
            sides = []
            for sign in (1, -1):
                moved = [value.copy() for value in start]
                moved[place][index] += sign * delta
                sides.append(float(total([tf.constant(value) for value in moved])))
            difference = (sides[0] - sides[1]) / (2 * delta)
            np.testing.assert_allclose(exact[place][index], difference, rtol=1e-5, atol=1e-7)


def test_a_lazy_penalty_counts_as_often_as_it_is_left_out(tf):
    """Over each whole period its mean is the penalty's; it is computed in no other step."""
    from gantf.objectives import gradient_penalties

    calls = tf.Variable(0)

    def penalty():
        calls.assign_add(1)
        return tf.constant([1.0, 2.0])

    got = []
    for step in range(8):
        got.append(gradient_penalties.lazily(penalty, tf.constant(step, tf.int64), 4, 2).numpy())
    np.testing.assert_array_equal(got[0], [4.0, 8.0])
    np.testing.assert_array_equal(got[1:4], np.zeros((3, 2)))
    np.testing.assert_array_equal(np.mean(got, axis=0), [1.0, 2.0])
    assert int(calls) == 2
    np.testing.assert_array_equal(
        gradient_penalties.lazily(penalty, tf.constant(1), 1, 2), [1.0, 2.0]
    )


def test_the_gradient_passes_through_a_lazy_penalty(tf):
    """In a compiled step: 16 times the slope in one step, none in the next."""
    from gantf.objectives import gradient_penalties

    weight = tf.Variable(3.0)

    @tf.function
    def slope(step):
        with tf.GradientTape() as tape:
            value = gradient_penalties.lazily(lambda: tf.reshape(weight**2, [1]), step, 16, 1)
        return tape.gradient(value, weight)

    assert float(slope(tf.constant(32, tf.int64))) == 16 * 6.0
    assert float(slope(tf.constant(33, tf.int64))) == 0.0

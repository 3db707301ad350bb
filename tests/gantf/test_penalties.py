"""Gradient penalties of discriminators whose gradient is known."""

import numpy as np
import pytest


@pytest.fixture
def images(tf):
    rng = np.random.default_rng(0)
    return tf.constant(rng.normal(size=(5, 4, 4, 3)).astype(np.float32))


def test_r1_of_a_linear_discriminator_is_half_its_squared_slope(tf, images):
    """D(x) = 2 sum(x) has the gradient 2 in each of 48 places: |grad|^2 / 2 = 96."""
    from gantf import penalties

    def discriminator(x):
        return 2.0 * tf.reduce_sum(x, axis=[1, 2, 3])[:, None]

    penalty, logits = penalties.r1_penalty(discriminator, images)
    np.testing.assert_allclose(penalty, [96.0] * 5, rtol=1e-6)
    np.testing.assert_array_equal(logits, discriminator(images))


def test_r1_of_a_quadratic_discriminator_is_half_the_images_squared_norm(tf, images):
    """D(x) = |x|^2 / 2 has the gradient x, which differs from image to image."""
    from gantf import penalties

    def discriminator(x):
        return tf.reduce_sum(tf.square(x), axis=[1, 2, 3])[:, None] / 2.0

    expected = np.sum(np.square(images), axis=(1, 2, 3)) / 2
    penalty, _ = penalties.r1_penalty(discriminator, images)
    np.testing.assert_allclose(penalty, expected, rtol=1e-5)


@pytest.mark.parametrize("mixing", [0.0, 0.25, 1.0])
def test_gradient_penalty_is_taken_between_real_and_fake(tf, images, mixing):
    """With D(x) = |x|^2 / 2 the penalty at u is (|u| - 1)^2."""
    from gantf import penalties

    def discriminator(x):
        return tf.reduce_sum(tf.square(x), axis=[1, 2, 3])[:, None] / 2.0

    fake = tf.zeros_like(images) + 0.5
    got = penalties.gradient_penalty(discriminator, images, fake, tf.fill([5], mixing))
    between = mixing * images.numpy() + (1 - mixing) * 0.5
    norm = np.sqrt(np.sum(np.square(between), axis=(1, 2, 3)))
    np.testing.assert_allclose(got, (norm - 1) ** 2, rtol=1e-5)


def test_the_penalty_has_the_second_derivative_of_finite_differences(tf, images):
    """Of the penalty by a weight, through the inner gradient, for D(x) = sum(tanh(w x))."""
    from gantf import penalties

    def penalty(weight):
        def discriminator(x):
            return tf.reduce_sum(tf.tanh(weight * x), axis=[1, 2, 3])[:, None]

        return tf.reduce_sum(penalties.r1_penalty(discriminator, tf.cast(images, tf.float64))[0])

    weight = tf.Variable(0.7, dtype=tf.float64)
    with tf.GradientTape() as tape:
        value = penalty(weight)
    exact = tape.gradient(value, weight)
    delta = 1e-5
    differences = (penalty(weight + delta) - penalty(weight - delta)) / (2 * delta)
    np.testing.assert_allclose(exact, differences, rtol=1e-7)

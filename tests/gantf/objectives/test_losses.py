"""The adversarial losses against closed forms and against TF-GAN's own means."""

import numpy as np
import pytest

REAL = np.array([[2.0], [-1.0], [0.5], [0.0]], np.float32)
FAKE = np.array([[-0.5], [1.5], [0.0], [-2.0]], np.float32)


def softplus(x):
    return np.log1p(np.exp(x))


def closed_forms():
    """(discriminator's, generator's) loss per example, from the papers."""
    r, f = REAL[:, 0].astype(float), FAKE[:, 0].astype(float)
    logistic = softplus(-r) + softplus(f)
    r_against, f_against = r - f.mean(), f - r.mean()
    return {
        "minimax": (logistic, -softplus(f)),
        "non_saturating": (logistic, softplus(-f)),
        "least_squares": ((r - 1) ** 2 / 2 + f**2 / 2, (f - 1) ** 2 / 2),
        "hinge": (np.maximum(0, 1 - r) + np.maximum(0, 1 + f), -f),
        "wasserstein": (f - r, -f),
        "relativistic": (
            softplus(-r_against) + softplus(f_against),
            softplus(-f_against) + softplus(r_against),
        ),
        "relativistic_pairing": (softplus(f - r), softplus(r - f)),
    }


@pytest.mark.parametrize("name", sorted(closed_forms()))
def test_each_loss_is_its_closed_form_per_example(tf, name):
    from gantf.objectives import losses

    for_d, for_g = closed_forms()[name]
    real, fake = tf.constant(REAL), tf.constant(FAKE)
    np.testing.assert_allclose(losses.discriminator_loss(name, real, fake), for_d, atol=1e-6)
    np.testing.assert_allclose(losses.generator_loss(name, real, fake), for_g, atol=1e-6)


def test_every_name_has_a_closed_form(tf):
    from gantf.objectives import losses

    assert sorted(losses.NAMES) == sorted(closed_forms())


def test_the_mean_of_the_relativistic_loss_is_tfgans(tf):
    """TF-GAN gives relativistic losses as a mean alone; ours per example must agree with it."""
    from gantf.objectives import losses

    real, fake = tf.constant(REAL), tf.constant(FAKE)
    theirs = losses._tfgan.relativistic_discriminator_loss(real, fake)
    ours = losses.discriminator_loss("relativistic", real, fake)
    np.testing.assert_allclose(np.mean(ours), theirs, rtol=1e-6)
    theirs = losses._tfgan.relativistic_generator_loss(real, fake)
    ours = losses.generator_loss("relativistic", real, fake)
    np.testing.assert_allclose(np.mean(ours), theirs, rtol=1e-6)


@pytest.mark.parametrize("name", ["minimax", "non_saturating"])
def test_label_smoothing_moves_the_real_label_halfway_to_a_coin_toss(tf, name):
    """With smoothing s the real label is 1 - s / 2, as TensorFlow's cross-entropy has it."""
    from gantf.objectives import losses

    smoothing, r, f = 0.3, REAL[:, 0].astype(float), FAKE[:, 0].astype(float)
    label = 1 - smoothing / 2
    expected = label * softplus(-r) + (1 - label) * softplus(r) + softplus(f)
    got = losses.discriminator_loss(name, tf.constant(REAL), tf.constant(FAKE), smoothing)
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_label_smoothing_of_least_squares_is_taken_off_the_real_label(tf):
    from gantf.objectives import losses

    expected = (REAL[:, 0] - 0.9) ** 2 / 2 + FAKE[:, 0] ** 2 / 2
    got = losses.discriminator_loss("least_squares", tf.constant(REAL), tf.constant(FAKE), 0.1)
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["minimax", "non_saturating", "least_squares"])
def test_smoothing_may_differ_from_example_to_example(tf, name):
    from gantf.objectives import losses

    real, fake = tf.constant(REAL), tf.constant(FAKE)
    amounts = [0.0, 0.1, 0.5, 0.9]
    together = losses.discriminator_loss(name, real, fake, tf.constant(amounts))
    for row, amount in enumerate(amounts):
        alone = losses.discriminator_loss(name, real[row : row + 1], fake[row : row + 1], amount)
        np.testing.assert_allclose(together[row], alone[0], rtol=1e-6)


def test_patches_are_averaged_and_examples_are_not(tf):
    from gantf.objectives import losses

    real = tf.reshape(tf.range(24, dtype=tf.float32), (2, 3, 4, 1)) / 10
    got = losses.discriminator_loss("wasserstein", real, tf.zeros_like(real))
    np.testing.assert_allclose(got, [-(0.0 + 1.1) / 2, -(1.2 + 2.3) / 2], rtol=1e-6)


def test_differing_shapes_and_meaningless_smoothing_are_refused(tf):
    from gantf.objectives import losses

    with pytest.raises(ValueError, match=r"\(4, 1\).*\(3, 1\)"):
        losses.discriminator_loss("hinge", tf.constant(REAL), tf.constant(FAKE[:3]))
    with pytest.raises(ValueError, match="label_smoothing has no meaning"):
        losses.discriminator_loss("hinge", tf.constant(REAL), tf.constant(FAKE), 0.1)
    with pytest.raises(ValueError, match="one of minimax"):
        losses.generator_loss("hinged", tf.constant(REAL), tf.constant(FAKE))

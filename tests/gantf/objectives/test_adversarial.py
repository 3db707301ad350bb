"""What the settings of a discriminator make of its loss, by hand."""

import numpy as np
import pytest
from scipy import stats

R = np.array([2.0, -1.0, 0.5, 0.0, 3.0])
F = np.array([-0.5, 1.5, 0.0, -2.0, 1.0])
MANY = 20_000


def softplus(x):
    return np.logaddexp(0.0, x)


def text(tf, rows=5, real=R, fake=F, **settings):
    """The discriminator's loss per example where images are their own logits, and the noise."""
    from gantf import noise
    from gantf.objectives.adversarial import AdversarialLoss
    from gantf.settings import Adversarial

    def judge(images):
        return images[:, 0, 0, :]

    def as_images(logits):
        return tf.constant(np.reshape(logits, (-1, 1, 1, 1)), tf.float32)

    source = noise.of_step(0, tf.constant(0, tf.int64), rows)
    adversarial = AdversarialLoss(Adversarial(**{"r1_weight": 0.0, **settings}))
    output = adversarial.discriminator_loss(judge, as_images(real), as_images(fake), source)
    return output, source


def test_plain_labels(tf):
    output, _ = text(tf)
    np.testing.assert_allclose(output.loss, softplus(-R) + softplus(F), rtol=1e-6)
    np.testing.assert_array_equal(output.observed["logit/real"], np.float32(R))
    np.testing.assert_allclose(output.observed["D(G(z))"], 1 / (1 + np.exp(-F)), rtol=1e-6)
    np.testing.assert_array_equal(output.observed["discriminator/ranking"], R > F)


@pytest.mark.parametrize("loss", ["non_saturating", "minimax"])
def test_smooth_and_noisy_real_labels(tf, loss):
    """The real label is 1 - (smoothing + noise U) / 2 for each image its own; fakes' stay 0."""
    output, source = text(tf, loss=loss, label_smoothing=0.1, label_noise=0.3)
    taken = 0.1 + 0.3 * np.asarray(source.uniform("discriminator/labels"))
    label = 1 - taken / 2
    expected = label * softplus(-R) + (1 - label) * softplus(R) + softplus(F)
    np.testing.assert_allclose(output.loss, expected, rtol=1e-5)
    assert len(np.unique(taken)) == 5


def test_smooth_and_noisy_real_labels_of_least_squares(tf):
    output, source = text(tf, loss="least_squares", label_smoothing=0.1, label_noise=0.3)
    label = 0.9 - 0.3 * np.asarray(source.uniform("discriminator/labels"))
    np.testing.assert_allclose(output.loss, (R - label) ** 2 / 2 + F**2 / 2, rtol=1e-5)


def test_flipped_labels(tf):
    """Where a coin says so, the real one is told to be fake and the fake one real."""
    output, source = text(tf, label_flips=0.4)
    flipped = np.asarray(source.uniform("discriminator/flips")) < 0.4
    assert 0 < flipped.sum() < 5
    right, wrong = softplus(-R) + softplus(F), softplus(R) + softplus(-F)
    np.testing.assert_allclose(output.loss, np.where(flipped, wrong, right), rtol=1e-5)
    np.testing.assert_array_equal(output.observed["logit/real"], np.float32(R))


def test_flips_come_as_often_as_asked(tf):
    """Of 20 000 with the hinge loss, which is 0 where the label is right."""
    output, _ = text(
        tf, MANY, np.full(MANY, 2.0), np.full(MANY, -2.0), loss="hinge", label_flips=0.1
    )
    low, high = stats.binom.interval(1 - 1e-6, MANY, 0.1)
    assert low <= np.count_nonzero(output.loss) <= high


def test_instance_noise_has_its_deviation(tf):
    """Real and fake images get noise of their own: N(0, 0.5) each."""
    zeros = np.zeros(MANY)
    output, _ = text(tf, MANY, zeros, zeros, loss="wasserstein", instance_noise=0.5)
    difference = np.asarray(output.loss)  # f - r
    assert difference.std() == pytest.approx(0.5 * np.sqrt(2), abs=5 * 0.71 / np.sqrt(2 * MANY))
    assert abs(difference.mean()) < 5 * 0.71 / np.sqrt(MANY)


def test_penalties_are_weighed_and_logged(tf):
    """With D(x) = x the gradient is 1 everywhere: R1 = R2 = 1/2, WGAN-GP's is 0."""
    weights = {"r1_weight": 3.0, "r2_weight": 5.0, "gradient_penalty_weight": 7.0}
    output, _ = text(tf, **weights)
    np.testing.assert_allclose(output.loss, softplus(-R) + softplus(F) + 1.5 + 2.5, rtol=1e-5)
    for name, value in {"r1_penalty": 0.5, "r2_penalty": 0.5, "gradient_penalty": 0.0}.items():
        np.testing.assert_allclose(output.observed[f"discriminator/{name}"], [value] * 5, atol=1e-5)


def test_the_generator_is_judged_with_the_fakes_own_condition(tf):
    from gantf import noise
    from gantf.objectives.adversarial import AdversarialLoss
    from gantf.settings import Adversarial

    images = tf.zeros((2, 1, 1, 1))
    source = noise.of_step(0, tf.constant(0, tf.int64), 2)
    adversarial = AdversarialLoss(Adversarial(loss="relativistic"))
    real, fake = (lambda x: x[:, 0, 0] + 1.0), (lambda x: [x[:, 0, 0] + 2.0, "more"])
    output = adversarial.generator_loss(real, images, images, source, fake)
    np.testing.assert_allclose(output.loss, [softplus(-1.0) + softplus(-1.0)] * 2, rtol=1e-6)
    assert output.fake[1] == "more"
    assert len(output.real) == 1


def test_two_discriminators_are_told_apart_in_the_log_and_in_their_noise(tf):
    from gantf import noise
    from gantf.objectives.adversarial import AdversarialLoss
    from gantf.settings import Adversarial

    source = noise.of_step(0, tf.constant(0, tf.int64), 50)
    zeros = tf.zeros((50, 1, 1, 1))
    seen = []
    for name in ("discriminator_a", "discriminator_b"):
        settings = Adversarial(r1_weight=0.0, instance_noise=1.0, ada_target=0.5)
        adversarial = AdversarialLoss(settings, name)
        output = adversarial.discriminator_loss(lambda x: x[:, 0, 0], zeros, zeros, source)
        assert f"{name}/logit/fake" in output.observed
        assert list(adversarial.state) == [f"{name}_ada"]
        seen.append(np.asarray(output.loss))
    assert not np.allclose(*seen)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_diversity_is_the_share_of_the_real_images_squared_spread(tf, share):
    from gantf.objectives.adversarial import diversity

    real = tf.random.stateless_normal((64, 4, 4, 1), [0, 0])
    got = diversity(real, share * real + 3.0)["diversity"]
    np.testing.assert_allclose(got, [share**2] * 64, atol=1e-5)
    assert diversity(real[:1], real[:1]) == {}


def test_diversity_of_real_images_that_are_all_alike_is_a_number(tf):
    """They then count as one step of eight bits apart."""
    from gantf.objectives.adversarial import diversity

    alike = tf.zeros((4, 2, 2, 1))
    apart = tf.reshape(tf.constant([0.0, 1.0, 0.0, 1.0]), (4, 1, 1, 1)) * tf.ones((4, 2, 2, 1))
    assert float(diversity(alike, alike)["diversity"][0]) == 0.0
    assert float(diversity(alike, apart)["diversity"][0]) == pytest.approx(127.5**2, rel=1e-5)

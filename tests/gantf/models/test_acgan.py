"""The classifier in the discriminator: its losses, its logged values, and its weights."""

import numpy as np
import pytest

import evaluation
from gantf import config
from tests.gantf.models.test_cgan import CLASSES, make_step

WEIGHTS = ("real_class_weight", "fake_class_weight", "generator_class_weight")
NONE = dict.fromkeys(WEIGHTS, 0.0)


def class_logits(tf, rows=5):
    return [2.0 * tf.random.stateless_normal((rows, CLASSES), [0, seed]) for seed in (1, 2)]


def test_the_classification_losses_are_tf_gans(tf):
    from gantf.models.acgan import classification_loss
    from gantf.objectives.losses import _tfgan

    (real, fake), labels = class_logits(tf), tf.constant([0, 2, 1, 1, 0], tf.int64)
    options = {
        "one_hot_labels": tf.one_hot(labels, CLASSES),
        "reduction": tf.compat.v1.losses.Reduction.NONE,
        "loss_collection": None,
    }
    both = _tfgan.acgan_discriminator_loss(real, fake, **options)
    ours = classification_loss(real, labels) + classification_loss(fake, labels)
    np.testing.assert_allclose(ours, both, rtol=1e-5)
    np.testing.assert_allclose(
        classification_loss(fake, labels), _tfgan.acgan_generator_loss(fake, **options), rtol=1e-5
    )


def test_the_classification_loss_of_equal_logits_is_the_log_of_their_number(tf):
    from gantf.models.acgan import classification_loss

    loss = classification_loss(tf.fill([4, 10], 7.0), tf.range(4, dtype=tf.int64))
    np.testing.assert_allclose(loss, np.log(10), rtol=1e-6)


def test_accuracy_is_one_where_the_largest_logit_is_the_labels(tf):
    from gantf.models.acgan import accuracy

    logits = tf.constant([[0.0, 2.0, 1.0], [3.0, -1.0, 0.0], [0.0, 0.1, 0.2]])
    np.testing.assert_array_equal(accuracy(logits, tf.constant([1, 1, 2], tf.int64)), [1, 0, 1])


@pytest.mark.parametrize("fixed", [*WEIGHTS, None])
def test_the_losses_are_the_weighted_sums(tf, fixed):
    """Computed by hand from the discriminator's outputs, with one weight alone or all weights."""
    weights = {"real_class_weight": 0.5, "fake_class_weight": 2.0, "generator_class_weight": 0.3}
    if fixed is not None:
        weights = NONE | {"real_class_weight": 1e-9} | {fixed: weights[fixed]}
    game, batch, source = make_step(tf, "acgan", r1_weight=0.0, **weights)
    shared = game.forward(batch, source)
    judge, labels = game.networks["discriminator"], batch["label"].numpy()

    def judged(images):
        logits, output = (np.asarray(x, np.float64) for x in judge({"image": images}))
        unlikeliness = np.log(np.exp(output).sum(axis=1)) - output[np.arange(len(output)), labels]
        return logits[:, 0], unlikeliness

    (real, real_class), (fake, fake_class) = judged(batch["image"]), judged(shared["fake"])
    expected = (
        np.logaddexp(0, -real)
        + np.logaddexp(0, fake)
        + weights["real_class_weight"] * real_class
        + weights["fake_class_weight"] * fake_class
    )
    losses = [player.loss(shared, source)[0] for player in game.players]
    np.testing.assert_allclose(losses[0], expected, rtol=1e-5)
    expected = np.logaddexp(0, -fake) + weights["generator_class_weight"] * fake_class
    np.testing.assert_allclose(losses[1], expected, rtol=1e-5)


def test_what_is_logged_is_how_often_the_classifier_is_right(tf):
    """Real images have the labels that the classifier predicts, other labels, or both."""
    game, batch, source = make_step(tf, "acgan")
    judge = game.networks["discriminator"]
    output = tf.argmax(judge({"image": batch["image"]})[1], axis=1)
    wrong = (output + 1) % CLASSES
    for labels in (output, wrong, tf.concat([output[:2], wrong[2:]], axis=0)):
        shared = game.forward({**batch, "label": labels}, source)
        observed = game.players[0].loss(shared, source)[1]
        right = tf.cast(labels == output, tf.float32)
        np.testing.assert_array_equal(observed["classifier/real_accuracy"], right)
        fake_told = tf.argmax(judge({"image": shared["fake"]})[1], axis=1)
        right = tf.cast(labels == fake_told, tf.float32)
        np.testing.assert_array_equal(observed["classifier/fake_accuracy"], right)


def test_the_discriminator_is_told_no_label_and_the_generator_is(tf):
    game, batch, source = make_step(tf, "acgan")
    assert set(game.networks["discriminator"].input) == {"image"}
    latents = source.latents(6, "normal")
    network, other = game.generators["generator"], (batch["label"] + 1) % CLASSES
    one, two = (network({"latents": latents, "label": x}) for x in (batch["label"], other))
    assert np.all(np.abs(one - two).max(axis=(1, 2, 3)) > 1e-6)


def test_the_judge_gives_the_logits_without_the_classes(tf):
    game, batch, _ = make_step(tf, "acgan")
    logits = game.networks["discriminator"]({"image": batch["image"]}, training=False)[0]
    np.testing.assert_array_equal(game.discriminator_fn(batch), logits)


def test_a_classifier_that_nothing_trains_is_refused(tf):
    from gantf.models import acgan

    with pytest.raises(evaluation.InputError, match="both 0, which trains no classifier"):
        config.make_model_config(acgan.Config, NONE, "acgan")


@pytest.mark.parametrize("combine", ["concatenation", "product"])
def test_the_generator_reads_the_label_beside_or_times_the_latents(tf, combine):
    """The input of its first dense layer, computed by hand."""
    import keras

    game, batch, source = make_step(tf, "acgan", combine=combine)
    network, latents = game.generators["generator"], source.latents(6, "normal")
    vectors = next(layer for layer in network.layers if "embedding" in layer.name).get_weights()[0]
    assert vectors.shape == (CLASSES, 6)
    output = vectors[batch["label"].numpy()]
    dense = next(layer for layer in network.layers if isinstance(layer, keras.layers.Dense))
    fed = keras.Model(network.input, dense.input)({"latents": latents, "label": batch["label"]})
    latents = latents.numpy()
    expected = (
        latents * output if combine == "product" else np.concatenate([latents, output], axis=1)
    )
    np.testing.assert_allclose(fed, expected, rtol=1e-6)

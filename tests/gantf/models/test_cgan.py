"""The class that is asked for reaches both networks, and the exported generator."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import evaluation
from gantf import config, models
from gantf.cli import main
from tests.games import BATCH, make_data, make_game

SHAPE, CLASSES = (8, 8, 1), 3
CONDITIONS = ("concatenation", "projection")


def make_discriminator(condition):
    from gantf.models import cgan
    from gantf.networks import conditional

    settings = cgan.Config(discriminator_channels=4, max_channels=8)
    return conditional.discriminator(settings, SHAPE, 0, classes=CLASSES, condition=condition)


def images_and_labels(tf, rows=6):
    images = tf.random.stateless_normal((rows, *SHAPE), [0, 0])
    return images, tf.range(rows, dtype=tf.int64) % CLASSES


def embedding_of(network):
    return next(layer for layer in network.layers if "embedding" in layer.name)


def enlarge(game, factor=8.0):
    """Makes kernels larger, so that images and logits are not all nearly 0."""
    for network in game.networks.values():
        for variable in network.trainable_variables:
            if variable.path.endswith("kernel") and "gru" not in variable.path:
                variable.assign(factor * variable)


def make_step(tf, name, **settings):
    """A small game of three classes, with a batch, and the noise of its first step."""
    from gantf import noise
    from gantf.distribute import strategies
    from gantf.pixels import to_floats

    data = make_data(name, SHAPE, classes=CLASSES)
    game = make_game(strategies.make("one-device"), name, data, **settings)
    enlarge(game)
    rows = {key: tf.constant(array[:BATCH]) for key, array in data.sets[0].items()}
    batch = {"image": to_floats(rows["image"]), "label": tf.cast(rows["label"], tf.int64)}
    return game, batch, noise.of_step(0, tf.constant(0, tf.int64), BATCH)


def test_projection_adds_the_inner_product_with_the_classs_vector(tf):
    """D(x, y) = w . phi + b + e(y) . phi."""
    import keras

    network = make_discriminator("projection")
    images, labels = images_and_labels(tf)
    last = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)][-1]
    phi = keras.Model(network.input["image"], last.input)(images).numpy().astype(np.float64)
    last.bias.assign([0.3])
    weights, bias = (value.astype(np.float64) for value in last.get_weights())
    vectors = embedding_of(network).get_weights()[0].astype(np.float64)[labels.numpy()]
    expected = phi @ weights[:, 0] + bias[0] + (vectors * phi).sum(axis=1)
    logits = network({"image": images, "label": labels})
    np.testing.assert_allclose(logits[:, 0], expected, rtol=1e-4, atol=1e-6)


def test_concatenation_lays_the_classs_plane_beside_the_image(tf):
    """The network is one without labels on an image whose last channel is the class's."""
    import keras

    network = make_discriminator("concatenation")
    images, labels = images_and_labels(tf)
    vectors = embedding_of(network).get_weights()[0]
    assert vectors.shape == (CLASSES, 64)
    planes = vectors[labels.numpy()].reshape(-1, 8, 8, 1)
    both = np.concatenate([images, planes], axis=3)
    first = next(layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D))
    behind = keras.Model(first.input, network.output)
    logits = network({"image": images, "label": labels})
    np.testing.assert_allclose(logits, behind(both), atol=1e-6)


def test_the_classifiers_logits_are_of_the_features_that_judge(tf):
    import keras

    network = make_discriminator("classifier")
    images, _ = images_and_labels(tf)
    judge, text = (layer for layer in network.layers if isinstance(layer, keras.layers.Dense))
    assert judge.input is text.input
    phi = keras.Model(network.input["image"], text.input)(images).numpy()
    logits, class_logits = network({"image": images})
    assert logits.shape == (6, 1)
    np.testing.assert_allclose(class_logits, phi @ text.get_weights()[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_another_label_changes_images_and_logits(tf, condition):
    game, batch, source = make_step(tf, "cgan", condition=condition)
    network, other = game.generators["generator"], (batch["label"] + 1) % CLASSES
    latents = source.latents(6, "normal")
    one, two = (network({"latents": latents, "label": x}) for x in (batch["label"], other))
    assert np.all(np.abs(one - two).max(axis=(1, 2, 3)) > 1e-6)
    one, two = (game.discriminator_fn({**batch, "label": x}) for x in (batch["label"], other))
    assert np.all(np.abs(one - two) > 1e-9)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_judge_sees_the_labels_of_the_batch(tf, condition):
    game, batch, _ = make_step(tf, "cgan", condition=condition)
    expected = game.networks["discriminator"](
        {"image": batch["image"], "label": batch["label"]}, training=False
    )
    np.testing.assert_array_equal(game.discriminator_fn(batch), expected)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_fakes_are_made_and_judged_under_the_labels_of_their_rows(tf, condition):
    """Both losses by hand, from the networks' outputs for (image, label)."""
    game, batch, source = make_step(tf, "cgan", condition=condition, r1_weight=0.0)
    generator, judge = game.networks["generator"], game.networks["discriminator"]
    shared = game.forward(batch, source)
    latents = source.latents(6, "normal")
    fakes = generator({"latents": latents, "label": batch["label"]}, training=True)
    np.testing.assert_allclose(shared["fake"], fakes, atol=1e-6)
    real, fake = (
        judge({"image": x, "label": batch["label"]})[:, 0] for x in (batch["image"], fakes)
    )
    losses = [player.loss(shared, source)[0] for player in game.players]
    np.testing.assert_allclose(losses[0], tf.nn.softplus(-real) + tf.nn.softplus(fake), atol=1e-6)
    np.testing.assert_allclose(losses[1], tf.nn.softplus(-fake), atol=1e-6)


def test_the_penalty_is_taken_under_the_labels(tf):
    """It adds 3 / 2 |grad D(x, y)|^2 at the real images."""
    plain, weighted = (make_step(tf, "cgan", r1_weight=weight) for weight in (0.0, 3.0))
    losses = []
    for game, batch, source in (plain, weighted):
        losses.append(game.players[0].loss(game.forward(batch, source), source)[0])
    judge, (_, batch, _) = plain[0].networks["discriminator"], plain
    with tf.GradientTape() as tape:
        tape.watch(batch["image"])
        logits = tf.reduce_sum(judge(batch))
    gradient = tape.gradient(logits, batch["image"])
    norm = tf.reduce_sum(gradient**2, axis=(1, 2, 3))
    np.testing.assert_allclose(losses[1] - losses[0], 1.5 * norm, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("name", ["cgan", "acgan", "text2image"])
def test_batch_norm_in_the_discriminator_excludes_the_penalty(tf, name):
    with pytest.raises(evaluation.InputError, match="discriminator_norm=batch mixes"):
        config.make_model_config(models.load(name).Config, {"discriminator_norm": "batch"}, name)


def export_with_shares(tf, game, data, shares, folder):
    import dataclasses

    from gantf.generation import export

    game = dataclasses.replace(game, label_fractions=shares)
    (path,) = export.save(game, config.RunConfig(model="cgan"), data.spec, 0, folder)
    return evaluation.open_source(path).sample(400).images


def test_an_export_is_drawn_from_with_the_classes_shares(tf, tmp_path):
    """Each image is the one of its latents and of one class, which comes as often as it should."""
    from gantf.distribute import strategies

    data = make_data("cgan", SHAPE)
    game = make_game(strategies.make("one-device"), "cgan", data)
    sets = {}
    for name, shares in {"a": (1.0, 0.0), "b": (0.0, 1.0), "both": (0.3, 0.7)}.items():
        sets[name] = export_with_shares(tf, game, data, shares, tmp_path / name)
    is_a, is_b = (np.all(sets["both"] == sets[name], axis=(1, 2, 3)) for name in "ab")
    assert np.all(is_a | is_b)
    told_apart = ~(is_a & is_b)
    assert told_apart.mean() > 0.9
    share = is_b[told_apart].mean()
    assert abs(share - 0.7) < 4 * (0.21 / told_apart.sum()) ** 0.5


@pytest.mark.parametrize("name", ["cgan", "acgan", "text2image"])
@pytest.mark.parametrize(
    ("sub_folders", "message"),
    [((), "its images have no labels"), (("cats",), "has one class, 'cats'")],
)
def test_data_without_two_classes_are_refused(tf, tmp_path, name, sub_folders, message):
    for sub_folder in sub_folders or (".",):
        folder = tmp_path / "images" / sub_folder
        folder.mkdir(parents=True)
        for number in range(4):
            Image.fromarray(np.full((8, 8, 3), 60 * number, np.uint8)).save(
                folder / f"{number}.png"
            )
    words = ["train", "--model", name, "--data", f"folder:{tmp_path / 'images'}"]
    result = CliRunner().invoke(main, [*words, "--run-dir", str(tmp_path / "run")])
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert "gan" in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()

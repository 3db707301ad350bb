"""The two translators of `cyclegan`: its losses by hand, its weights, its data."""

import numpy as np
import pytest
from PIL import Image

from evaluation import Images, InputError
from gantf import config, models
from tests.games import BATCH, SIDE, make_data, make_game, make_run, run_steps, weights


def first_batch(tf, data):
    from gantf.data import pipeline

    dataset = pipeline.make_dataset(data.sets, 0, BATCH)(tf.distribute.InputContext())
    return pipeline.as_floats(next(iter(dataset)))


def losses_of(tf, game, batch):
    """Returns each player's loss and observed values at the first step, without an update."""
    from gantf import noise

    source = noise.of_step(0, tf.constant(0, tf.int64), BATCH)
    with noise.scope(source):
        shared = game.forward(batch, source)
        return {player.name: player.loss(shared, source) for player in game.players}


def by_hand(game, batch):
    """Computes the published losses in NumPy from the networks' outputs, one value per example."""
    a, b = batch["a"].numpy(), batch["b"].numpy()

    def through(name, images):
        return game.networks[name]({"image": images}).numpy()

    def mean(values):
        return values.reshape(len(values), -1).mean(axis=1)

    fake_a, fake_b = through("b2a", b), through("a2b", a)
    errors = {
        "cycle/a": mean(np.abs(through("b2a", fake_b) - a)),
        "cycle/b": mean(np.abs(through("a2b", fake_a) - b)),
        "identity/a": mean(np.abs(through("b2a", a) - a)),
        "identity/b": mean(np.abs(through("a2b", b) - b)),
    }
    judged = {
        name: {
            "real": through(f"discriminator_{name}", real),
            "fake": through(f"discriminator_{name}", fake),
        }
        for name, real, fake in (("a", a, fake_a), ("b", b, fake_b))
    }
    fooling = sum(mean((logits["fake"] - 1) ** 2) / 2 for logits in judged.values())
    text = {
        f"discriminator_{name}": mean((logits["real"] - 1) ** 2 + logits["fake"] ** 2) / 2
        for name, logits in judged.items()
    }
    return errors, fooling, text


@pytest.mark.parametrize(("cycle_weight", "identity_weight"), [(7.0, 3.0), (0.0, 3.0), (7.0, 0.0)])
def test_the_losses_are_the_published_sums(tf, cycle_weight, identity_weight):
    """At the first step, when the pools still return the newest fakes."""
    from gantf.distribute import strategies

    data = make_data("cyclegan")
    game = make_game(
        strategies.make("one-device"),
        "cyclegan",
        data,
        cycle_weight=cycle_weight,
        identity_weight=identity_weight,
        pool_images=50,
    )
    batch = first_batch(tf, data)
    errors, fooling, text = by_hand(game, batch)
    result = losses_of(tf, game, batch)
    loss, observed = result["generator"]
    cycle, identity = (errors[f"{kind}/a"] + errors[f"{kind}/b"] for kind in ("cycle", "identity"))
    expected = fooling + cycle_weight * cycle + identity_weight * identity
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert ("identity/a" in observed) == (identity_weight > 0)
    for name, error in observed.items():
        np.testing.assert_allclose(error, errors[name], rtol=1e-5)
    for name, expected in text.items():
        np.testing.assert_allclose(result[name][0], expected, rtol=1e-4)


def test_a_pool_shows_discriminators_earlier_fakes(tf):
    """Both pools fill with the fakes that were made before each update, and count them."""
    from gantf.distribute import strategies

    strategy, data = strategies.make("one-device"), make_data("cyclegan")
    game = make_game(strategy, "cyclegan", data, pool_images=6)
    batch = first_batch(tf, data)
    fakes = {
        domain: game.networks[way]({"image": batch[origin]}).numpy()
        for domain, way, origin in (("a", "b2a", "b"), ("b", "a2b", "a"))
    }
    run = make_run(tf, strategy, game, data)
    run(1)
    for domain, fake in fakes.items():
        pool = game.networks[f"pool_{domain}"]
        assert int(pool.kept) == BATCH
        np.testing.assert_allclose(pool.images.numpy()[:BATCH], fake, atol=1e-5)
    run(1, first_step=1)
    assert int(game.networks["pool_a"].kept) == 6
    none = make_game(strategy, "cyclegan", data, pool_images=0)
    assert not any(name.startswith("pool") for name in none.networks)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("loss", "hinge"),
        ("r1_weight", 1.0),
        ("instance_noise", 0.5),
        ("label_smoothing", 0.2),
        ("spectral_norm", True),
        ("generator_channels", 3),
        ("discriminator_channels", 3),
        ("discriminator_norm", "batch"),
        ("discriminator_layers", 2),
        ("residual_blocks", 2),
        ("input_skip", False),
    ],
)
def test_every_setting_of_networks_and_losses_changes_a_loss(tf, setting, value, usual_losses):
    from gantf.distribute import strategies

    data = make_data("cyclegan")
    game = make_game(strategies.make("one-device"), "cyclegan", data, **{setting: value})
    changed = losses_of(tf, game, first_batch(tf, data))
    assert any(not np.array_equal(loss, usual_losses[name]) for name, (loss, _) in changed.items())


@pytest.fixture(scope="module")
def usual_losses(tf):
    """Each player's loss at the first step, with the default settings."""
    from gantf.distribute import strategies

    data = make_data("cyclegan")
    game = make_game(strategies.make("one-device"), "cyclegan", data)
    return {
        name: loss.numpy() for name, (loss, _) in losses_of(tf, game, first_batch(tf, data)).items()
    }


def test_every_setting_of_the_moves_reaches_the_players(tf):
    from gantf.distribute import strategies

    settings = {"clip_norm": 0.5, "accumulation": 2, "optimizer": "sgd"}
    rates = {"generator_learning_rate": 0.25, "discriminator_learning_rate": 0.125}
    game = make_game(strategies.make("one-device"), "cyclegan", **settings, **rates)
    assert game.accumulation == 2
    assert [player.name for player in game.players] == [
        "generator",
        "discriminator_a",
        "discriminator_b",
    ]
    assert [float(player.optimizer.learning_rate) for player in game.players] == [
        0.25,
        0.125,
        0.125,
    ]
    assert all(player.clip_norm == 0.5 for player in game.players)
    assert {type(player.optimizer).__name__ for player in game.players} == {"SGD"}


def test_an_average_is_sampled_where_one_is_asked_for(tf):
    from gantf.distribute import strategies

    strategy, data = strategies.make("one-device"), make_data("cyclegan")
    game = make_game(strategy, "cyclegan", data, ema_half_life_images=1000)
    assert game.generators["a2b"] is game.networks["a2b_average"]
    before = weights(game)
    run_steps(tf, strategy, game, data, 3)
    moved = {
        name for name, value in weights(game).items() if not np.array_equal(value, before[name])
    }
    assert {name.partition("/")[0] for name in moved} >= {"a2b_average", "b2a_average"}


def test_the_rate_falls_to_nothing_at_the_last_step_by_default(tf):
    module = models.load("cyclegan")
    settings = module.Config()
    assert settings.schedule_until_step == models.defaults(module).steps
    from gantf.distribute import strategies

    game = make_game(strategies.make("one-device"), "cyclegan")
    for player in game.players:
        rate = player.optimizer.learning_rate
        player.optimizer.iterations.assign(settings.schedule_until_step)
        assert float(player.optimizer.learning_rate) == 0
        player.optimizer.iterations.assign(settings.schedule_from_step)
        assert float(player.optimizer.learning_rate) == pytest.approx(float(rate))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((SIDE, SIDE, 1), (SIDE, SIDE, 3)), "identity_weight=0"),
        (((SIDE, 24, 3), (SIDE, SIDE, 3)), "16 x 24 and of 16 x 16 pixels.*--size"),
    ],
)
def test_domains_that_do_not_fit_are_refused(tf, shapes, message):
    from gantf.data.loading import TrainingData
    from gantf.distribute import strategies
    from gantf.game import DataSpec

    a, b = (np.zeros((6, *shape), np.uint8) for shape in shapes)
    spec = DataSpec(shapes[1], input_shape=shapes[0])
    data = TrainingData(({"a": a}, {"b": b}), spec, "two", "")
    with pytest.raises(InputError, match=message):
        make_game(strategies.make("one-device"), "cyclegan", data)


def test_domains_of_different_channels_train_without_identity(tf):
    from gantf.data.loading import TrainingData
    from gantf.distribute import strategies
    from gantf.game import DataSpec

    shapes = (SIDE, SIDE, 1), (SIDE, SIDE, 3)
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (6, *shape), np.uint8) for shape in shapes)
    data = TrainingData(({"a": a}, {"b": b}), DataSpec(shapes[1], input_shape=shapes[0]), "two", "")
    strategy = strategies.make("one-device")
    game = make_game(strategy, "cyclegan", data, identity_weight=0.0)
    _, fault = run_steps(tf, strategy, game, data, 1)
    assert fault == -1
    assert game.generators["a2b"].output.shape[-1] == 3
    assert game.generators["b2a"].output.shape[-1] == 1


def test_batch_norm_in_discriminators_has_no_gradient_penalty(tf):
    wanted = {"discriminator_norm": "batch", "r1_weight": "1"}
    with pytest.raises(InputError, match="r1_weight"):
        config.make_model_config(models.load("cyclegan").Config, wanted, "cyclegan")


class TestDomains:
    """Tests of the sources of the two domains."""

    def test_two_folders_of_unequal_sizes(self, tf, tmp_path):
        """Images of the smaller folder repeat before the larger folder is used up."""
        from gantf.data import loading
        from gantf.distribute import strategies

        for name, count in (("A", 7), ("B", 3)):
            (tmp_path / name).mkdir()
            for number in range(count):
                pixels = np.full((SIDE, SIDE, 3), 10 * number, np.uint8)
                Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
        read = loading.load(f"folder:{tmp_path / 'A'},folder:{tmp_path / 'B'}", "domains")
        assert [len(next(iter(rows.values()))) for rows in read.sets] == [7, 3]
        assert read.held_out is None
        strategy = strategies.make("one-device")
        game = make_game(strategy, "cyclegan", read)
        _, fault = run_steps(tf, strategy, game, read, 2)
        assert fault == -1

    def test_tfdss_sets_of_two_domains_are_read_by_their_splits(self, tf, monkeypatch):
        import evaluation
        from gantf.data import loading

        asked = []

        def load_images(name, split, size_px, skip_corrupt, retry):
            asked.append((name, split, size_px))
            pixels = np.full((2 + len(asked), 8, 8, 3), len(asked), np.uint8)
            return Images(pixels, None, (), f"{name}:{split}")

        monkeypatch.setattr(evaluation, "load_images", load_images)
        read = loading.load("cycle_gan/horse2zebra", "domains", 8)
        splits = ["trainA", "trainB", "testA", "testB"]
        assert asked == [("cycle_gan/horse2zebra", split, 8) for split in splits]
        assert (read.sets[0]["a"][0, 0, 0, 0], read.sets[1]["b"][0, 0, 0, 0]) == (1, 2)
        held_out = read.held_out.sets
        assert (held_out[0]["a"][0, 0, 0, 0], held_out[1]["b"][0, 0, 0, 0]) == (3, 4)

    def test_the_two_classes_of_one_set(self, tf):
        from gantf.data import loading

        read = loading.load("photo_patches", "domains")
        assert read.spec.class_names == ("china", "flower")
        assert [len(next(iter(rows.values()))) for rows in read.sets] == [2850, 2850]
        assert [len(next(iter(rows.values()))) for rows in read.held_out.sets] == [850, 850]

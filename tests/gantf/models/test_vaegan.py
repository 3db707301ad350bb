"""VAE-GAN: its divergence, its distance, and which loss moves whom."""

import numpy as np
import pytest
from scipy import stats

from tests import games
from tests.games import BATCH, make_data, make_game, run_steps

SIDE = 8
SHAPE = (SIDE, SIDE, 1)
PLAYERS = ("encoder", "generator", "discriminator")


@pytest.fixture
def one(tf):
    from gantf.distribute import strategies

    return strategies.make("one-device")


@pytest.fixture
def data():
    return make_data("vaegan", SHAPE)


def observe(tf, game, step=3):
    """By player: the loss per example, what it observed, and its gradients; and what is shared."""
    from gantf import noise

    source = noise.of_step(0, tf.constant(step, tf.int64), BATCH)
    pixels = np.random.default_rng(1).uniform(-1.0, 1.0, (BATCH, *SHAPE)).astype(np.float32)
    result = {}
    with tf.GradientTape(persistent=True) as tape, noise.scope(source):
        shared = game.forward({"image": tf.constant(pixels)}, source)
        for player in game.players:
            loss, seen = player.loss(shared, source)
            variables = [v.value for v in player.trainable_variables]
            with tape.stop_recording():
                gradients = [g.numpy() for g in tape.gradient(loss, variables)]
                result[player.name] = loss.numpy(), seen, gradients
    return result, shared


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_divergence_against_numpy_and_scipy(tf):
    """In closed form: 0 for the prior itself, and one number by hand."""
    from gantf.models import vaegan

    rng = np.random.default_rng(0)
    means, logs = rng.normal(size=(2, 5, 7)).astype(np.float32)
    expected = 0.5 * (means**2 + np.exp(logs) - 1 - logs).sum(axis=1)
    np.testing.assert_allclose(vaegan.divergence(means, logs), expected, rtol=1e-5)
    np.testing.assert_allclose(vaegan.divergence(tf.zeros((2, 3)), tf.zeros((2, 3))), 0.0)
    by_hand = vaegan.divergence(tf.constant([[2.0]]), tf.constant([[2 * np.log(3.0)]], tf.float32))
    np.testing.assert_allclose(by_hand, [0.5 * (4 + 9 - 1) - np.log(3.0)], rtol=1e-6)


def test_divergence_against_monte_carlo(tf):
    """The mean of log q(z) - log p(z) over draws of q, within 5 standard errors."""
    from gantf.models import vaegan

    means, deviations = np.array([0.5, -1.0, 0.0]), np.array([0.7, 1.5, 1.0])
    draws = np.random.default_rng(0).normal(means, deviations, (200_000, 3))
    ratios = (stats.norm.logpdf(draws, means, deviations) - stats.norm.logpdf(draws)).sum(axis=1)
    made = vaegan.divergence(
        tf.constant(means[None], tf.float32), tf.constant(2 * np.log(deviations)[None], tf.float32)
    )
    error = ratios.std() / len(draws) ** 0.5
    assert abs(float(made[0]) - ratios.mean()) < 5 * error


def test_distance_is_half_the_squared_error_of_the_features(tf, one, data):
    game = make_game(one, "vaegan", data)
    _, shared = observe(tf, game)
    judge = game.networks["discriminator"]
    wanted, made = (judge({"image": shared[k]})[1].numpy() for k in ("image", "reconstruction"))
    np.testing.assert_allclose(
        shared["distance"], 0.5 * np.square(wanted - made).sum(axis=1), rtol=1e-5
    )


def test_codes_are_drawn_from_the_encoders_law(tf, one, data):
    """The means where the variances vanish; elsewhere means + deviation * the noise by its name."""
    from gantf import noise

    game = make_game(one, "vaegan", data, encoder_norm="none", generator_norm="none")
    encoder, generator = game.networks["encoder"], game.networks["generator"]
    _, shared = observe(tf, game)
    means, logs = encoder({"image": shared["image"]})
    drawn = noise.of_step(0, tf.constant(3, tf.int64), BATCH).normal("codes", (6,))
    made = generator({"latents": means + tf.exp(0.5 * logs) * drawn})
    np.testing.assert_allclose(shared["reconstruction"], made, atol=1e-6)
    for variable in encoder.trainable_variables[-2:]:
        variable.assign(tf.fill(variable.shape, 0.0))
    encoder.trainable_variables[-1].assign(tf.fill((6,), -80.0))
    _, shared = observe(tf, game)
    means, logs = encoder({"image": shared["image"]})
    assert np.all(logs == -80.0)
    made = generator({"latents": means})
    np.testing.assert_allclose(shared["reconstruction"], made, atol=1e-6)


def test_each_loss_holds_what_algorithm_1_says(tf, one, data):
    """Encoder: prior and reconstruction; generator: gamma * reconstruction and the GAN's."""
    settings = {"kl_weight": 0.7, "reconstruction_weight": 0.3}
    result, shared = observe(tf, make_game(one, "vaegan", data, **settings))
    expected = 0.7 * shared["divergence"] + shared["distance"]
    np.testing.assert_allclose(result["encoder"][0], expected, rtol=1e-6)
    plain, _ = observe(
        tf, make_game(one, "vaegan", data, **{**settings, "reconstruction_weight": 0})
    )
    np.testing.assert_allclose(
        result["generator"][0], plain["generator"][0] + 0.3 * shared["distance"], rtol=1e-5
    )


@pytest.mark.parametrize(
    ("settings", "moved"),
    [
        ({"reconstruction_weight": 5.0}, ("generator",)),
        ({"kl_weight": 5.0}, ("encoder",)),
        ({"loss": "hinge"}, ("discriminator", "generator")),
        ({"r1_weight": 7.0}, ("discriminator",)),
        ({"label_smoothing": 0.2}, ("discriminator",)),
        ({"instance_noise": 0.5}, ("discriminator", "generator")),
    ],
    ids=str,
)
def test_a_term_is_in_the_gradients_of_those_whose_it_is_alone(tf, one, data, settings, moved):
    before, _ = observe(tf, make_game(one, "vaegan", data))
    after, _ = observe(tf, make_game(one, "vaegan", data, **settings))
    changed = {name for name in PLAYERS if not same(before[name][2], after[name][2])}
    assert changed == set(moved)


def test_the_discriminator_and_the_generator_meet_both_kinds_of_fakes(tf, one, data):
    """Their losses are the closed forms of the logits; the real ones count against each kind."""
    game = make_game(one, "vaegan", data, r1_weight=0.0, reconstruction_weight=0.5)
    result, shared = observe(tf, game)
    judge = game.networks["discriminator"]
    logits = {k: judge({"image": shared[k]})[0][:, 0] for k in ("image", "fake", "reconstruction")}
    fakes = logits["fake"], logits["reconstruction"]
    expected = sum(tf.nn.softplus(-logits["image"]) + tf.nn.softplus(fake) for fake in fakes)
    np.testing.assert_allclose(result["discriminator"][0], expected, rtol=1e-5)
    expected = sum(tf.nn.softplus(-fake) for fake in fakes) + 0.5 * shared["distance"]
    np.testing.assert_allclose(result["generator"][0], expected, rtol=1e-5)


def test_penalties_are_taken_once(tf, one, data):
    """The loss with R1 is the loss without plus the weight times R1."""
    plain, _ = observe(tf, make_game(one, "vaegan", data, r1_weight=0.0))
    result, _ = observe(tf, make_game(one, "vaegan", data, r1_weight=2.0))
    penalty = result["discriminator"][1]["discriminator/r1_penalty"]
    assert np.all(penalty.numpy() > 0)
    np.testing.assert_allclose(
        result["discriminator"][0], plain["discriminator"][0] + 2.0 * penalty, rtol=1e-5
    )


@pytest.mark.parametrize("half_life_images", [0, 50])
def test_what_encodes_belongs_to_what_is_sampled(tf, one, data, half_life_images):
    """Both are averages, or neither is."""
    game = make_game(one, "vaegan", data, ema_half_life_images=half_life_images)
    run_steps(tf, one, game, data, 3)
    suffix = "_average" if half_life_images else ""
    encoder, generator = (game.networks[f"{name}{suffix}"] for name in ("encoder", "generator"))
    assert game.generators["generator"] is generator
    images = np.random.default_rng(2).uniform(-1, 1, (3, *SHAPE)).astype(np.float32)
    latents = game.encoder({"image": images}, training=False)
    assert latents.shape == (3, game.latents.dim)
    np.testing.assert_array_equal(latents, encoder({"image": images}, training=False)[0])
    if half_life_images:
        trained = game.networks["encoder"]({"image": images}, training=False)[0]
        assert not np.array_equal(latents, trained)


@pytest.mark.parametrize(
    "change",
    games.one_in_three(
        [
            {"latent_dim": 5},
            {"kl_weight": 0.5},
            {"reconstruction_weight": 2.0},
            {"encoder_channels": 5},
            {"encoder_norm": "none"},
            {"encoder_learning_rate": 1e-2},
            {"network": "mlp"},
            {"network": "resnet"},
            {"generator_norm": "layer"},
            {"discriminator_norm": "layer"},
            {"spectral_norm": True},
            {"ada_target": 0.01},
            {"diffaugment": "translation"},
            {"loss": "relativistic"},
            {"label_flips": 0.3},
            {"ema_half_life_images": 0},
        ]
    ),
    ids=str,
)
def test_each_setting_has_an_effect(tf, change):
    base = games.QUICK_ADA if "ada_target" in change else {}
    assert games.has_effect(tf, "vaegan", change, base)


@pytest.mark.parametrize("network", ["dcgan", "resnet", "mlp"])
def test_features_know_the_places_of_an_image(tf, network):
    """A shifted image has other features, also where the logits take the mean over all places."""
    from gantf.models import vaegan
    from gantf.networks import encoder

    config = vaegan.Config(network=network, discriminator_channels=4)
    made = encoder.discriminator(config, (16, 16, 1), False, 0)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 1)).astype(np.float32)
    logits, features = made({"image": image})
    assert logits.shape == (1, 1)
    sides = {"dcgan": 16 * 4 * 4, "resnet": 16 * 4 * 4, "mlp": 64}[network]
    assert features.shape == (1, sides)
    other = made({"image": image[:, ::-1]})[1]
    assert np.abs(features - other).max() > 1e-3


def test_the_encoder_starts_from_other_weights_than_the_discriminator(tf, one, data):
    game = make_game(one, "vaegan", data)
    kernels = [game.networks[name].trainable_variables[0].numpy() for name in PLAYERS[::2]]
    assert kernels[0].shape == kernels[1].shape
    assert not np.array_equal(*kernels)


def test_batch_norm_and_a_penalty_are_refused():
    from evaluation import InputError
    from gantf.config import make_model_config
    from gantf.models import vaegan

    with pytest.raises(InputError, match="mixes the images of a batch"):
        make_model_config(vaegan.Config, {"discriminator_norm": "batch"}, "vaegan")

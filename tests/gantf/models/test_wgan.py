"""The Wasserstein GAN: how its critic moves, what bounds it, and what it estimates."""

import numpy as np
import pytest

from evaluation import InputError
from gantf import config, models
from tests import games
from tests.games import make_data, make_game, make_run, run_steps


@pytest.fixture
def strategy(tf):
    from gantf.distribute import strategies

    return strategies.make("one-device")


def test_the_critic_moves_n_times_on_fresh_batches(tf, strategy):
    game = make_game(strategy, "wgan", n_critic=3)
    assert game.batches_per_step == 3
    run_steps(tf, strategy, game, make_data("wgan"), 4)
    critic, generator = game.players
    assert int(critic.optimizer.iterations) == 12
    assert int(generator.optimizer.iterations) == 4


def test_clipping_bounds_every_weight_of_the_critic_and_no_other(tf, strategy):
    game = make_game(strategy, "wgan", lipschitz="clipping", weight_limit=0.02)
    logged, _ = run_steps(tf, strategy, game, make_data("wgan"), 3)
    largest = [np.abs(v.numpy()).max() for v in game.networks["critic"].trainable_variables]
    assert max(largest) <= 0.02
    others = [np.abs(v.numpy()).max() for v in game.networks["generator"].trainable_variables]
    assert max(others) > 0.02
    assert "critic/gradient_penalty" not in logged


def test_the_estimate_is_the_mean_critic_of_real_less_that_of_fake(tf, strategy):
    game = make_game(strategy, "wgan")
    logged, _ = run_steps(tf, strategy, game, make_data("wgan"), 3)
    expected = logged["logit/real"] - logged["logit/fake"]
    np.testing.assert_allclose(logged["wasserstein"], expected, rtol=1e-4, atol=1e-5)


def test_the_critics_loss_is_the_negative_estimate_and_the_penalty(tf, strategy):
    game = make_game(strategy, "wgan", gradient_penalty_weight=7.0)
    logged, _ = run_steps(tf, strategy, game, make_data("wgan"), 3)
    expected = -logged["wasserstein"] + 7.0 * logged["critic/gradient_penalty"]
    np.testing.assert_allclose(logged["critic/loss"], expected, rtol=1e-4)


@pytest.mark.slow
def test_the_estimate_falls_as_samples_improve(tf, strategy):
    """On real digits, the last estimate is less than half of the largest one."""
    from gantf.data import loading
    from gantf.game import build_game

    module = models.load("wgan")
    read = loading.load("digits", "images")
    settings = module.Config(generator_channels=16, discriminator_channels=16)
    with strategy.scope():
        game = build_game(module, settings, read.spec, 0)
    run = make_run(tf, strategy, game, read, batch_size=32, eagerly=False)
    estimates = [run(50, first)[0]["wasserstein"] for first in range(0, 300, 50)]
    assert estimates[-1] < max(estimates) / 2


CHANGES = [
    {"n_critic": 3},
    {"lipschitz": "clipping"},
    {"lipschitz": "clipping", "weight_limit": 0.005},
    {"gradient_penalty_weight": 1.0},
    {"r1_weight": 1.0},
    {"generator_learning_rate": 1e-3},
    {"discriminator_learning_rate": 1e-3},
    {"beta_2": 0.5},
    {"ada_target": 0.01},
    {"instance_noise": 0.1},
]


@pytest.mark.parametrize("change", games.one_in_three(CHANGES), ids=str)
def test_its_settings_have_an_effect(tf, change):
    bases = {
        "weight_limit": {"lipschitz": "clipping"},
        "ada_target": games.QUICK_ADA,
    }
    base = next((bases[name] for name in change if name in bases), {})
    assert games.has_effect(tf, "wgan", change, base)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gradient_penalty_weight": 0.0}, "leaves the critic unbounded"),
        ({"discriminator_norm": "batch"}, "mixes the images of a batch"),
    ],
)
def test_settings_without_meaning_are_refused(tf, settings, message):
    with pytest.raises(InputError, match=message):
        config.make_model_config(models.load("wgan").Config, settings, "wgan")


def test_a_clipped_critic_may_have_batch_norm(tf):
    settings = {"discriminator_norm": "batch", "lipschitz": "clipping"}
    made = config.make_model_config(models.load("wgan").Config, settings, "wgan")
    assert made.discriminator_norm == "batch"

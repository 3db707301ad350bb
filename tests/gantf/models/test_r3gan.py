"""R3GAN: its loss and penalties, its schedule, its blocks."""

import numpy as np
import pytest

from tests import games
from tests.games import make_data, make_game, run_steps


@pytest.fixture
def strategy(tf):
    from gantf.distribute import strategies

    return strategies.make("one-device")


def test_a_grouped_convolution_is_one_convolution_for_each_group(tf):
    from gantf.layers.grouped import GroupedConv2D

    rng = np.random.default_rng(0)
    images = tf.constant(rng.standard_normal((2, 5, 6, 8)), tf.float32)
    layer = GroupedConv2D(12, 3, padding="same", groups=4)
    made = layer(images).numpy()
    kernels = np.split(layer.kernel.numpy(), 4, axis=-1)
    parts = [
        tf.nn.conv2d(part, kernel, 1, "SAME").numpy()
        for part, kernel in zip(np.split(images.numpy(), 4, axis=-1), kernels, strict=True)
    ]
    np.testing.assert_allclose(made, np.concatenate(parts, axis=-1), atol=1e-5)


def test_every_block_starts_as_the_identity(tf):
    """The last convolution of a block is zero, so that blocks change nothing at the start."""
    from gantf.networks import r3gan

    latents = tf.constant(np.random.default_rng(0).standard_normal((3, 6)), tf.float32)
    images = [
        r3gan.generator((16, 16, 3), 6, 8, blocks, 4, seed=0)({"latents": latents}).numpy()
        for blocks in (1, 3)
    ]
    np.testing.assert_array_equal(images[0], images[1])


def test_channels_that_groups_do_not_divide_are_refused(tf):
    from gantf.networks import r3gan

    with pytest.raises(ValueError, match="group_channels=16 does not divide the 24 channels"):
        r3gan.generator((16, 16, 3), 6, 12, 1, 16, seed=0)


def test_the_logged_losses_are_the_pairing_loss_and_both_penalties(tf, strategy):
    game = make_game(
        strategy,
        "r3gan",
        r1_weight=3.0,
        r2_weight=5.0,
        schedule="constant",
        final_beta_2=None,
        final_learning_rate_fraction=1.0,
        optimizer="sgd",
        generator_learning_rate=1e-9,
        discriminator_learning_rate=1e-9,
    )
    data = make_data("r3gan")
    logged, _ = run_steps(tf, strategy, game, data, 1)
    from gantf import noise
    from gantf.data import pipeline

    dataset = pipeline.make_dataset(data.sets, 0, 4)(tf.distribute.InputContext())
    batch = pipeline.as_floats(next(iter(dataset)))
    source = noise.of_step(0, tf.constant(0, tf.int64), 4)
    fake = game.forward(batch, source)["fake"]
    judge = game.networks["discriminator"]
    gap = (judge({"image": fake}) - judge({"image": batch["image"]})).numpy()[:, 0]
    penalties = 3.0 * logged["discriminator/r1_penalty"] + 5.0 * logged["discriminator/r2_penalty"]
    expected = np.log1p(np.exp(gap)).mean() + penalties
    np.testing.assert_allclose(logged["discriminator/loss"], expected, rtol=1e-4)
    np.testing.assert_allclose(logged["generator/loss"], np.log1p(np.exp(-gap)).mean(), rtol=1e-4)


def test_the_penalties_weights_go_along_the_schedule(tf):
    """Half a cosine from 1 to the final share: 1, (1 + s) / 2 in the middle, s."""
    from gantf import models

    module = models.load("r3gan")
    settings = module.Config(final_penalty_fraction=0.2, schedule_until_step=100)
    share = module._penalty_factor(settings)
    values = [float(share(tf.constant(step, tf.int64))) for step in (0, 50, 100, 500)]
    np.testing.assert_allclose(values, [1.0, 0.6, 0.2, 0.2], rtol=1e-5)


CHANGES = [
    {"generator_channels": 8},
    {"discriminator_channels": 8},
    {"residual_blocks": 2},
    {"group_channels": 2},
    {"r1_weight": 3.0},
    {"r2_weight": 3.0},
    {"final_penalty_fraction": 3.0},
    {"final_beta_2": 0.5},
    {"beta_2": 0.5},
    {"final_learning_rate_fraction": 0.5},
    {"schedule_until_step": 30},
    {"generator_learning_rate": 1e-3},
    {"discriminator_learning_rate": 1e-3},
]


@pytest.mark.parametrize("change", games.one_in_three(CHANGES), ids=str)
def test_its_settings_have_an_effect(tf, change):
    assert games.has_effect(tf, "r3gan", change, {"schedule_until_step": 3})

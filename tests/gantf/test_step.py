"""The compiled step: who moves when, the averages, the replicas, and what is not finite."""

import numpy as np
import pytest

from gantf.config import make_model_config

SHAPE = (8, 8, 1)
BATCH = 8


def small_game(strategy, seed=0, **settings):
    from gantf import models
    from gantf.game import DataSpec

    model = models.load("gan")
    settings = {"generator_channels": 4, "discriminator_channels": 4, "latent_dim": 6, **settings}
    with strategy.scope():
        return model.build(make_model_config(model.Config, settings, "gan"), DataSpec(SHAPE), seed)


def images():
    return np.random.default_rng(0).integers(0, 256, (40, *SHAPE), dtype=np.uint8)


def run_steps(tf, strategy, game, count, data=None, seed=0):
    from gantf import batches, step

    compiled = step.make_steps(game, strategy, BATCH, seed)
    data = images() if data is None else data
    dataset = strategy.distribute_datasets_from_function(
        batches.make_dataset(data, None, seed, BATCH)
    )
    sums, fault = compiled.run(
        iter(dataset),
        tf.constant(0, tf.int64),
        tf.constant(count, tf.int64),
        tf.zeros(step.LOG_WIDTH),
        tf.constant(step.ALL_FINITE, tf.int64),
    )
    return dict(zip(compiled.names, sums.numpy() / count, strict=False)), int(fault)


def weights(game):
    return {name: variable.numpy() for name, variable in game.variables().items()}


LOSSES = ["minimax", "non_saturating", "least_squares", "hinge", "wasserstein", "relativistic"]
OPTIONS = [{"loss": loss} for loss in LOSSES] + [
    {"gradient_penalty_weight": 10.0, "loss": "wasserstein"},
    {"spectral_norm": True, "loss": "hinge"},
    {"diffaugment": "color,translation,cutout", "instance_noise": 0.1},
    {"discriminator_norm": "batch", "r1_weight": 0.0},
    {"discriminator_norm": "layer", "latent_law": "uniform"},
]


@pytest.mark.parametrize("settings", OPTIONS, ids=str)
def test_two_replicas_train_as_one(tf, settings):
    """After 20 SGD steps on the same global batches the weights agree as far as float32 goes.

    That is 1e-6 on most CPUs; with wider vectors, which sum in another order, layer norm has come
    to 2e-6. A loss that is scaled wrongly is off by more than 1e-3.
    """
    from gantf import strategies

    finals = []
    for name in ("one-device", "mirrored"):
        strategy = strategies.make(name)
        rates = {"generator_learning_rate": 0.01, "discriminator_learning_rate": 0.01}
        game = small_game(strategy, optimizer="sgd", **rates, **settings)
        before = weights(game)
        run_steps(tf, strategy, game, 20)
        finals.append(weights(game))
        moved = max(np.abs(finals[-1][n] - before[n]).max() for n in before if "kernel" in n)
        assert moved > 1e-5
    for name, value in finals[0].items():
        np.testing.assert_allclose(finals[1][name], value, atol=5e-6, err_msg=name)


def test_a_gradient_is_summed_over_replicas_once(tf):
    """With SGD at rate 1, D(x) = w x and the loss -D the first move brings w to the mean of x."""
    import keras

    from gantf import step, strategies
    from gantf.game import Game, Latents, Player

    for name in ("one-device", "mirrored"):
        strategy = strategies.make(name)
        with strategy.scope():
            inputs = keras.Input((1,))
            critic = keras.Model(
                inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(inputs)
            )
            optimizer = keras.optimizers.SGD(1.0)
            optimizer.build(critic.trainable_variables)

        def loss(batch, noise, critic=critic):
            return -critic(batch["x"])[:, 0], {}

        player = Player("critic", critic, loss, optimizer)
        game = Game({"critic": critic}, lambda b, n: b, (player,), critic, Latents(1, "normal"))
        compiled = step.make_steps(game, strategy, 4, 0)

        def rows(context):
            data = tf.data.Dataset.from_tensor_slices({"x": [[1.0], [2.0], [3.0], [6.0]]})
            return data.batch(4 // context.num_replicas_in_sync, drop_remainder=True).repeat()

        compiled.run(
            iter(strategy.distribute_datasets_from_function(rows)),
            tf.constant(0, tf.int64),
            tf.constant(1, tf.int64),
            tf.zeros(step.LOG_WIDTH),
            tf.constant(step.ALL_FINITE, tf.int64),
        )
        np.testing.assert_allclose(critic.get_weights()[0], [[3.0]], rtol=1e-6)


@pytest.mark.parametrize("still", ["generator", "discriminator"])
def test_a_players_move_changes_only_its_own_network(tf, still):
    """A player whose learning rate is next to nothing stays where it is while the other moves."""
    from gantf import strategies

    strategy = strategies.make("one-device")
    rates = {"generator_learning_rate": 10.0, "discriminator_learning_rate": 10.0}
    rates[f"{still}_learning_rate"] = 1e-30
    game = small_game(strategy, optimizer="sgd", generator_norm="none", **rates)
    before = weights(game)
    run_steps(tf, strategy, game, 3)
    after = weights(game)
    for name in before:
        network = name.split("/")[0]
        if "kernel" in name and network in ("generator", "discriminator"):
            assert np.array_equal(before[name], after[name]) == (network == still), name


def test_the_discriminator_moves_first_and_the_generator_meets_the_moved_one(tf):
    """By hand: both moves of one Wasserstein step with SGD, from the same fakes."""
    from gantf import batches, losses, noise, strategies

    strategy = strategies.make("one-device")
    settings = {
        "optimizer": "sgd",
        "loss": "wasserstein",
        "r1_weight": 0.0,
        "diffaugment": "none",
        "generator_norm": "none",
        "generator_learning_rate": 0.5,
        "discriminator_learning_rate": 0.5,
    }
    game, twin = small_game(strategy, **settings), small_game(strategy, **settings)
    run_steps(tf, strategy, game, 1)

    generator, discriminator = twin.networks["generator"], twin.networks["discriminator"]
    dataset = batches.make_dataset(images(), None, 0, BATCH)(tf.distribute.InputContext())
    real = next(iter(dataset))["image"]
    latents = noise.of_step(0, tf.constant(0, tf.int64), BATCH).latents(6, "normal")
    for network in (discriminator, generator):
        with tf.GradientTape() as tape:
            fake = generator(latents, training=True)
            fake_logits = discriminator(fake, training=True)
            if network is discriminator:
                real_logits = discriminator(real, training=True)
                loss = losses.discriminator_loss("wasserstein", real_logits, fake_logits)
            else:
                loss = losses.generator_loss("wasserstein", fake_logits, fake_logits)
            loss = tf.reduce_mean(loss)
        variables = [variable.value for variable in network.trainable_variables]
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(0.5 * gradient)
    for name in ("generator", "discriminator"):
        for a, b in zip(game.networks[name].weights, twin.networks[name].weights, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_critic_moves_n_times_on_fresh_batches(tf):
    """With updates_per_step = 3 a step consumes three batches and moves the critic three times."""
    import dataclasses

    from gantf import strategies

    strategy = strategies.make("one-device")
    game = small_game(strategy)
    critic = dataclasses.replace(game.players[0], updates_per_step=3)
    game = dataclasses.replace(game, players=(critic, game.players[1]))
    assert game.batches_per_step == 3
    run_steps(tf, strategy, game, 4)
    assert int(game.players[0].optimizer.iterations) == 12
    assert int(game.players[1].optimizer.iterations) == 4


def test_the_average_follows_its_half_life(tf):
    """One move: average = start + (1 - 0.5^(batch / half-life)) (moved - start)."""
    from gantf import strategies

    strategy = strategies.make("one-device")
    game = small_game(strategy, optimizer="sgd", generator_learning_rate=0.5)
    before = game.networks["generator_average"].get_weights()
    run_steps(tf, strategy, game, 1)
    moved = game.networks["generator"].get_weights()
    half_life = min(20_000, BATCH / 10)
    share = 1 - 0.5 ** (BATCH / half_life)
    for average, start, end in zip(
        game.networks["generator_average"].get_weights(), before, moved, strict=True
    ):
        np.testing.assert_allclose(average, start + share * (end - start), atol=1e-6)


def test_without_an_average_the_generator_itself_is_sampled(tf):
    from gantf import strategies

    game = small_game(strategies.make("one-device"), ema_half_life_images=0)
    assert game.generator is game.networks["generator"]
    assert "generator_average" not in game.networks


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_what_is_not_finite_is_named_by_step_and_player(tf, player):
    from gantf import step, strategies

    strategy = strategies.make("one-device")
    rate = {f"{player}_learning_rate": 1e30}
    game = small_game(strategy, loss="least_squares", optimizer="sgd", **rate)
    _, fault = run_steps(tf, strategy, game, 5)
    assert fault != step.ALL_FINITE
    at, name = step.where(fault, game)
    assert at <= 2
    # The step after a player's leap, the discriminator is the first to see what came of it.
    assert name in ("discriminator", "generator")


def test_a_healthy_run_has_no_fault_and_logs_what_it_says(tf):
    from gantf import step, strategies

    strategy = strategies.make("one-device")
    logged, fault = run_steps(tf, strategy, small_game(strategy), 5)
    assert fault == step.ALL_FINITE
    assert 0 < logged["D(x)"] < 1
    assert 0 < logged["discriminator/ranking"] < 1
    assert logged["discriminator/loss"] == pytest.approx(2 * np.log(2), rel=0.05)
    assert logged["generator/gradient_norm"] > 0


CHANGES = [
    {"loss": "hinge"},
    {"latent_law": "uniform"},
    {"generator_norm": "none"},
    {"discriminator_norm": "layer"},
    {"spectral_norm": True},
    {"optimizer": "sgd"},
    {"generator_learning_rate": 2e-3},
    {"discriminator_learning_rate": 2e-3},
    {"beta_1": 0.9},
    {"beta_2": 0.9},
    {"r1_weight": 9.0},
    {"gradient_penalty_weight": 10.0},
    {"label_smoothing": 0.2},
    {"instance_noise": 0.2},
    {"diffaugment": "color"},
    {"max_channels": 5},
    {"generator_channels": 5},
    {"discriminator_channels": 5},
    {"latent_dim": 7},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_each_setting_has_an_effect(tf, change):
    from gantf import strategies

    strategy = strategies.make("one-device")
    finals = []
    for settings in ({}, change):
        game = small_game(strategy, **settings)
        run_steps(tf, strategy, game, 2)
        networks = (game.networks["generator"], game.networks["discriminator"])
        finals.append([np.concatenate([w.ravel() for w in n.get_weights()]) for n in networks])
    assert not all(np.array_equal(a, b) for a, b in zip(*finals, strict=True))


def test_every_setting_is_among_those_tested():
    from gantf import models

    tested = {key for change in CHANGES for key in change} | {"ema_half_life_images"}
    assert tested == set(models.load("gan").Config.model_fields)

"""The compiled step: who moves when, the averages, the replicas, and what is not finite."""

import dataclasses

import numpy as np
import pytest

from tests import games
from tests.games import weights

BATCH = 8
RATES = {"generator_learning_rate": 0.1, "discriminator_learning_rate": 0.1}
LOW_RATES = {"generator_learning_rate": 0.01, "discriminator_learning_rate": 0.01}


def data():
    return games.make_data("gan", (8, 8, 1), count=40)


def small_game(strategy, **settings):
    return games.make_game(strategy, "gan", data(), **settings)


def run_steps(tf, strategy, game, count):
    return games.run_steps(tf, strategy, game, data(), count, BATCH)


OPTIONS = [
    {"loss": "relativistic", "accumulation": 2, "generator_norm": "none"},
    {"r2_weight": 1.0, "gradient_penalty_weight": 1.0, "penalty_every_steps": 2},
]
SLOW_OPTIONS = [
    {"loss": "least_squares", "clip_norm": 0.1},
    {"diffaugment": "color,translation,cutout", "instance_noise": 0.1},
    {"loss": "minimax", "label_smoothing": 0.1, "label_noise": 0.2, "label_flips": 0.2},
    {"loss": "non_saturating", "discriminator_norm": "batch", "r1_weight": 0.0},
    {"loss": "hinge", "spectral_norm": True},
    {"loss": "wasserstein", "gradient_penalty_weight": 10.0},
    {"discriminator_norm": "layer", "latent_distribution": "uniform", **LOW_RATES},
    {"ada_target": 0.01, "ada_images": 40},
    {"generator_dropout": 0.3, "generator_norm": "none"},
    {"network": "resnet", **LOW_RATES},
    {"network": "mlp", "generator_dropout": 0.3},
]


@pytest.mark.parametrize(
    "settings",
    [*OPTIONS, *(pytest.param(options, marks=pytest.mark.slow) for options in SLOW_OPTIONS)],
    ids=str,
)
def test_two_replicas_train_as_one(tf, settings):
    """After 4 SGD steps on the same global batches the weights agree as far as float32 goes.

    A loss that is scaled wrongly is off by more than 1e-4. Many steps later a ReLU's kink, met on
    one side or the other, turns a rounding error into 1e-3: with layer norm after 20 of them.
    """
    from gantf.distribute import strategies

    finals = []
    for name in ("one-device", "mirrored"):
        strategy = strategies.make(name)
        game = small_game(strategy, **{"optimizer": "sgd", **RATES, **settings})
        before = weights(game)
        run_steps(tf, strategy, game, 4)
        finals.append(weights(game))
        moved = max(np.abs(finals[-1][n] - before[n]).max() for n in before if "kernel" in n)
        assert moved > 2e-5
    for name, value in finals[0].items():
        np.testing.assert_allclose(finals[1][name], value, 2e-6, 2e-6, err_msg=name)


ROWS = [[1.0, 0.0], [2.0, 0.0], [3.0, -4.0], [6.0, -4.0]]  # their mean is (3, -2)


def move_linear_critic(tf, strategy, steps=1, optimizer=None, **options):
    """The weights of D(x) = w x under the loss -D, from 0, with SGD at rate 1: mean x is added."""
    import keras

    from gantf.game import LOG_WIDTH, Game, Player
    from gantf.training import step

    with strategy.scope():
        inputs = keras.Input((2,))
        dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
        critic = keras.Model(inputs, dense(inputs))
        optimizer = optimizer(critic) if optimizer else keras.optimizers.SGD(1.0)
        optimizer.build(critic.trainable_variables)
    player = Player(
        "critic", (critic,), lambda b, n: (-critic(b["x"])[:, 0], {}), optimizer, **options
    )
    game = Game({"critic": critic}, lambda b, n: b, (player,), generators={})
    compiled = step.make_steps(game, strategy, 4, 0)

    def rows(context):
        rows = tf.data.Dataset.from_tensor_slices({"x": ROWS})
        return rows.batch(4 // context.num_replicas_in_sync, drop_remainder=True).repeat()

    sums, _ = compiled.run(
        iter(strategy.distribute_datasets_from_function(rows)),
        tf.constant(0, tf.int64),
        tf.constant(steps, tf.int64),
        tf.zeros(LOG_WIDTH),
        tf.constant(step.ALL_FINITE, tf.int64),
    )
    logged = dict(zip(compiled.names, sums.numpy() / steps, strict=False))
    return critic.get_weights()[0][:, 0], logged


@pytest.fixture(params=["one-device", "mirrored"])
def strategy(tf, request):
    from gantf.distribute import strategies

    return strategies.make(request.param)


def test_a_gradient_is_summed_over_replicas_once(tf, strategy):
    moved, _ = move_linear_critic(tf, strategy)
    np.testing.assert_allclose(moved, [3.0, -2.0], rtol=1e-6)


def test_the_gradient_of_the_global_batch_is_clipped_to_its_norm(tf, strategy):
    """To length 0.5 along the mean over all replicas; the log tells the length before."""
    moved, logged = move_linear_critic(tf, strategy, clip_norm=0.5)
    np.testing.assert_allclose(moved, 0.5 * np.array([3.0, -2.0]) / np.sqrt(13), rtol=1e-6)
    assert logged["critic/gradient_norm"] == pytest.approx(np.sqrt(13), rel=1e-6)


def test_a_shorter_gradient_is_not_clipped(tf, strategy):
    moved, _ = move_linear_critic(tf, strategy, clip_norm=4.0)
    np.testing.assert_allclose(moved, [3.0, -2.0], rtol=1e-6)


def test_weights_are_cut_to_their_limit_after_each_move(tf, strategy):
    """(3, -2) becomes (2.5, -2), and after another move (2.5, -2.5)."""
    moved, _ = move_linear_critic(tf, strategy, weight_limit=2.5)
    np.testing.assert_array_equal(moved, np.float32([2.5, -2.0]))
    moved, _ = move_linear_critic(tf, strategy, 2, weight_limit=2.5)
    np.testing.assert_array_equal(moved, np.float32([2.5, -2.5]))


def test_a_ramp_counts_steps_not_moves(tf, strategy):
    """Two moves a step at the rates 1, 3/4, 1/2, 1/4 and then 0: 5 times the mean of x."""
    from gantf.objectives import optimizers
    from gantf.settings import Optimization

    settings = Optimization(
        optimizer="sgd", schedule="linear", schedule_until_step=4, final_learning_rate_fraction=0.0
    )
    moved, _ = move_linear_critic(
        tf,
        strategy,
        6,
        lambda critic: optimizers.make(settings, 1.0, (critic,), updates_per_step=2),
        updates_per_step=2,
    )
    np.testing.assert_allclose(moved, [15.0, -10.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("strategy", "network"),
    [
        ("one-device", "mlp"),
        pytest.param("mirrored", "mlp", marks=pytest.mark.slow),
        pytest.param("one-device", "dcgan", marks=pytest.mark.slow),
        pytest.param("mirrored", "dcgan", marks=pytest.mark.slow),
    ],
    indirect=["strategy"],
)
def test_parts_of_a_batch_move_as_the_whole(tf, strategy, network):
    """Without batch norm, which sees the parts: 1e-6 after 5 SGD steps.

    The noise is one that puts no unit of either network onto a ReLU's kink.
    """
    finals = []
    for accumulation in (1, 2, 4):
        game = small_game(
            strategy,
            optimizer="sgd",
            network=network,
            generator_norm="none",
            generator_dropout=0.3,
            instance_noise=0.2,
            accumulation=accumulation,
            **RATES,
        )
        logged, _ = run_steps(tf, strategy, game, 5)
        finals.append((weights(game), logged))
    for values, logged in finals[1:]:
        for name, value in finals[0][0].items():
            np.testing.assert_allclose(values[name], value, atol=1e-6, err_msg=name)
        for name in ("discriminator/loss", "generator/gradient_norm", "logit/real"):
            assert logged[name] == pytest.approx(finals[0][1][name], abs=1e-5)


def test_parts_that_do_not_divide_a_replicas_batch_are_refused(tf):
    from gantf.distribute import strategies

    strategy = strategies.make("one-device")
    with pytest.raises(ValueError, match="accumulation=3 does not divide the 8 images"):
        run_steps(tf, strategy, small_game(strategy, accumulation=3), 1)


@pytest.mark.parametrize("still", ["generator", "discriminator"])
def test_a_players_move_changes_only_its_own_network(tf, still):
    """A player whose learning rate is next to nothing stays where it is while the other moves."""
    from gantf.distribute import strategies

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
    from gantf import noise
    from gantf.data import pipeline
    from gantf.distribute import strategies
    from gantf.objectives import losses

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
    dataset = pipeline.make_dataset(data().sets, 0, BATCH)(tf.distribute.InputContext())
    real = pipeline.as_floats(next(iter(dataset)))["image"]
    latents = noise.of_step(0, tf.constant(0, tf.int64), BATCH).latents(6, "normal")
    for network in (discriminator, generator):
        with tf.GradientTape() as tape:
            fake = generator({"latents": latents}, training=True)
            fake_logits = discriminator({"image": fake}, training=True)
            if network is discriminator:
                real_logits = discriminator({"image": real}, training=True)
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
    from gantf.distribute import strategies

    strategy = strategies.make("one-device")
    game = small_game(strategy)
    critic = dataclasses.replace(game.players[0], updates_per_step=3)
    game = dataclasses.replace(game, players=(critic, game.players[1]))
    assert game.batches_per_step == 3
    run_steps(tf, strategy, game, 2)
    assert int(game.players[0].optimizer.iterations) == 6
    assert int(game.players[1].optimizer.iterations) == 2


def test_the_average_follows_its_half_life(tf):
    """One move: average = start + (1 - 0.5^(batch / half-life)) (moved - start)."""
    from gantf.distribute import strategies

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
    from gantf.distribute import strategies

    game = small_game(strategies.make("one-device"), ema_half_life_images=0)
    assert game.generators["generator"] is game.networks["generator"]
    assert "generator_average" not in game.networks


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_what_is_not_finite_is_named_by_step_and_player(tf, player):
    from gantf.distribute import strategies
    from gantf.training import step

    strategy = strategies.make("one-device")
    rate = {f"{player}_learning_rate": 1e30}
    game = small_game(strategy, loss="least_squares", optimizer="sgd", **rate)
    _, fault = run_steps(tf, strategy, game, 5)
    assert fault != step.ALL_FINITE
    at, name = step.decode_nonfinite(fault, game)
    assert at <= 2
    # The step after a player's leap, the discriminator is the first to see what came of it.
    assert name in ("discriminator", "generator")


def test_a_healthy_run_has_no_fault_and_logs_what_it_says(tf):
    from gantf.distribute import strategies
    from gantf.training import step

    strategy = strategies.make("one-device")
    logged, fault = run_steps(tf, strategy, small_game(strategy), 5)
    assert fault == step.ALL_FINITE
    assert 0 < logged["D(x)"] < 1
    assert 0 < logged["discriminator/ranking"] < 1
    assert logged["discriminator/loss"] == pytest.approx(2 * np.log(2), rel=0.05)
    assert logged["generator/gradient_norm"] > 0

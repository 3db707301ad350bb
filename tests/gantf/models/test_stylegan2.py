"""StyleGAN2's layers against loops and closed forms, and the effect of each setting."""

import types

import numpy as np
import pytest
from scipy import signal

from tests.games import make_data, make_game

SHAPE = (8, 8, 3)
TAPS = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def small_game(shape=SHAPE, **settings):
    from gantf.distribute import strategies

    data = make_data("stylegan2", shape)
    return make_game(strategies.make("one-device"), "stylegan2", data, **settings)


def play(tf, game, step=0, rows=4, shape=SHAPE):
    """Returns forward's output for a fixed batch, and each player's loss and observed values."""
    from gantf import noise

    source = noise.of_step(0, tf.constant(step, tf.int64), rows)
    with noise.scope(source):
        shared = game.forward({"image": tf.constant(normal(rows, *shape) / 3)}, source)
    text = {}
    for player in game.players:
        with noise.scope(source):
            text[player.name] = player.loss(shared, source)
    return shared, text


def make_noisy(network):
    """Sets all noise strengths to 1/2, so that noise has an effect from the start."""
    for layer in network.layers:
        if layer.name.endswith("_noise"):
            layer.strength.assign(0.5)


def sample(network, latents):
    return network({"latents": latents}, training=False).numpy()


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("enlarge", [True, False])
def test_modulated_convolution_is_one_of_each_images_own_kernel(tf, demodulate, enlarge):
    from gantf.layers.modulated import ModulatedConv2D

    images, styles = normal(3, 5, 6, 4), normal(3, 7, seed=1)
    layer = ModulatedConv2D(2, 3, 0, demodulate=demodulate, enlarge=enlarge)
    outputs = layer(images, styles).numpy()
    shared = layer.kernel.numpy().astype(np.float64) / np.sqrt(3 * 3 * 4)
    scales = styles @ (layer.affine.numpy() / np.sqrt(7)) + 1
    for image, scale, output in zip(images, scales, outputs, strict=True):
        kernel = shared * scale[None, None, :, None]
        if demodulate:
            kernel = kernel / np.sqrt(np.square(kernel).sum(axis=(0, 1, 2)) + 1e-8)
        for b in range(2):
            expected = 0.0
            for a in range(4):
                if enlarge:
                    spread = np.zeros((9, 11))
                    spread[::2, ::2] = image[..., a]
                    spread = np.pad(signal.convolve2d(spread, kernel[..., a, b], "full"), 1)
                    expected += 4 * signal.correlate2d(spread, TAPS, "valid")
                else:
                    expected += signal.correlate2d(image[..., a], kernel[..., a, b], "same")
            np.testing.assert_allclose(output[..., b], expected, atol=2e-5)


def test_equalized_layers_scale_weights_of_deviation_one(tf):
    from gantf.layers import equalized

    x, images = normal(5, 6), normal(2, 4, 4, 3)
    dense = equalized.dense(200, 0, "dense", speed=0.1)
    dense.build((None, 6))
    dense.bias.assign(normal(200))
    expected = x @ dense.kernel.numpy() * 0.1 / np.sqrt(6) + 0.1 * normal(200)
    np.testing.assert_allclose(dense(x), expected, atol=1e-5)
    assert np.std(dense.kernel.numpy()) == pytest.approx(10, rel=0.1)
    conv = equalized.conv(2, 3, 0, "conv", activate=True)
    linear = np.stack(
        [
            sum(
                signal.correlate2d(images[0, ..., a], conv_kernel[..., a, b], "same")
                for a in range(3)
            )
            for conv_kernel in [_kernel_of(conv, images)]
            for b in range(2)
        ],
        axis=-1,
    ) / np.sqrt(27)
    expected = np.sqrt(2) * np.where(linear > 0, linear, 0.2 * linear)
    np.testing.assert_allclose(conv(images)[0], expected, atol=1e-5)


def _kernel_of(layer, inputs):
    layer(inputs)
    return layer.kernel.numpy()


def test_speed_leaves_the_mapping_as_it_is_and_slows_its_weights(tf):
    """The initial w is the same; the gradient of the weights is proportional to the speed."""
    from gantf.networks import stylegan2

    result = []
    for speed in (1.0, 0.01):
        generator = small_game(mapping_speed=speed, ema_half_life_images=0).generators["generator"]
        mapping, _ = stylegan2.parts(generator)
        with tf.GradientTape() as tape:
            styles = mapping(normal(3, 6))
        kernel = generator.get_layer("map_1").kernel
        result.append((styles.numpy(), tape.gradient(styles, kernel.value).numpy()))
    np.testing.assert_allclose(result[0][0], result[1][0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(0.01 * result[0][1], result[1][1], rtol=1e-3, atol=1e-6)


def test_blur_is_the_binomial_filter_and_enlarging_its_transpose(tf):
    from gantf.layers import blur

    fine, coarse = normal(2, 8, 6, 3), normal(2, 4, 3, 3, seed=1)
    blurred = blur.blur(fine, padding=1, stride=2).numpy()
    expected = signal.correlate2d(np.pad(fine[1, ..., 2], 1), TAPS, "valid")[::2, ::2]
    np.testing.assert_allclose(blurred[1, ..., 2], expected, atol=1e-6)
    enlarged = blur.upsample(coarse).numpy()
    assert enlarged.shape == fine.shape
    inner = np.pad(coarse[:, 1:-1, 1:-1], ((0, 0), (1, 1), (1, 1), (0, 0)))
    product = np.sum(blur.upsample(inner) * fine)  # nothing at the edges, which are repeated
    np.testing.assert_allclose(product, 4 * np.sum(inner * blurred), rtol=1e-4)
    edges = np.pad(coarse[0, ..., 1], 1, mode="edge")
    expected = (9 * edges[1, 1] + 3 * edges[0, 1] + 3 * edges[1, 0] + edges[0, 0]) / 16
    np.testing.assert_allclose(enlarged[0, 0, 0, 1], expected, rtol=1e-5)
    np.testing.assert_allclose(blur.upsample(tf.ones((1, 4, 4, 1))), np.ones((1, 8, 8, 1)))


@pytest.mark.parametrize(("rows", "most", "size"), [(8, 4, 4), (6, 4, 3), (7, 4, 1), (2, 4, 2)])
def test_minibatch_deviation_is_that_of_neighbouring_rows(tf, rows, most, size):
    from gantf.layers.minibatch_stddev import MinibatchStddev

    x = normal(rows, 4, 4, 5) * np.arange(1, rows + 1)[:, None, None, None].astype(np.float32)
    outputs = MinibatchStddev(most)(x).numpy()
    np.testing.assert_array_equal(outputs[..., :5], x)
    for start in range(0, rows, size):
        expected = x[start : start + size].std(axis=0).mean()
        np.testing.assert_allclose(outputs[start : start + size, ..., 5], expected, atol=2e-4)


def test_pixel_norm_gives_a_mean_square_of_one(tf):
    from gantf.layers.styles import PixelNorm

    x = normal(4, 9)
    expected = x / np.sqrt(np.square(x).mean(axis=1, keepdims=True))
    np.testing.assert_allclose(PixelNorm()(x), expected, rtol=1e-5)


def test_styles_cross_over_at_a_random_layer_but_never_before_the_second(tf):
    from gantf.layers.styles import style_mixing

    first, second = tf.zeros((4, 1)), tf.ones((4, 1))
    coin, place = tf.constant([0.3, 0.3, 0.3, 0.6]), tf.constant([0.0, 0.5, 0.999, 0.0])
    result = style_mixing(first, second, 5, coin, place, 0.5).numpy()[..., 0]
    np.testing.assert_array_equal(
        result, [[0, 1, 1, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]
    )


def test_path_lengths_of_a_linear_synthesis_are_known(tf):
    """For g(w) = sum_l A_l w_l, the gradient of <g, y> with respect to w_l is A_l^T y."""
    from gantf.objectives.path_length import path_lengths

    layers, width, height, columns, channels = 3, 4, 2, 5, 3
    matrices = normal(layers, width, height * columns * channels)
    directions = normal(6, height, columns, channels, seed=1)

    def synthesis(styles):
        flat = tf.einsum("nld,ldp->np", styles, matrices)
        return tf.reshape(flat, (-1, height, columns, channels))

    lengths = path_lengths(synthesis, tf.constant(normal(6, layers, width)), directions)
    products = np.einsum("ldp,np->nld", matrices, directions.reshape(6, -1))
    squares = np.square(products).sum(axis=2).mean(axis=1) / (height * columns)
    np.testing.assert_allclose(lengths, np.sqrt(squares), rtol=1e-5)


def test_the_mean_squared_path_length_is_the_jacobians_frobenius_norm(tf):
    """E |J^T y|^2 = |J|_F^2, here over H W and the number of layers; within 4 standard errors."""
    from gantf.objectives.path_length import path_lengths

    matrices = normal(2, 3, 4 * 4 * 1)

    def synthesis(styles):
        return tf.reshape(tf.einsum("nld,ldp->np", styles, matrices), (-1, 4, 4, 1))

    styles, directions = tf.constant(normal(4000, 2, 3)), normal(4000, 4, 4, 1, seed=2)
    squares = np.square(path_lengths(synthesis, styles, directions))
    error = squares.std() / np.sqrt(len(squares))
    assert abs(squares.mean() - np.square(matrices).sum() / 16 / 2) < 4 * error


def test_the_path_penalty_has_the_gradient_of_finite_differences(tf):
    """The gradient of a nonlinear synthesis's weight passes through the inner gradient."""
    from gantf.objectives.path_length import path_lengths

    styles = tf.constant(normal(3, 2, 4), tf.float64)
    matrix, directions = normal(2, 4, 12).astype(np.float64), normal(3, 2, 2, 3).astype(np.float64)

    def penalty(weight):
        def synthesis(w):
            bent = tf.tanh(weight * tf.einsum("nld,ldp->np", w, matrix))
            return tf.reshape(bent, (3, 2, 2, 3))

        return tf.reduce_sum(tf.square(path_lengths(synthesis, styles, directions) - 0.3))

    weight = tf.Variable(0.7, dtype=tf.float64)
    with tf.GradientTape() as tape:
        value = penalty(weight)
    delta = 1e-5
    differences = (penalty(weight + delta) - penalty(weight - delta)) / (2 * delta)
    np.testing.assert_allclose(tape.gradient(value, weight), differences, rtol=1e-7)


def test_path_penalties_come_every_few_steps_and_only_then_move_the_mean(tf):
    from gantf.objectives.path_length import PathLength

    state = PathLength()
    state.mean.assign(2.0)
    lengths = tf.constant([1.0, 5.0])
    calls = tf.Variable(0)

    def measure():
        calls.assign_add(1)
        return lengths

    penalty, mean = state.penalty(measure, tf.constant(3, tf.int64), 4, 2)
    np.testing.assert_array_equal(penalty, [0, 0])
    assert (float(mean), float(state.mean), int(calls)) == (2.0, 2.0, 0)
    penalty, mean = state.penalty(measure, tf.constant(8, tf.int64), 4, 2)
    moved = 2.0 + 0.01 * (3.0 - 2.0)
    assert float(mean) == pytest.approx(moved) == float(state.mean)
    np.testing.assert_allclose(penalty, 4 * np.square([1 - moved, 5 - moved]), rtol=1e-5)
    penalty, _ = state.penalty(measure, tf.constant(9, tf.int64), 1, 2)
    moved += 0.01 * (3.0 - moved)
    np.testing.assert_allclose(penalty, np.square([1 - moved, 5 - moved]), rtol=1e-5)


def test_the_running_mean_of_path_lengths_is_no_way_for_the_gradient(tf):
    """Two lengths x and -x + 2: d/dx of the sum of (length - mean)^2 with a constant mean."""
    from gantf.objectives.path_length import PathLength

    state = PathLength()
    x = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        penalty, mean = state.penalty(
            lambda: tf.stack([x, 5.0 + 0.0 * x]), tf.constant(0, tf.int64), 4, 2
        )
        total = tf.reduce_sum(penalty)
    assert float(tape.gradient(total, x)) == pytest.approx(4 * 2 * (3.0 - float(mean)), rel=1e-5)


def test_noise_of_fewer_rows_is_the_same_on_any_number_of_parts(tf):
    from gantf import noise
    from gantf.objectives.path_length import of_fewer

    whole = noise.of_step(3, tf.constant(7, tf.int64), 8)
    together = of_fewer(whole, 2).normal("x", (2,))
    parts = [of_fewer(whole.part(number, 2), 2).normal("x", (2,)) for number in range(2)]
    assert together.shape == (4, 2)
    np.testing.assert_array_equal(together, np.concatenate(parts))
    assert not np.isin(together, whole.normal("x", (2,))).any()


def test_pixel_noise_is_fresh_in_training_and_constant_elsewhere(tf):
    from gantf import noise
    from gantf.layers.modulated import PixelNoise

    layer, x = PixelNoise(0, name="some"), np.zeros((500, 4, 4, 2), np.float32)
    np.testing.assert_array_equal(layer(x, training=True), x)
    layer.strength.assign(2.0)
    drawn = []
    for step in (0, 1):
        with noise.scope(noise.of_step(0, tf.constant(step, tf.int64), 500)):
            drawn.append(layer(x, training=True).numpy())
            fixed = layer(x, training=False).numpy()
        np.testing.assert_array_equal(fixed, np.broadcast_to(fixed[:1], fixed.shape))
        np.testing.assert_array_equal(fixed[0, ..., 0], 2 * layer.constants.numpy()[..., 0])
    correlation = np.corrcoef(drawn[0][..., 0].ravel(), drawn[1][..., 0].ravel())[0, 1]
    assert abs(correlation) < 4 / np.sqrt(8000)
    np.testing.assert_array_equal(drawn[0][..., 0], drawn[0][..., 1])
    assert drawn[0][..., 0].std() == pytest.approx(2, rel=4 / np.sqrt(2 * 8000))
    assert not layer.non_trainable_variables[0].trainable
    assert not np.array_equal(PixelNoise(1, name="some")(x), fixed)


@pytest.fixture(scope="module")
def game(tf):
    """A game whose noise has an effect, and whose mean of w was updated once."""
    made = small_game(mapping_speed=1.0)
    for network in (made.networks["generator"], made.networks["generator_average"]):
        make_noisy(network)
    play(tf, made)
    return made


def test_an_image_is_a_function_of_its_own_latents_alone(tf, game):
    (network,) = game.generators.values()
    latents = normal(5, 6)
    images = sample(network, latents)
    np.testing.assert_array_equal(sample(network, latents), images)
    np.testing.assert_allclose(sample(network, latents[3:4]), images[3:4], atol=1e-5)


def test_training_draws_fresh_noise_each_step(tf, game):
    """The styles are equal; the noise is that of two steps."""
    from gantf import noise
    from gantf.networks import stylegan2

    _, synthesis = stylegan2.parts(game.networks["generator"])
    images = []
    for step in (0, 1):
        with noise.scope(noise.of_step(0, tf.constant(step, tf.int64), 2)):
            images.append(synthesis(np.ones((2, 4, 6), np.float32), training=True).numpy())
    assert np.abs(images[0] - images[1]).mean() > 1e-3
    assert np.abs(images[0][0] - images[0][1]).mean() > 1e-3


def test_truncation_draws_images_towards_that_of_the_mean_style(tf, game):
    from gantf.networks import stylegan2

    (network,) = game.generators.values()
    mapping, synthesis = stylegan2.parts(network)
    latents, mean = normal(3, 6), network.get_layer("truncation").mean.numpy()
    as_learned = sample(network, latents)
    styles = mapping(latents).numpy()
    try:
        for psi in (0.0, 0.7, 1.0):
            game.truncate(psi)
            drawn = np.repeat((mean + psi * (styles - mean))[:, None], 4, axis=1)
            np.testing.assert_allclose(sample(network, latents), synthesis(drawn), atol=1e-5)
        np.testing.assert_allclose(sample(network, latents), as_learned, atol=1e-6)
        game.truncate(0.0)
        images = sample(network, latents)
        np.testing.assert_allclose(images, np.repeat(images[:1], 3, axis=0), atol=1e-5)
        assert np.abs(images - as_learned).max() > 1e-3
    finally:
        game.truncate(1.0)


def test_truncation_has_no_part_in_training(tf):
    game = small_game(ema_half_life_images=0)
    before = play(tf, game)[0]["fake"].numpy()
    game.truncate(0.0)
    np.testing.assert_array_equal(play(tf, game)[0]["fake"], before)


def test_an_export_keeps_the_truncation(tf, game, tmp_path):
    from gantf import config
    from gantf.generation import export

    (network,), latents = game.generators.values(), normal(3, 6)
    data = make_data("stylegan2", SHAPE).spec
    game.truncate(0.5)
    try:
        (path,) = export.save(game, config.RunConfig(model="stylegan2"), data, 0, tmp_path)
        expected = np.clip(sample(network, latents), -1, 1)
    finally:
        game.truncate(1.0)
    draw = tf.saved_model.load(str(path)).signatures["serving_default"]
    np.testing.assert_allclose(draw(latents=tf.constant(latents))["images"], expected, atol=1e-5)


def test_the_running_mean_is_plain_at_first_and_then_forgets(tf):
    from gantf.layers.styles import Truncation, update_w_average

    both = [Truncation(), Truncation()]
    for layer in both:
        layer.build((None, 2))
    batches, expected = normal(4, 3, 2), np.zeros(2)
    for step, batch in enumerate(batches):
        update_w_average(both, tf.constant(batch), tf.constant(step, tf.int64))
    np.testing.assert_allclose(both[0].mean, batches.mean(axis=(0, 1)), atol=1e-6)
    update_w_average(both, tf.constant(batches[0]), tf.constant(10_000, tf.int64))
    expected = 0.995 * batches.mean(axis=(0, 1)) + 0.005 * batches[0].mean(axis=0)
    for layer in both:
        np.testing.assert_allclose(layer.mean, expected, atol=1e-6)


@pytest.mark.slow
def test_the_mean_style_is_that_of_the_sampled_mapping(tf):
    """Its weights are a moving average.

    After training, the mean lies within a tenth of w's spread.
    """
    from gantf.distribute import strategies
    from gantf.networks import stylegan2
    from tests.games import run_steps

    strategy, data = strategies.make("one-device"), make_data("stylegan2", SHAPE)
    game = make_game(
        strategy, "stylegan2", data, mapping_speed=0.1, path_length_weight=0.0, r1_weight=0.0
    )
    run_steps(tf, strategy, game, data, 200)
    trained, average = (game.networks[name] for name in ("generator", "generator_average"))
    means = [network.get_layer("truncation").mean.numpy() for network in (trained, average)]
    np.testing.assert_array_equal(*means)
    latents = normal(4000, 6, seed=3)
    styles, others = (
        stylegan2.parts(network)[0](latents).numpy() for network in (average, trained)
    )
    assert np.linalg.norm(styles.mean(axis=0) - others.mean(axis=0)) > 0  # the two do differ
    spread = np.sqrt(styles.var(axis=0).sum())
    assert np.linalg.norm(means[1] - styles.mean(axis=0)) < 0.1 * spread


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_style_mixing_sets_how_many_fakes_have_two_styles(tf, share):
    """Without mixing, each fake is the synthesis of one style; with mixing, none is."""
    from gantf import noise
    from gantf.networks import stylegan2

    game = small_game(style_mixing=share)
    fakes = play(tf, game, rows=6)[0]["fake"].numpy()
    mapping, synthesis = stylegan2.parts(game.networks["generator"])
    source = noise.of_step(0, tf.constant(0, tf.int64), 6)
    style = mapping(source.latents(6, "normal")).numpy()
    with noise.scope(source):
        plain = synthesis(np.repeat(style[:, None], 4, axis=1), training=True).numpy()
    same = np.abs(fakes - plain).max(axis=(1, 2, 3)) < 1e-5
    assert same.all() if share == 0 else not same.any()


def test_r1_is_computed_every_few_steps_and_counts_as_many_times(tf):
    """Every 16 steps the penalty is 16 times the penalty of a game that computes it in every step.

    Between these steps it is 0.
    """
    name = "discriminator/r1_penalty"
    always = play(tf, small_game(penalty_every_steps=1, r1_weight=5.0), step=16)[1]
    lazy_game = small_game(penalty_every_steps=16, r1_weight=5.0)
    loss, lazy = play(tf, lazy_game, step=16)[1]["discriminator"]
    np.testing.assert_allclose(lazy[name], 16 * always["discriminator"][1][name], rtol=1e-4)
    difference = loss - always["discriminator"][0]
    np.testing.assert_allclose(difference, 5.0 * 15 / 16 * lazy[name], rtol=1e-3)
    assert np.all(lazy[name] > 0)
    _, between = play(tf, lazy_game, step=17)[1]["discriminator"]
    np.testing.assert_array_equal(between[name], [0] * 4)


def test_the_path_penalty_is_weighted_scheduled_and_taken_of_a_share(tf):
    name = "generator/path_length_penalty"

    def generator(step=4, **settings):
        loss, observed = play(tf, small_game(**settings), step)[1]["generator"]
        return loss.numpy(), observed[name].numpy() if name in observed else None

    without, nothing = generator(path_length_weight=0.0)
    assert nothing is None
    loss, penalty = generator(path_length_weight=3.0)
    np.testing.assert_allclose(loss - without, 3.0 * penalty, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(penalty[::2], penalty[1::2])  # from half of the images
    assert len(set(penalty)) == 2
    np.testing.assert_allclose(4 * generator(path_length_every_steps=1)[1], penalty, rtol=1e-4)
    assert len(set(generator(path_length_batch_divisor=1)[1])) == 4
    assert not generator(step=5)[1].any()
    assert "path_length" not in small_game(path_length_weight=0.0).networks


def test_the_discriminator_sees_the_spread_of_its_groups(tf):
    """A row's logit depends on the other rows of its group. A group of 1 has no other rows."""
    images = normal(4, *SHAPE)
    changed = images.copy()
    changed[1] *= 0.1
    for group, differs in ((2, [True, True, False, False]), (1, [False, True, False, False])):
        discriminator = small_game(stddev_group=group).networks["discriminator"]
        moved = discriminator({"image": images}) - discriminator({"image": changed})
        np.testing.assert_array_equal(np.abs(moved[:, 0]) > 1e-6, differs)


def test_sizes_are_as_set(tf):
    game = small_game(
        (32, 32, 1),
        latent_dim=5,
        style_dim=7,
        mapping_layers=3,
        generator_channels=2,
        discriminator_channels=3,
        max_channels=9,
    )
    generator, discriminator = game.networks["generator"], game.networks["discriminator"]
    assert generator.input["latents"].shape == (None, 5)
    assert generator.get_layer("styles").output.shape == (None, 8, 7)
    assert sum(layer.name.startswith("map_") for layer in generator.layers) == 3
    filters = {side: generator.get_layer(f"g_{side}_b").filters for side in (4, 8, 16, 32)}
    assert filters == {4: 9, 8: 8, 16: 4, 32: 2}
    assert [discriminator.get_layer(f"d_{side}_a").filters for side in (8, 16, 32)] == [9, 6, 3]
    assert discriminator.get_layer("d_4").filters == 9
    assert sample(generator, normal(2, 5)).shape == (2, 32, 32, 1)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((28, 28, 1), 16), ((64, 32, 3), 32), ((7, 7, 1), 8), ((3000, 4000, 3), 2048), ((4, 4, 1), 8)],
)
def test_other_sizes_are_refused_with_one_that_fits(shape, size):
    from gantf.networks import stylegan2

    with pytest.raises(ValueError, match=rf"^[^\n]*use --size {size}$"):
        stylegan2.stages(shape)


def test_spectral_norm_is_refused():
    from evaluation import InputError
    from gantf import config, models

    with pytest.raises(InputError, match="spectral_norm would undo") as caught:
        config.make_model_config(
            models.load("stylegan2").Config,
            {"spectral_norm": True, "penalty_every_steps": 1},
            "stylegan2",
        )
    assert "\n" not in str(caught.value)


def test_a_skip_generator_adds_what_each_resolution_draws(tf):
    """Only the biases give colour: the image is the enlarged coarse one plus the fine one."""
    from gantf.networks import stylegan2

    sizes = types.SimpleNamespace(
        latent_dim=3, style_dim=3, mapping_layers=1, mapping_speed=0.01, generator_channels=2,
        max_channels=4,
    )  # fmt: skip
    generator = stylegan2.generator(sizes, (8, 8, 1), 0)
    for side, bias in ((4, 0.5), (8, 0.25)):
        rgb = generator.get_layer(f"g_{side}_rgb")
        rgb.kernel.assign(tf.zeros_like(rgb.kernel))
        generator.get_layer(f"g_{side}_rgb_bias").bias.assign([bias])
    np.testing.assert_allclose(sample(generator, normal(2, 3)), 0.75, atol=1e-6)

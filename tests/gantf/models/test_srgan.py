"""SRGAN: its phases, its content losses, its networks, and enlargement in tiles."""

import numpy as np
import pytest
from click.testing import CliRunner

from gantf.config import make_model_config
from tests import games
from tests.games import BATCH, make_game, make_run

SIDE = 16


@pytest.fixture
def one(tf):
    from gantf.distribute import strategies

    return strategies.make("one-device")


def observe(tf, game, step, batch=None):
    """The players' losses at a step, with what they observe and their gradients."""
    from gantf import noise

    source = noise.of_step(0, tf.constant(step, tf.int64), BATCH)
    batch = batch or {"image": tf.constant(pixels())}
    outcome = {}
    with tf.GradientTape(persistent=True) as tape, noise.scope(source):
        shared = game.forward(batch, source)
        for player in game.players:
            loss, seen = player.loss(shared, source)
            variables = [v.value for v in player.trainable_variables]
            with tape.stop_recording():
                outcome[player.name] = loss.numpy(), seen, tape.gradient(loss, variables)
    return outcome


def pixels(rows=BATCH, side=SIDE):
    rng = np.random.default_rng(1)
    return rng.uniform(-1.0, 1.0, (rows, side, side, 3)).astype(np.float32)


@pytest.mark.parametrize(("step", "weight"), [(0, 0.0), (6, 0.0), (7, 0.25), (100, 0.25)])
def test_the_adversarial_loss_sets_in_at_its_very_step(tf, one, step, weight):
    game = make_game(one, "srgan", pretraining_steps=7, adversarial_weight=0.25)
    loss, seen, _ = observe(tf, game, step)["generator"]
    np.testing.assert_allclose(loss, seen["content"] + weight * seen["adversarial"], rtol=1e-6)
    assert np.all(seen["adversarial"].numpy() > 0.1)


def test_until_then_the_generator_learns_nothing_from_the_discriminator(tf, one):
    """Its gradient is that of the content alone, bit for bit; afterwards it is not."""
    both = [make_game(one, "srgan", pretraining_steps=7, adversarial_weight=w) for w in (0.0, 1.0)]
    for step, same in ((6, True), (7, False)):
        alone, beside = (observe(tf, game, step)["generator"][2] for game in both)
        equal = [np.array_equal(a, b) for a, b in zip(alone, beside, strict=True)]
        assert all(equal) if same else not all(equal)


def test_the_discriminator_learns_from_the_first_step(tf, one):
    game = make_game(one, "srgan", pretraining_steps=1000)
    assert all(np.any(gradient) for gradient in observe(tf, game, 0)["discriminator"][2])


@pytest.mark.parametrize("kind", ["mse", "l1", "features"])
def test_content_losses_against_numpy(tf, kind):
    from gantf.models import srgan

    real, fake = pixels(), 0.5 * pixels() + 0.1

    def judge(images):
        return [tf.zeros((BATCH, 1)), images[:, ::2], 3.0 * images[:, :4, :, :1]]

    error = {
        "mse": np.square(fake - real).mean(axis=(1, 2, 3)),
        "l1": np.abs(fake - real).mean(axis=(1, 2, 3)),
        "features": (
            np.square((fake - real)[:, ::2]).mean(axis=(1, 2, 3))
            + 9 * np.square((fake - real)[:, :4, :, :1]).mean(axis=(1, 2, 3))
        )
        / 2,
    }[kind]
    made = srgan.content_loss(kind, judge, tf.constant(real), tf.constant(fake))
    np.testing.assert_allclose(made, error, rtol=1e-5)


def test_features_are_the_discriminators_own(tf, one):
    """With them the generator's content changes when the discriminator does; pixels' does not."""
    for kind, depends in (("mse", False), ("features", True)):
        game = make_game(one, "srgan", content=kind, bicubic_skip=False)
        before = observe(tf, game, 0)["generator"][1]["content"].numpy()
        for variable in game.players[0].trainable_variables:
            variable.assign(variable * 2.0)
        after = observe(tf, game, 0)["generator"][1]["content"].numpy()
        assert np.allclose(before, after) != depends


def test_psnr_in_closed_form(tf):
    """An error of d everywhere is 20 log10(2 / d) dB; what leaves [-1, 1] is cut first."""
    from gantf.models import srgan

    real = tf.zeros((3, 4, 4, 1))
    made = srgan.psnr(real, real + tf.reshape([0.02, 0.2, 5.0], (3, 1, 1, 1)))
    np.testing.assert_allclose(made, 20 * np.log10([100.0, 10.0, 2.0]), rtol=1e-5)
    assert np.isfinite(srgan.psnr(real, real)).all()


def test_psnr_is_the_one_of_the_scores(tf):
    from gantf.models import srgan
    from gantf.training import evaluator

    real = np.rint(pixels() * 127.5 + 127.5) / 127.5 - 1
    fake = np.rint(np.clip(real + 0.1 * pixels()[::-1], -1, 1) * 127.5 + 127.5) / 127.5 - 1
    mean = srgan.psnr(tf.constant(real), tf.constant(fake)).numpy().mean()
    assert evaluator.compare(real, fake)["psnr"].value == pytest.approx(mean, abs=1e-3)


@pytest.mark.parametrize("upscaling", [2, 4])
def test_an_untrained_generator_with_the_skip_is_bicubic_enlargement(tf, one, upscaling):
    from gantf.layers import resample

    game = make_game(one, "srgan", upscaling=upscaling)
    assert game.translator.upscaling == upscaling
    small = pixels(side=6)
    made = game.generators["generator"]({"image": small})
    expected = resample.resize(small, 6 * upscaling, 6 * upscaling)
    np.testing.assert_allclose(made, expected, atol=1e-6)
    plain = make_game(one, "srgan", upscaling=upscaling, bicubic_skip=False)
    assert np.abs(plain.generators["generator"]({"image": small}) - expected).max() > 0.1


def test_an_exercise_is_the_downsampled_image_and_the_image(tf, one):
    from gantf.models import srgan

    game = make_game(one, "srgan")
    image = tf.constant(pixels())
    inputs, wanted = game.translator.validation_pairs({"image": image})["generator"]
    np.testing.assert_array_equal(wanted, image)
    assert inputs.shape == (BATCH, SIDE // 4, SIDE // 4, 3)
    np.testing.assert_array_equal(inputs, srgan.downsample(image, 4))
    checks = np.where(np.arange(16) // 8 % 2, 1.0, -1.0)[None, None, :, None]
    edge = tf.constant(np.broadcast_to(checks, (1, 16, 16, 1)), tf.float32)
    assert np.abs(srgan.downsample(edge, 4)).max() == 1.0  # bicubic overshoots; files cannot


@pytest.mark.parametrize(
    "change",
    games.one_in_three(
        [
            {"upscaling": 2},
            {"content": "l1"},
            {"content": "features"},
            {"adversarial_weight": 0.1},
            {"pretraining_steps": 2},
            {"generator_channels": 5},
            {"residual_blocks": 2},
            {"generator_norm": "batch"},
            {"mirror": False},
            {"bicubic_skip": False},
            {"discriminator_channels": 5},
            {"discriminator_norm": "layer"},
            {"discriminator_norm": "batch", "r1_weight": 0.0},
            {"spectral_norm": True, "penalty_every_steps": 1},
            {"r1_weight": 1.0},
            {"ema_half_life_images": 50},
            {"loss": "hinge"},
            {"diffaugment": "translation"},
        ]
    ),
    ids=str,
)
def test_each_setting_has_an_effect(tf, change):
    base = {"pretraining_steps": 1}
    assert games.has_effect(tf, "srgan", change, base, (games.SIDE, games.SIDE, 3))


def stirred(network):
    """The network with its last kernel drawn anew, which is 0 at the start with the skip."""
    last = [v for v in network.trainable_variables if v.name == "kernel"][-1]
    last.assign(np.random.default_rng(0).normal(0.0, 0.1, last.shape))
    return network


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_tiles_are_the_whole_image_where_they_overlap_by_the_reach(tf, one, norm, skip):
    from gantf.generation import translate
    from gantf.networks import srresnet

    game = make_game(one, "srgan", generator_norm=norm, residual_blocks=2, bicubic_skip=skip)
    network = stirred(game.generators["generator"])
    assert game.translator.receptive_field_px == srresnet.receptive_field_px(2, 4, skip)
    image = pixels(1, 64)[0]
    whole = network({"image": image[None]}, training=False)[0]
    tiles = translate.in_tiles(
        network, image, 4, 32, receptive_field_px=game.translator.receptive_field_px
    )
    assert tiles.shape == (256, 256, 3)
    np.testing.assert_allclose(tiles, whole, atol=1e-5)


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize(("blocks", "upscaling"), [(0, 2), (1, 4), (4, 4), (3, 2)])
def test_the_reach_is_how_far_an_input_pixel_is_felt(tf, blocks, upscaling, skip):
    from gantf.networks import srresnet

    network = stirred(srresnet.generator(1, 4, blocks, "none", upscaling, skip, 0))
    reach, side = srresnet.receptive_field_px(blocks, upscaling, skip), 49
    place = side // 2
    image = tf.random.stateless_normal((1, side, side, 1), [0, 0])
    with tf.GradientTape() as tape:
        tape.watch(image)
        made = network({"image": image})
        pixel = tf.reduce_sum(made[:, place * upscaling, place * upscaling])
    felt = np.argwhere(np.abs(tape.gradient(pixel, image)[0, ..., 0]) > 0)
    assert reach - 1 <= np.abs(felt - place).max() <= reach


def test_with_the_skip_nothing_is_added_where_the_image_is_flat(tf):
    """Up to the reach of a step in brightness: each half of such an image stays what it is."""
    from gantf.networks import srresnet

    network = stirred(srresnet.generator(3, 4, 1, "none", 4, True, 0))
    image = np.full((1, 40, 40, 3), 0.3, np.float32)
    np.testing.assert_allclose(network({"image": image}), 0.3, atol=1e-6)
    image[:, :, 20:] = -0.6
    made = np.asarray(network({"image": image}))
    reach = 4 * srresnet.receptive_field_px(1, 4, True)
    np.testing.assert_allclose(made[:, :, : 80 - reach], 0.3, atol=1e-6)
    np.testing.assert_allclose(made[:, :, 80 + reach :], -0.6, atol=1e-6)
    assert np.abs(made[:, :, 72:80] - 0.3).max() > 0.01


def test_the_features_come_after_each_halving(tf):
    from gantf.networks import srresnet

    network = srresnet.discriminator((64, 48, 3), 2, "none", False, 0)
    logits, *features = network({"image": np.zeros((2, 64, 48, 3), np.float32)})
    assert logits.shape == (2, 1)
    shapes = [tuple(maps.shape[1:]) for maps in features]
    assert shapes == [(32, 24, 2), (16, 12, 4), (8, 6, 8), (4, 3, 16)]


@pytest.mark.parametrize(("value", "message"), [("3", "upscaling=3: "), ("x", "upscaling=x: ")])
def test_only_2_and_4_are_known(value, message):
    from evaluation import InputError
    from gantf.models import srgan

    with pytest.raises(InputError, match=message):
        make_model_config(srgan.Config, {"upscaling": value}, "srgan")
    assert make_model_config(srgan.Config, {"upscaling": "2"}, "srgan").upscaling == 2


def test_sides_that_it_does_not_divide_are_refused_in_one_line(tf, tmp_path):
    from gantf.cli import main

    words = ["train", "--model", "srgan", "--data", "digits", "--size", "18"]
    result = CliRunner().invoke(main, [*words, "--run-dir", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert "images of 18 x 18 pixels: upscaling=4 must divide both sides" in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_batch_norm_and_a_penalty_are_refused(tf):
    from evaluation import InputError
    from gantf.models import srgan

    with pytest.raises(InputError, match="mixes the images of a batch"):
        make_model_config(srgan.Config, {"discriminator_norm": "batch"}, "srgan")


@pytest.mark.slow
def test_content_training_beats_bicubic_on_what_it_has_seen(tf, one):
    """A check of the whole: some steps on a few images of stripes."""
    from gantf.data.loading import TrainingData
    from gantf.game import DataSpec

    phase = np.arange(12)[:, None, None, None] + np.arange(SIDE)[:, None]
    images = np.broadcast_to(np.where(phase % 6 < 3, 255, 0), (12, SIDE, SIDE, 3))
    data = TrainingData(({"image": images.astype(np.uint8)},), DataSpec((SIDE, SIDE, 3)), "", "")
    game = make_game(one, "srgan", data, pretraining_steps=100, generator_channels=8)
    run = make_run(tf, one, game, data, eagerly=False)
    first, _ = run(1)
    run(98, first_step=1)
    last, _ = run(1, first_step=99)
    assert last["psnr"] > first["psnr"] + 1.0

"""Adaptive augmentation: each change does what it says, as often as it says; the controller."""

import math

import numpy as np
import pytest
from scipy import stats

from tests import games

COUNT = 4000


@pytest.fixture(scope="module")
def source(tf):
    from gantf import noise

    return noise.of_step(0, tf.constant(0, tf.int64), COUNT)


@pytest.fixture(scope="module")
def images(tf):
    return tf.random.stateless_uniform((6, 8, 8, 3), [0, 1]) * 2 - 1


def matrices(tf, matrix, count=6):
    return tf.repeat(tf.constant(matrix, tf.float32)[None], count, axis=0)


@pytest.mark.parametrize(
    ("mean_sign", "expected"), [(0.9, 0.55), (0.6, 0.5), (0.1, 0.45), (-1.0, 0.45)]
)
def test_the_controller_moves_towards_the_target(tf, mean_sign, expected):
    """Up where D is surer of real images than the target, down where less, by the share."""
    from gantf.objectives import ada

    got = ada.update_probability(tf.constant(0.5), tf.constant(mean_sign), 0.6, 0.05)
    assert float(got) == pytest.approx(expected)


def test_the_probability_stays_between_0_and_1(tf):
    from gantf.objectives import ada

    assert float(ada.update_probability(tf.constant(0.98), tf.constant(1.0), 0.6, 0.05)) == 1.0
    assert float(ada.update_probability(tf.constant(0.02), tf.constant(0.0), 0.6, 0.05)) == 0.0


def test_it_goes_from_0_to_1_in_so_many_images(tf):
    """20 images of 100, all held to be real: 0.2; then the signs' mean is 0.5, under the target."""
    from gantf import noise
    from gantf.objectives import ada

    source = noise.of_step(0, tf.constant(0, tf.int64), 10)
    layer = ada.Ada(0.6, 100, ("blit",))
    for _ in range(2):
        layer.observe(tf.ones((10, 1)), source)
    assert float(layer.probability) == pytest.approx(0.2)
    layer.observe(tf.constant([[1.0], [1.0], [1.0], [-3.0]]), source)
    assert float(layer.probability) == pytest.approx(0.1)


@pytest.mark.parametrize("shape", [(8, 8, 3), (5, 9, 1), (12, 20, 3)])
def test_no_warp_and_no_chance_leave_images_as_they_are(tf, shape):
    from gantf import noise
    from gantf.objectives import ada

    images = tf.random.stateless_uniform((6, *shape), [0, 1]) * 2 - 1
    np.testing.assert_array_equal(ada.warp(images, matrices(tf, np.eye(3))), images)
    source = noise.of_step(0, tf.constant(0, tf.int64), 6)
    changes = ("blit", "geometry", "color")
    got = ada.augment(images, tf.constant(0.0), changes, source, "x")
    np.testing.assert_allclose(got, images, atol=1e-6)


def test_whole_shifts_are_exact_and_mirror_the_edge(tf, images):
    """Output (x, y) is input (x + 2, y - 1); outside, the row or column as far inside."""
    from gantf.objectives import ada

    shift = [[1, 0, 2], [0, 1, -1], [0, 0, 1]]
    padded = np.pad(images, ((0, 0), (1, 0), (0, 2), (0, 0)), mode="reflect")
    got = ada.warp(images, matrices(tf, shift))
    np.testing.assert_array_equal(got, padded[:, :8, 2:])


@pytest.mark.parametrize("shape", [(8, 8, 3), (7, 7, 1)])
def test_flips_and_quarter_turns_are_exact(tf, shape):
    from gantf.objectives import ada

    images = tf.random.stateless_uniform((6, *shape), [0, 1])
    flip = [[-1, 0, 0], [0, 1, 0], [0, 0, 1]]
    np.testing.assert_array_equal(ada.warp(images, matrices(tf, flip)), images[:, :, ::-1])
    for quarters in range(4):
        turn = ada._turn(tf.fill([6], quarters * math.pi / 2))
        expected = np.rot90(images, quarters, axes=(1, 2))
        np.testing.assert_allclose(ada.warp(images, turn), expected, atol=1e-5)


def test_a_half_shift_is_the_mean_of_neighbours(tf, images):
    from gantf.objectives import ada

    got = ada.warp(images, matrices(tf, [[1, 0, 0.5], [0, 1, 0], [0, 0, 1]]))
    expected = (images[:, :, :-1] + images[:, :, 1:]) / 2
    np.testing.assert_allclose(got[:, :, :-1], expected, atol=1e-6)


def test_a_turn_and_the_turn_back_meet_again_in_the_middle(tf):
    """Of an image that is linear in its place, which bilinear resampling does not blur."""
    from gantf.objectives import ada

    x, y = np.meshgrid(np.arange(31.0), np.arange(31.0))
    image = tf.constant((x + 2 * y)[None, :, :, None] / 90, tf.float32)
    there, back = (ada.warp(image, ada._turn(tf.constant([angle]))) for angle in (0.7, -0.7))
    assert np.abs(np.asarray(there - back))[0, 10:21, 10:21].max() > 0.05
    again = ada.warp(there, ada._turn(tf.constant([-0.7])))
    np.testing.assert_allclose(again[0, 10:21, 10:21], image[0, 10:21, 10:21], atol=1e-5)


class Fixed:
    """Draws that are the same for every image, neutral but for the named ones."""

    def __init__(self, tf, count, **values):
        self._fill = lambda name: tf.fill([count], float(values.get(name, 0.0)))
        self.normal = self._fill

    def integer(self, name, count):
        return self._fill(name)

    def symmetric(self, name, probability=None):
        return self._fill(name)


def test_a_third_of_a_hue_turn_moves_each_channel_on(tf, images):
    from gantf.objectives import ada

    got = ada._color(Fixed(tf, 6, hue=2 / 3), images)
    np.testing.assert_allclose(got, np.roll(images, 1, axis=3), atol=1e-5)


@pytest.mark.parametrize("hue", [-0.9, 0.1, 0.5, 1.0])
def test_a_hue_turn_keeps_the_luma_and_the_length_of_the_colour(tf, images, hue):
    from gantf.objectives import ada

    def parts(x):
        luma = np.mean(x, axis=3, keepdims=True)
        return luma, np.linalg.norm(x - luma, axis=3)

    before, after = parts(images), parts(ada._color(Fixed(tf, 6, hue=hue), images))
    for a, b in zip(before, after, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_each_colour_change_by_hand(tf, images):
    """Brightness adds 0.2, contrast doubles per two deviations, saturation doubles per one."""
    from gantf.objectives import ada

    x = np.asarray(images)
    luma = x.mean(axis=3, keepdims=True)
    expected = {
        "brightness": x + 0.2,
        "contrast": x * 2**0.5,
        "inversion": x - 2 * luma,
        "saturation": luma + 2 * (x - luma),
    }
    for name, wanted in expected.items():
        got = ada._color(Fixed(tf, 6, **{name: 1.0}), images)
        np.testing.assert_allclose(got, wanted, atol=1e-5, err_msg=name)


def test_gray_stays_gray(tf, source):
    from gantf.objectives import ada

    images = tf.repeat(tf.random.stateless_uniform((COUNT, 2, 2, 1), [0, 0]), 3, axis=3)
    got = ada.augment(images, tf.constant(1.0), ("color",), source, "x").numpy()
    np.testing.assert_allclose(got, got.mean(axis=3, keepdims=True) + 0 * got, atol=1e-5)
    one = ada.augment(images[..., :1], tf.constant(1.0), ("color",), source, "x")
    np.testing.assert_allclose(one, got[..., :1], atol=1e-5)


@pytest.mark.parametrize("probability", [0.1, 0.5, 1.0])
def test_a_change_comes_as_often_as_its_probability(tf, source, probability):
    """Within a binomial interval of 1 - 1e-6; one of two flips is none."""
    from gantf.objectives import ada

    draw = ada._Draws(source, "x", tf.constant(probability))
    expected = {
        "normal": (draw.normal("scale"), probability),
        "symmetric": (draw.symmetric("hue"), probability),
        "flip": (draw.integer("flip", 2), probability / 2),
        "quarter": (draw.integer("quarter", 4), probability * 3 / 4),
    }
    for name, (values, share) in expected.items():
        changed = int(np.count_nonzero(values))
        low, high = stats.binom.interval(1 - 1e-6, COUNT, share)
        assert low <= changed <= high, name


@pytest.mark.parametrize("probability", [0.2, 0.7, 1.0])
def test_at_least_one_of_two_turns_comes_with_the_whole_probability(tf, source, probability):
    from gantf.objectives import ada

    draw = ada._Draws(source, "x", tf.constant(probability))
    half = draw.half_probability()
    turns = [np.asarray(draw.symmetric(f"turn_{name}", half)) for name in ("before", "after")]
    low, high = stats.binom.interval(1 - 1e-6, COUNT, probability)
    assert low <= np.count_nonzero((turns[0] != 0) | (turns[1] != 0)) <= high


def test_ranges_are_the_papers(tf, source):
    """log2 of scales N(0, 0.2), whole shifts up to an eighth of the side, turns over the circle."""
    from gantf.objectives import ada

    draw = ada._Draws(source, "x", tf.constant(1.0))
    shifts = np.asarray(ada._blit(draw, 32, 64))
    flips_and_turns = np.abs(shifts[:, :2, :2]).sum(axis=(1, 2))
    np.testing.assert_allclose(flips_and_turns, 2, atol=1e-5)
    from_middle = np.abs(np.linalg.inv(shifts[:, :2, :2]) @ shifts[:, :2, 2:])[..., 0]
    np.testing.assert_allclose(from_middle.max(axis=0), [8, 4], atol=1e-3)
    areas = np.log2(np.abs(np.linalg.det(np.asarray(ada._geometry(draw, 32, 64))))) / 2
    assert areas.std() == pytest.approx(0.2, abs=5 * 0.2 / math.sqrt(2 * COUNT))


@pytest.mark.slow
def test_two_replicas_train_as_one_and_share_one_probability(tf):
    """From 1/2 it goes up or down by batch / ada_images a step: to a multiple of 1/32."""
    from gantf.distribute import strategies

    data, finals = games.make_data("gan", (8, 8, 3), count=40), []
    for kind in ("one-device", "mirrored"):
        strategy = strategies.make(kind)
        game = games.make_game(
            strategy, "gan", data, ada_target=0.01, ada_images=256, optimizer="sgd"
        )
        with strategy.scope():
            game.networks["discriminator_ada"].probability.assign(0.5)
        logged, fault = games.run_steps(tf, strategy, game, data, 5, batch_size=8)
        assert fault == -1
        assert 0 < logged["discriminator/ada_probability"] < 1
        finals.append(games.weights(game))
    for name, value in finals[0].items():
        np.testing.assert_allclose(finals[1][name], value, atol=2e-6, err_msg=name)
    (probability,) = (v for n, v in finals[0].items() if n.startswith("discriminator_ada/"))
    assert probability != 0.5
    assert 32 * probability == pytest.approx(round(32 * float(probability)), abs=1e-5)


@pytest.mark.slow
def test_xla_compiles_it_and_its_gradient(tf):
    """The same warp; XLA's own random numbers differ, so of the rest only that it runs."""
    from gantf import noise
    from gantf.objectives import ada

    images = tf.random.stateless_uniform((4, 8, 12, 3), [0, 1])
    matrix = [[0.9, 0.3, 1.2], [-0.2, 1.1, -2.3], [0, 0, 1]]
    changes = ("blit", "geometry", "color")

    def slope(images, change):
        with tf.GradientTape() as tape:
            tape.watch(images)
            total = tf.reduce_sum(change(images) ** 2)
        return tape.gradient(total, images)

    def warped(images):
        return slope(images, lambda x: ada.warp(x, matrices(tf, matrix, 4)))

    def changed(images):
        source = noise.of_step(0, tf.constant(3, tf.int64), 4)
        return slope(images, lambda x: ada.augment(x, tf.constant(0.8), changes, source, "x"))

    compiled = tf.function(warped, jit_compile=True)(images)
    np.testing.assert_allclose(compiled, warped(images), rtol=1e-4, atol=1e-4)
    for got in (changed(images), tf.function(changed, jit_compile=True)(images)):
        assert np.all(np.isfinite(got))
        assert np.count_nonzero(got) > images.shape.num_elements() / 2


def test_real_and_fake_images_are_changed_by_different_draws(tf, images):
    from gantf import noise
    from gantf.objectives import ada

    source = noise.of_step(0, tf.constant(0, tf.int64), 6)
    one, other = (
        ada.augment(images, tf.constant(1.0), ("color",), source, name)
        for name in ("d/real", "d/fake")
    )
    assert not np.allclose(one, other)

"""Bicubic matrices against Pillow's resize, and the pixel shuffle against its definition."""

import numpy as np
import pytest
from PIL import Image

SIDES = [
    ((64, 64), (16, 16)),
    ((64, 64), (32, 32)),
    ((16, 20), (64, 80)),
    ((37, 50), (9, 13)),
    ((9, 9), (13, 5)),
    ((3, 2), (12, 8)),
    ((1, 1), (4, 4)),
]


def pillow(images, height, width):
    """Pillow's bicubic resize of each channel as floats."""
    made = np.empty((len(images), height, width, images.shape[3]), np.float32)
    for row, image in enumerate(images):
        for channel in range(images.shape[3]):
            plane = Image.fromarray(image[..., channel])  # floats: mode "F"
            made[row, ..., channel] = plane.resize((width, height), Image.Resampling.BICUBIC)
    return made


@pytest.fixture
def draw():
    rng = np.random.default_rng(0)
    return lambda *shape: rng.uniform(-1.0, 1.0, shape).astype(np.float32)


@pytest.mark.parametrize(("old", "new"), SIDES)
def test_resize_is_pillows_bicubic_to_rounding(tf, draw, old, new):
    from gantf.layers import resample

    images = draw(2, *old, 3)
    np.testing.assert_allclose(resample.resize(images, *new), pillow(images, *new), atol=1e-5)


@pytest.mark.parametrize(("inputs", "outputs"), [(64, 16), (16, 64), (37, 9), (9, 37), (5, 5)])
def test_rows_of_the_matrix_sum_to_one_and_see_their_neighbourhood(tf, inputs, outputs):
    from gantf.layers import resample

    matrix = resample.bicubic_matrix(inputs, outputs).numpy()
    assert matrix.shape == (outputs, inputs)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-6)
    centres = (np.arange(outputs) + 0.5) * inputs / outputs
    distances = np.abs(np.arange(inputs) + 0.5 - centres[:, None])
    assert np.all(matrix[distances >= 2.0 * max(inputs / outputs, 1.0)] == 0)
    np.testing.assert_allclose(matrix[::-1, ::-1], matrix, atol=1e-6)


def test_the_same_size_is_left_as_it_is(tf):
    from gantf.layers import resample

    np.testing.assert_allclose(resample.bicubic_matrix(7, 7), np.eye(7), atol=1e-7)


def test_enlargement_keeps_a_ramp_away_from_the_ends(tf):
    """Keys' kernel with a = -1/2 reproduces polynomials of the second degree."""
    from gantf.layers import resample

    places = np.arange(12) + 0.5
    fine = (np.arange(48) + 0.5) / 4
    for power in (0, 1, 2):
        made = resample.bicubic_matrix(12, 48).numpy() @ (places**power).astype(np.float32)
        np.testing.assert_allclose(made[8:-8], fine[8:-8] ** power, rtol=1e-5)


def test_the_kernel_is_keys(tf):
    from gantf.layers import resample

    values = resample.cubic(tf.constant([0.0, 0.5, -0.5, 1.0, 1.5, 2.0, 3.0])).numpy()
    np.testing.assert_allclose(values, [1, 0.5625, 0.5625, 0, -0.0625, 0, 0], atol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("factor", [2, 3])
def test_pixel_shuffle_is_depth_to_space(tf, draw, factor, dtype):
    from gantf.layers import resample

    x = tf.cast(draw(2, 3, 5, 4 * factor**2), dtype)
    made = resample.pixel_shuffle(x, factor)
    assert made.dtype == x.dtype
    made, x = tf.cast(made, tf.float32).numpy(), tf.cast(x, tf.float32)
    expected = np.empty((2, 3 * factor, 5 * factor, 4), np.float32)
    for dy in range(factor):
        for dx in range(factor):
            first = (dy * factor + dx) * 4
            expected[:, dy::factor, dx::factor] = x[..., first : first + 4]
    np.testing.assert_array_equal(made, expected)
    np.testing.assert_array_equal(made, tf.nn.depth_to_space(x, factor))


@pytest.mark.parametrize("kind", ["BicubicUpsampling", "PixelShuffle"])
def test_layers_take_any_size_and_can_be_built_again(tf, draw, kind):
    """With open sides in a traced function as with known ones, and from their configuration."""
    import keras

    from gantf.layers import resample

    layer = getattr(resample, kind)(2, name="up")
    again = type(layer).from_config(layer.get_config())
    images = keras.Input((None, None, 4))
    model = keras.Model(images, again(images))
    assert model.output.shape == (None, None, None, 4 if kind == "BicubicUpsampling" else 1)
    open_sides = tf.function(model, input_signature=[tf.TensorSpec((None, None, None, 4))])
    for sides in ((4, 6), (5, 3)):
        x = draw(2, *sides, 4)
        expected = layer(x)
        assert expected.shape[1:3] == (2 * sides[0], 2 * sides[1])
        assert layer.compute_output_shape(x.shape) == tuple(expected.shape)
        np.testing.assert_allclose(open_sides(x), expected, atol=1e-6)


def test_xla_compiles_both_with_the_same_results(tf, draw):
    from gantf.layers import resample

    @tf.function(jit_compile=True)
    def both(images):
        return resample.resize(images, 4, 5), resample.pixel_shuffle(images, 2)

    images = draw(2, 16, 20, 4)
    small, shuffled = both(images)
    np.testing.assert_allclose(small, resample.resize(images, 4, 5), atol=1e-6)
    np.testing.assert_array_equal(shuffled, resample.pixel_shuffle(images, 2))

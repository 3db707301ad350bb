"""DiffAugment: what each change does to an image, exactly."""

import numpy as np
import pytest


@pytest.fixture
def source(tf):
    from gantf import noise

    return noise.of_step(0, tf.constant(0, tf.int64), 200)


def test_translation_moves_by_at_most_an_eighth_and_fills_with_zero(tf, source):
    from gantf.objectives import diffaugment

    image = np.arange(1, 65, dtype=np.float32).reshape(1, 8, 8, 1)
    moved = diffaugment.translation(tf.repeat(tf.constant(image), 200, axis=0), source, "t").numpy()
    expected = []
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            padded = np.pad(image[0, :, :, 0], 1)
            expected.append(padded[1 - down : 9 - down, 1 - right : 9 - right])
    result = {int(np.argmin([np.abs(m - e).sum() for e in expected])) for m in moved[..., 0]}
    distances = [min(np.abs(m - e).sum() for e in expected) for m in moved[..., 0]]
    assert max(distances) == 0
    assert result == set(range(9))


def test_cutout_zeroes_a_square_of_half_the_side_wherever_it_fits(tf, source):
    from gantf.objectives import diffaugment

    images = diffaugment.cutout(tf.ones((200, 8, 8, 1)), source, "c").numpy()[..., 0]
    holes = (images == 0).sum(axis=(1, 2))
    assert holes.max() == 16
    assert holes.min() >= 4  # centred on a corner, a quarter of it is inside
    rows_cut = (images == 0).any(axis=2).sum(axis=1)
    columns_cut = (images == 0).any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(holes, rows_cut * columns_cut)


def test_color_keeps_gray_images_gray_and_shifts_their_mean_by_at_most_a_half(tf, source):
    from gantf.objectives import diffaugment

    images = tf.repeat(tf.random.stateless_uniform((200, 8, 8, 1), [0, 0]), 3, axis=3)
    changed = diffaugment.color(images, source, "k").numpy()
    np.testing.assert_allclose(changed[..., 0], changed[..., 2], atol=1e-5)
    shift = changed.mean(axis=(1, 2, 3)) - images.numpy().mean(axis=(1, 2, 3))
    assert np.abs(shift).max() <= 0.5 + 1e-5
    assert np.ptp(shift) > 0.9


@pytest.mark.parametrize("change", ["color", "translation", "cutout"])
def test_gradients_pass_through_each_change(tf, source, change):
    from gantf.objectives import diffaugment

    images = tf.random.stateless_uniform((200, 8, 8, 3), [1, 2])
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(diffaugment.diffaugment(images, (change,), source, "g"))
    assert np.count_nonzero(tape.gradient(total, images)) > images.shape.num_elements() / 2


def test_no_policy_changes_nothing(tf, source):
    from gantf.objectives import diffaugment

    images = tf.random.stateless_uniform((200, 8, 8, 1), [1, 2])
    np.testing.assert_array_equal(diffaugment.diffaugment(images, (), source, "n"), images)

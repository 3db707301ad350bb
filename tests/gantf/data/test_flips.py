"""Images flipped and turned."""

import numpy as np


def test_turned_images_are_the_eight_of_a_square_and_the_four_of_a_rectangle(tf):
    from gantf import noise
    from gantf.data import flips

    for shape, count in (((2, 2, 1), 8), ((2, 3, 1), 4)):
        image = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        quarter = [np.rot90(image, turns) for turns in range(4)]
        ways = [way for turned in quarter for way in (turned, turned[:, ::-1])]
        allowed = {way.tobytes() for way in ways if way.shape == shape}
        source = noise.of_step(0, tf.constant(0, tf.int64), 200)
        made = flips.rotate_and_flip(
            tf.constant(np.broadcast_to(image, (200, *shape))), source
        ).numpy()
        assert {one.tobytes() for one in made} == allowed
        assert len(allowed) == count


def test_flipped_images_are_the_two_and_pairs_stay_pairs(tf):
    from gantf import noise
    from gantf.data import flips

    image = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    source = noise.of_step(0, tf.constant(0, tf.int64), 200)
    made = flips.random_flip(tf.constant(np.broadcast_to(image, (200, 2, 3, 2))), source).numpy()
    assert {one.tobytes() for one in made} == {image.tobytes(), image[:, ::-1].tobytes()}
    np.testing.assert_array_equal(made[..., 1], made[..., 0] + 1)

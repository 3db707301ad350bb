"""A folder of images is read as it is, or refused in one line that names the file."""

import numpy as np
import pytest
from PIL import Image

from evaluation import InputError, load_images, open_source


def save(directory, name, array, mode=None, **options):
    directory.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array, mode).save(directory / name, **options)


def test_folder_is_read_in_natural_order(tmp_path):
    for value in (2, 10, 1):
        save(tmp_path, f"img{value}.png", np.full((3, 3), value, np.uint8))
    images = open_source(tmp_path)
    assert images.images.shape == (3, 3, 3, 1)
    assert images.images[:, 0, 0, 0].tolist() == [1, 2, 10]


def test_subfolders_are_labels(tmp_path):
    for name, value in (("cat", 5), ("ant", 7)):
        save(tmp_path / name, "0.png", np.full((2, 2), value, np.uint8))
    images = load_images(f"folder:{tmp_path}")
    assert images.class_names == ("ant", "cat")
    assert images.labels.tolist() == [0, 1]
    assert images.images[:, 0, 0, 0].tolist() == [7, 5]


def test_palette_becomes_its_colours(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "p.png")
    assert open_source(tmp_path).images[0, 0].tolist() == [[10, 20, 30], [200, 100, 50]]


@pytest.mark.parametrize(("alpha", "expected"), [(0, 255), (255, 40), (51, 212)])
def test_alpha_is_laid_on_white(tmp_path, alpha, expected):
    """White at alpha 0, the colour at 255, and 0.2 * 40 + 0.8 * 255 = 212 at 51."""
    save(tmp_path, "a.png", np.full((2, 2, 4), [40, 40, 40, alpha], np.uint8))
    assert np.unique(open_source(tmp_path).images).tolist() == [expected]


def test_sixteen_bits_are_scaled_not_cut(tmp_path):
    save(tmp_path, "d.png", np.array([[0, 257, 400, 32896, 65278, 65535]], np.uint16))
    assert open_source(tmp_path).images[0, 0, :, 0].tolist() == [0, 1, 2, 128, 254, 255]


@pytest.mark.parametrize("skip_corrupt", [False, True])
@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((2, 2), 0.5, np.float32), r"d\.tiff holds floats.*8 or 16 bits"),
        (np.full((2, 2), 70_000, np.int32), r"d\.tiff holds values from 70000 to 70000"),
        (np.full((2, 2), -1, np.int32), r"d\.tiff holds values from -1"),
    ],
)
def test_floats_and_32_bits_are_refused_not_skipped(tmp_path, array, message, skip_corrupt):
    save(tmp_path, "d.tiff", array)
    with pytest.raises(InputError, match=message):
        open_source(tmp_path, skip_corrupt=skip_corrupt)


def test_gray_among_colours_becomes_rgb(tmp_path):
    save(tmp_path, "1.png", np.full((2, 2), 9, np.uint8))
    save(tmp_path, "2.png", np.full((2, 2, 3), [1, 2, 3], np.uint8))
    images = open_source(tmp_path).images
    assert images[0, 0, 0].tolist() == [9, 9, 9]
    assert images[1, 0, 0].tolist() == [1, 2, 3]


def test_mixed_sizes_are_refused_without_a_size_and_cropped_with_one(tmp_path):
    wide = np.zeros((4, 8), np.uint8)
    wide[:, 2:6] = 200  # the middle square
    save(tmp_path, "wide.png", wide)
    save(tmp_path / "b", "small.png", np.full((4, 4), 100, np.uint8))
    with pytest.raises(InputError, match=r"mixes sizes \(b/small.png is 4 x 4, wide.png is 8 x"):
        open_source(tmp_path)
    images = open_source(tmp_path, size_px=4)
    assert np.unique(images.images[0]).tolist() == [100]
    assert np.unique(images.images[1]).tolist() == [200]


def test_corrupt_image_is_named_and_skipped_only_on_request(tmp_path):
    save(tmp_path, "good.png", np.full((2, 2), 3, np.uint8))
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "bad.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"bad\.png cannot be decoded.*--skip-corrupt"):
        open_source(tmp_path)
    images = open_source(tmp_path, skip_corrupt=True)
    assert len(images) == 1
    assert images.skipped == (str(tmp_path / "bad.png"),)


def test_linked_folders_are_followed_and_loops_are_not(tmp_path):
    save(tmp_path / "store", "0.png", np.full((2, 2), 3, np.uint8))
    root = tmp_path / "set"
    save(root / "ant", "0.png", np.full((2, 2), 7, np.uint8))
    (root / "cat").symlink_to(tmp_path / "store")
    (root / "ant" / "up").symlink_to(root)
    images = load_images(f"folder:{root}")
    assert images.class_names == ("ant", "cat")
    assert images.images[:, 0, 0, 0].tolist() == [7, 3]


def test_folders_named_like_images_and_odd_digits_are_no_trouble(tmp_path):
    (tmp_path / "old.png").mkdir()
    save(tmp_path, "img\u00b2.png", np.full((2, 2), 3, np.uint8))
    save(tmp_path, "\u00b2.png", np.full((2, 2), 3, np.uint8))
    assert len(open_source(tmp_path)) == 2


def test_link_to_nothing_is_named(tmp_path):
    (tmp_path / "gone.png").symlink_to(tmp_path / "nothing.png")
    with pytest.raises(InputError, match=r"gone\.png cannot be decoded"):
        open_source(tmp_path)


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="folder: names no directory"):
        load_images("folder:")
    with pytest.raises(InputError, match="holds no images"):
        open_source(tmp_path)

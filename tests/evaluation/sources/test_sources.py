"""Every source yields exactly its pixels, or raises a one-line error."""

import pickle
import re

import numpy as np
import pytest

from evaluation import GeneratorOptions, InputError, load_images, open_source
from evaluation.sources.images import Images
from evaluation.sources.sampler import BATCH_IMAGES, to_uint8

# Arrays


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_array_files_hold_the_same_images(tmp_path, noise_images, suffix):
    images = noise_images(5, channels=3)
    path = tmp_path / f"images{suffix}"
    if suffix == ".npy":
        np.save(path, images)
    else:
        np.savez(path, images=images, labels=np.arange(5))
    opened = open_source(path)
    assert (opened.images == images).all()
    assert opened.sha256 == open_source(images).sha256


def test_pickled_array_is_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    np.save(tmp_path / "trap.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    (tmp_path / "raw.npy").write_bytes(pickle.dumps(Trap()))
    for name in ("trap.npy", "raw.npy"):
        with pytest.raises(InputError, match="cannot be read as an array"):
            open_source(tmp_path / name)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 8, 8, 1)), "array is float64; give uint8"),
        (np.zeros((2, 8), np.uint8), r"has shape \(2, 8\)"),
        (np.zeros((2, 8, 8, 2), np.uint8), "C = 1 or 3"),
        (np.zeros((0, 8, 8, 1), np.uint8), "holds no images"),
    ],
)
def test_other_arrays_are_refused(array, message):
    with pytest.raises(InputError, match=message):
        open_source(array)


def test_capitals_and_a_false_npz(tmp_path, noise_images):
    np.save(tmp_path / "images.npy", noise_images(2))
    (tmp_path / "images.npy").rename(tmp_path / "IMAGES.NPY")
    assert len(open_source(tmp_path / "IMAGES.NPY")) == 2
    (tmp_path / "false.npz").write_bytes(b"garbage")
    with pytest.raises(InputError, match=r"false\.npz is not a valid npz file"):
        open_source(tmp_path / "false.npz")


def test_npz_of_several_arrays_must_name_the_images(tmp_path, noise_images):
    np.savez(tmp_path / "two.npz", a=noise_images(2), b=noise_images(2))
    with pytest.raises(InputError, match="holds 2 arrays"):
        open_source(tmp_path / "two.npz")


# Functions


def test_function_is_called_with_its_own_generator(noise_images):
    def half_gray(n, rng):
        return rng.uniform(-1, 1, (n, 4, 4)) * 0 + 0.2

    images = open_source(half_gray).sample(BATCH_IMAGES + 3, seed=1)
    assert images.images.shape == (BATCH_IMAGES + 3, 4, 4, 1)
    assert np.unique(images.images).tolist() == [153]  # rint(1.2 / 2 * 255)
    assert images.name == "half_gray"

    def noise(n, rng):
        return rng.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)

    first, again, other = (open_source(noise).sample(70, seed) for seed in (3, 3, 4))
    assert first.sha256 == again.sha256 != other.sha256


def test_function_that_returns_too_few_is_refused():
    with pytest.raises(InputError, match=r"returned 1 images; it must return n"):
        open_source(lambda n, rng: np.zeros((1, 4, 4, 1), np.uint8)).sample(3)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 1.0), (0.0, 255.0)])
def test_quantisation_ends_and_middle(low, high):
    values = np.array([low, (low + high) / 2, high], np.float32)
    assert to_uint8(values, (low, high), "x").tolist() == [0, 128, 255]


def test_range_is_kept_to_a_thousandth():
    assert to_uint8(np.array([1.0009, -1.0009]), (-1, 1), "x").tolist() == [255, 0]
    with pytest.raises(InputError, match=r"x returned 2 of 3 values outside .*\[-1, 1\]"):
        to_uint8(np.array([1.0011, -1.0011, 0]), (-1, 1), "x")


# Values that are no source


def test_names_of_nothing(tf, tmp_path):
    with pytest.raises(InputError, match=r"unknown data 'digit'.*did you mean 'digits'"):
        open_source("digit")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match="file of unknown kind"):
        open_source(tmp_path / "notes.txt")
    with pytest.raises(InputError, match="a dict is no source"):
        open_source({})
    (tmp_path / "config.yaml").write_text("")
    with pytest.raises(InputError, match="training run without an exported generator"):
        open_source(tmp_path)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty working directory that is also the home directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


BOTH = pytest.mark.parametrize("read", [load_images, open_source])


@BOTH
@pytest.mark.parametrize(
    "name",
    [
        "./x.onnx",
        "a/b",
        "a/b:train",
        "no/such/place",
        "/no/such/place",
        "x.keras",
        "X.KERAS",
        "missing.zip",
        "missing.zip:train",
        "~/nothing.npz",
        "~/nothing",
        "models/g.h5",
        r"models\g.h5",
        "mnist/g.pt2",
        "shards/*.tfrecord",
        "part.tfrecord-00000-of-00002",
        "weights.pth",
        "result.json",
        "mine.py",
        "face.png",
        "C:/images",
        "s3://bucket/images",
    ],
)
def test_a_missing_path_is_not_taken_for_a_data_set(tf, home, read, name):
    with pytest.raises(InputError) as caught:
        read(name)
    message = str(caught.value)
    assert message.startswith(f"{name} does not exist as a file or folder; give ")
    assert message.endswith(".") and "\n" not in message


def test_a_missing_path_comes_before_its_options(home):
    options = GeneratorOptions(value_range=(0, 1))
    with pytest.raises(InputError, match=r"face\.onnx does not exist"):
        open_source("face.onnx", options=options)


@BOTH
@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("face.onnx", "faces.onnx"),
        ("./Faces.onnx", "faces.onnx"),
        ("photos/other.npy", None),
        ("photos/rbg.npy", "photos/rgb.npy"),
        ("~/face.onnx", "HOME/faces.onnx"),
        ("~/faces.onnx", "HOME/faces.onnx"),
        ("faces.onnx:train", "faces.onnx"),
        ("folder:photo", "folder:photos"),
        ("photo_patche/64", "photo_patches/64"),
    ],
)
def test_a_similar_name_is_suggested(tf, home, read, name, near):
    (home / "photos").mkdir()
    for file in ("faces.onnx", "photos/rgb.npy"):
        (home / file).write_bytes(b"")
    with pytest.raises(InputError) as caught:
        read(name)
    (suggested,) = re.findall(r"\(did you mean '(.*)'\?\)", str(caught.value)) or [None]
    assert suggested == (near and near.replace("HOME", str(home)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("photos", r"unknown data 'photos' \(did you mean 'folder:photos'\?\)"),
        ("photos/", r"photos/ is a folder; give folder:photos/ to read"),
        ("photos.zip", r"photos\.zip is a file; give a data set's name, or images as folder:PATH"),
    ],
)
def test_load_images_reads_no_other_path(tf, home, name, message):
    (home / "photos").mkdir()
    (home / "photos.zip").write_bytes(b"")
    with pytest.raises(InputError, match=message):
        load_images(name)


@BOTH
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("digits:test", ("digits", "test")),
        ("mnist", ("mnist", "train")),
        ("cycle_gan/horse2zebra", ("cycle_gan/horse2zebra", "train")),
        ("cycle_gan/horse2zebra:trainA", ("cycle_gan/horse2zebra", "trainA")),
        ("photo_patches/64:train[:10]", ("photo_patches/64", "train[:10]")),
        ("huggingface:user/photos", ("huggingface", "user/photos")),
    ],
)
def test_names_of_data_sets_are_no_paths(tf, home, monkeypatch, read, name, arguments):
    from evaluation.sources import tfds

    monkeypatch.setattr(tfds, "read", lambda *values: values[:2])
    assert read(name) == arguments


def test_data_set_split_by_name(digits):
    assert open_source("digits:test").sha256 == digits["test"].sha256
    assert {split: len(images) for split, images in digits.items()} == {"train": 1437, "test": 360}
    assert isinstance(digits["test"], Images)
    assert re.fullmatch("[0-9a-f]{64}", digits["test"].sha256)


def test_data_that_another_process_prepares_at_the_same_time(digits, tmp_path, monkeypatch):
    """The other one ends first; here it is a second call while the first prepares its data."""
    import tensorflow_datasets as tfds

    from evaluation.datasets.digits import Digits

    prepared = []
    split_generators = Digits._split_generators

    def prepare_twice(builder, dl_manager):
        if not prepared:
            prepared.append(True)
            prepared.append(load_images("digits:test").sha256)
        return split_generators(builder, dl_manager)

    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    monkeypatch.setattr(Digits, "_split_generators", prepare_twice)
    assert load_images("digits:test").sha256 == digits["test"].sha256
    assert prepared == [True, digits["test"].sha256]
    assert [path.name for path in (tmp_path / "digits").iterdir()] == ["1.0.0"]


def test_part_of_a_split_by_name(digits):
    part = load_images("digits:train[:10]")
    assert (part.images == digits["train"].images[:10]).all()
    assert part.name == load_images("digits", "train[:10]").name == "digits:train[:10]"
    assert load_images("digits:test", "test").name == "digits:test"
    assert load_images("digits").name == "digits:train"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("digits:test", "train"), r"split='train': 'digits:test' names another"),
        (("digits", "valid"), r"digits has no split 'valid'; it has test, train"),
        (("digits:train[a:5]",), r"digits has no split 'train\[a:5\]'; it has test, train"),
        (("digits:",), "names no split after its colon"),
        (("photo_patches/50",), r"no configuration '50'; give .*/32, .*/64, photo_patches/128\.$"),
        (("photo_patche",), r"\(did you mean 'photo_patches'\?\); .*folder:PATH\.$"),
        (("mnst",), "did you mean 'mnist'"),
        (("my_photographs",), r"unknown data 'my_photographs'; give built-in data"),
        (("folder:.", "test"), "has no splits"),
        ((3,), "source=3; it must be"),
        (("digits", 3), "split=3; it must be"),
    ],
)
def test_wrong_data_and_splits_are_one_line(tf, arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        load_images(*arguments)
    assert "\n" not in str(caught.value)

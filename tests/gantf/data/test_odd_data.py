"""Data that are odd: each trains, or is refused in one line that says what to do."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from gantf import models
from gantf.cli import main
from gantf.runs import metrics_log
from tests.games import SMALL

pytestmark = pytest.mark.usefixtures("eager_steps")

KINDS = ["gan", *(pytest.param(name, marks=pytest.mark.slow) for name in ("cgan", "cyclegan"))]
MODELS = [*KINDS, *(pytest.param(name, marks=pytest.mark.slow) for name in ("r3gan", "stylegan2"))]


def train(model, run_dir, *words):
    fields = models.load(model).Config.model_fields
    small = SMALL | {"path_length_weight": 0}  # whose second derivatives take long to trace
    sets = [w for k, v in small.items() if k in fields for w in ("--set", f"{k}={v}")]
    quick = ["--steps", 2, "--eval-every", 0, "--log-every", 1]
    return CliRunner().invoke(
        main,
        [str(w) for w in ("train", "--model", model, *quick, *sets, *words, "--run-dir", run_dir)],
    )


def assert_trained(result, run_dir):
    assert result.exit_code == 0, result.output
    windows = [line for line in metrics_log.read(run_dir) if "generator/loss" in line]
    assert len(windows) == 2
    assert all(np.isfinite(v) for line in windows for v in line.values())
    assert list(run_dir.glob("generator*/saved_model.pb"))


def assert_refused(result):
    """In one line, with exit code 2."""
    assert result.exit_code == 2, result.output
    assert len(result.output.strip().splitlines()) == 1, result.output
    return result.output


@pytest.fixture
def mixed(tmp_path):
    """20 images of five modes and of many sizes, two classes."""
    rng = np.random.default_rng(0)
    for number in range(20):
        side = rng.integers(9, 40, 2)
        gray = Image.fromarray(rng.integers(0, 256, side, dtype=np.uint8))
        mode = ("L", "RGB", "P", "RGBA", "LA")[number % 5]
        path = tmp_path / "mixed" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        gray.convert(mode).save(path)
    return f"folder:{tmp_path / 'mixed'}"


def make_folder(path, count, shape, classes=2):
    rng = np.random.default_rng(1)
    for number in range(count):
        file = path / "ab"[number % classes] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(file)
    return f"folder:{path}"


@pytest.mark.parametrize("model", KINDS)
def test_a_folder_of_mixed_images_with_a_size(tf, tmp_path, mixed, model):
    run_dir = tmp_path / "run"
    words = ["--data", mixed, "--size", 16, "--batch-size", 4]
    assert_trained(train(model, run_dir, *words), run_dir)


@pytest.mark.parametrize("model", KINDS)
def test_a_folder_of_mixed_images_without_a_size_is_refused(tf, tmp_path, mixed, model):
    assert "give --size to resize them" in assert_refused(
        train(model, tmp_path / "r", "--data", mixed)
    )


@pytest.mark.parametrize("model", KINDS)
def test_one_image(tf, tmp_path, model):
    """Two where a model tells classes or domains apart, which one alone is refused."""
    run_dir = tmp_path / "run"
    classes = 2 if models.needs(models.load(model)) in ("labels", "domains") else 1
    data = make_folder(tmp_path / "one", classes, (16, 16, 3), classes)
    assert_trained(train(model, run_dir, "--data", data, "--batch-size", 4), run_dir)
    if classes == 2:
        single = make_folder(tmp_path / "single", 1, (16, 16, 3), 1)
        refused = assert_refused(train(model, tmp_path / "r", "--data", single))
        assert "; add one, or" in refused or "; give " in refused


@pytest.mark.parametrize("model", MODELS)
def test_sides_that_are_no_power_of_two(tf, tmp_path, model):
    run_dir = tmp_path / "run"
    data = make_folder(tmp_path / "odd", 6, (12, 20, 3))
    result = train(model, run_dir, "--data", data, "--batch-size", 4)
    if result.exit_code == 2:
        assert "12 x 20" in assert_refused(result)
        assert "--size" in result.output
    else:
        assert_trained(result, run_dir)


@pytest.mark.parametrize("batch_size", [1, 32])
@pytest.mark.parametrize("model", MODELS)
def test_a_batch_of_one_and_one_larger_than_the_data(tf, tmp_path, model, batch_size):
    run_dir = tmp_path / "run"
    data = make_folder(tmp_path / "few", 6, (16, 16, 3))
    result = train(model, run_dir, "--data", data, "--batch-size", batch_size)
    if result.exit_code == 2:
        assert "batch" in assert_refused(result)
    else:
        assert_trained(result, run_dir)


def test_a_part_of_the_training_split_has_held_out_images(tf):
    """Those of the test split; another split, or a folder, has none."""
    from gantf.data import loading

    read = loading.load("digits:train[:40]", "images")
    assert len(read.images) == 40
    assert read.held_out is not None
    assert read.held_out.name == "digits:test"
    assert len(read.held_out.images) == 360
    whole = loading.load("digits", "labels").held_out
    np.testing.assert_array_equal(read.held_out.images, whole.images)
    assert loading.load("digits:test", "images").held_out is None
    assert loading.load("digits:train[:10]+test[:10]", "images").held_out is None


@pytest.fixture
def nothing_held(monkeypatch):
    """All folders are read on demand, as large ones are."""
    from evaluation.sources import pictures

    monkeypatch.setattr(pictures, "HELD_BYTES", 0)


def test_a_folder_on_demand_trains_to_the_same_bits(tf, tmp_path, monkeypatch):
    from evaluation.sources import pictures
    from gantf.runs import checkpoints

    data = make_folder(tmp_path / "images", 9, (12, 12, 3))
    finals = []
    for held_bytes in (pictures.HELD_BYTES, 0):
        monkeypatch.setattr(pictures, "HELD_BYTES", held_bytes)
        run_dir = tmp_path / str(held_bytes)
        words = ["--data", data, "--size", 8, "--batch-size", 4]
        assert_trained(train("cgan", run_dir, *words), run_dir)
        finals.append(checkpoints.newest(run_dir)[0].values)
    for name, value in finals[0].items():
        np.testing.assert_array_equal(finals[1][name], value, err_msg=name)


def test_a_damaged_image_on_demand_is_one_line(tf, tmp_path, nothing_held):
    data = make_folder(tmp_path / "images", 4, (8, 8, 3))
    damaged = tmp_path / "images" / "a" / "2.png"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-30])
    result = train("gan", tmp_path / "run", "--data", data, "--batch-size", 4)
    assert result.exit_code == 2, result.output
    errors = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert errors == result.output.strip().splitlines()[-1:]
    assert f"{damaged} cannot be decoded" in errors[0]
    skipped = train("gan", tmp_path / "run", "--data", data, "--batch-size", 4, "--skip-corrupt")
    assert_trained(skipped, tmp_path / "run")
    assert f"left out, since it cannot be read: {damaged}" in skipped.output


def test_a_changed_listing_is_refused_and_a_former_hash_is_not(tf, tmp_path, nothing_held):
    """Earlier versions recorded the hash of the content of all data."""
    from evaluation import load_images
    from gantf.runs import config_file

    data, run_dir = make_folder(tmp_path / "images", 4, (8, 8, 3)), tmp_path / "run"
    words = ["--data", data, "--batch-size", 4]
    assert_trained(train("gan", run_dir, *words), run_dir)
    recorded = config_file.load(run_dir)
    assert recorded.data_sha256.startswith("listing:")
    former = recorded.model_copy(update={"data_sha256": load_images(data).sha256})
    config_file.save(former, run_dir)
    for path in (run_dir / "checkpoints").iterdir():
        path.unlink()
    assert train("gan", run_dir, *words).exit_code == 0
    assert config_file.load(run_dir).data_sha256 == former.data_sha256
    make_folder(tmp_path / "images", 5, (8, 8, 3))
    assert "data_sha256 was" in assert_refused(train("gan", run_dir, *words, "--steps", 3))

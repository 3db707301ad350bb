"""Mistakes on the command line: one line that says what to do, exit code 2, nothing left behind."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from gantf import config
from gantf.cli import main
from gantf.runs import config_file

pytestmark = pytest.mark.usefixtures("eager_steps")


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def folder(tmp_path):
    """Two whole images and a corrupt one."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(2):
        pixels = np.full((10, 12, 3), 100 * number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "gna"], "did you mean 'gan'?"),
        (["--data", "digit"], "did you mean 'digits'?"),
        (["--data", "folder:/nowhere"], "folder:/nowhere is not a directory"),
        (["--data", "./x.onnx"], "./x.onnx does not exist as a file or folder; give"),
        (["--data", "no/such"], "no/such does not exist as a file or folder; give"),
        (["--set", "latent_dims=3"], "did you mean 'latent_dim'?"),
        (["--set", "latent_dim=x"], "--set latent_dim=x: "),
        (["--set", "loss"], "KEY=VALUE"),
        (["--batch-size", "0"], "--batch-size 0: "),
        (["--strategy", "tpu"], "no TPU is attached"),
        (
            ["--strategy", "multi-worker"],
            "no TF_CONFIG, srun or GANTF_POD_SELECTOR names the workers",
        ),
        (["--workers", "a:1,b:1"], "--workers a:1,b:1 needs --strategy multi-worker, but"),
        (["--tpu", "pod"], "--tpu pod needs --strategy tpu, but --strategy is auto"),
        (["--strategy", "multi-worker", "--workers", "a:1,b:1"], "--workers needs --worker-index"),
        (["--data-timeout", "inf"], "--data-timeout inf: input should be less than or equal to"),
        (["--worker-timeout", "0"], "--worker-timeout 0.0: input should be greater than 0"),
        (["--batch-size", "100000000000"], "--batch-size 100000000000: input should be less"),
        (["--worker-index", "1"], "--worker-index 1 needs --workers"),
        (["--size", "4"], "--size 4: "),
        (["--strategy", "mirrored", "--batch-size", "7"], "use 6 or 8"),
    ],
)
def test_mistakes_of_train(tf, tmp_path, words, message):
    run_dir = tmp_path / "run"
    result = run("train", *words, "--run-dir", run_dir)
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not run_dir.exists()


def test_a_corrupt_image_is_named(tf, tmp_path, folder):
    result = run("train", "--data", f"folder:{folder}", "--run-dir", tmp_path / "run")
    assert result.exit_code == 2
    assert f"{folder / 'broken.png'} cannot be decoded" in result.output
    assert "--skip-corrupt" in result.output


def test_a_folder_of_odd_images_trains_without_the_corrupt_one(tf, tmp_path, folder):
    words = ["--steps", 2, "--batch-size", 4, "--eval-every", 0, "--set", "generator_channels=4"]
    result = run(
        "train", "--data", f"folder:{folder}", "--skip-corrupt", *words, "--run-dir", tmp_path / "r"
    )
    assert result.exit_code == 0, result.output
    assert "left out, since it cannot be read" in result.output
    assert "2 images of 10 x 12 x 3" in result.output


def train_on(folder, run_dir, *more):
    small = ["--set", "generator_channels=4", "--set", "discriminator_channels=4"]
    words = ["--data", f"folder:{folder}", "--steps", 2, "--batch-size", 4, *small]
    return run("train", *words, "--run-dir", run_dir, *more)


def test_too_few_images_to_score_train_all_the_same(tf, tmp_path, folder):
    result = train_on(folder, tmp_path / "r", "--skip-corrupt")
    assert result.exit_code == 0, result.output
    assert "no scores while training" in result.output
    assert (tmp_path / "r" / "generator" / "saved_model.pb").is_file()


def test_a_refused_start_does_not_claim_the_directory(tf, tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / "0.png")
    assert train_on(folder, tmp_path / "r").exit_code == 2
    result = train_on(folder, tmp_path / "r", "--size", 16, "--eval-every", 0)
    assert result.exit_code == 0, result.output


def test_changed_images_are_noticed(tf, tmp_path, folder):
    (folder / "broken.png").unlink()
    assert train_on(folder, tmp_path / "r", "--eval-every", 0).exit_code == 0
    Image.fromarray(np.full((10, 12, 3), 7, np.uint8)).save(folder / "0.png")
    result = train_on(folder, tmp_path / "r", "--eval-every", 0)
    assert result.exit_code == 2
    assert "data_sha256 was" in result.output


def test_a_named_split_is_the_one_that_is_trained_on(tf, tmp_path):
    words = ["--data", "digits:test", "--steps", 1, "--eval-every", 0, "--run-dir", tmp_path / "r"]
    result = run("train", *words)
    assert result.exit_code == 0, result.output
    assert "digits:test (360 images" in result.output
    contract = json.loads((tmp_path / "r" / "generator" / "generator.json").read_text())
    assert contract["data"]["name"] == "digits"
    assert contract["data"]["split"] == "test"


@pytest.mark.parametrize("place", ["file/run", "file"])
def test_a_run_directory_that_cannot_be(tf, tmp_path, place):
    (tmp_path / "file").write_text("")
    result = run("train", "--steps", 1, "--run-dir", tmp_path / place)
    assert result.exit_code == 2
    assert str(tmp_path / place) in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_sample_and_export_use_a_checkpoint(eager_steps, tmp_path):
    run_dir = tmp_path / "run"
    small = ["--set", "generator_channels=4", "--set", "discriminator_channels=4"]
    words = ["--steps", 4, "--checkpoint-every", 2, "--eval-every", 2, "--batch-size", 4]
    words += ["--set", "generator_learning_rate=0.1"]
    assert run("train", *words, *small, "--run-dir", run_dir).exit_code == 0
    grids = []
    for checkpoint in ("2", "last", "last"):
        out = tmp_path / f"{len(grids)}.png"
        words = ["sample", run_dir, "--n", 9, "--out", out, "--checkpoint", checkpoint]
        assert run(*words).exit_code == 0
        grids.append(np.asarray(Image.open(out)))
    assert grids[0].shape == (26 * 20, 26 * 20)
    assert not np.array_equal(grids[0], grids[1])
    np.testing.assert_array_equal(grids[1], grids[2])
    exported = run("export", run_dir, "--checkpoint", "2")
    assert exported.output == f"{run_dir / 'step-2' / 'generator'} (step 2)\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sample", "nowhere"], "nowhere is no run directory"),
        (["sample", "nowhere", "--out", "grid.jpg"], "ends in .png"),
        (["export", "nowhere"], "nowhere is no run directory"),
        (["models", "gam"], "did you mean 'gan'?"),
    ],
)
def test_mistakes_of_other_commands(tf, words, message):
    result = run(*words)
    assert result.exit_code == 2
    assert message in result.output


def test_models_lists_each_in_one_line_with_its_paper(tf):
    from gantf import models

    lines = run("models").output.splitlines()
    assert [line.partition(":")[0] for line in lines] == models.names()
    for line in lines:
        assert re.search(r"^\w+: .+ \(arXiv:\d{4}\.\d{4,5}\)$", line), line


def test_models_tells_every_setting(tf):
    from gantf import models

    told = run("models", "gan").output
    assert "By default: --data digits --steps 4000 --batch-size 64" in told
    for key, field in models.load("gan").Config.model_fields.items():
        assert f"--set {key}={config.format_value(field.default)}\n" in told
        assert field.description in told


def test_datasets_lists_the_built_in_ones():
    assert {"digits", "photo_patches"} <= set(run("datasets").output.split())


def test_version_and_help_answer():
    assert run("--version").exit_code == 0
    done = subprocess.run([sys.executable, "-c", "from gantf.cli import main; main()", "--help"])
    assert done.returncode == 0


SMALL = ["--set", "generator_channels=4", "--set", "discriminator_channels=4"]


class TestConfigFile:
    """--config FILE: fields of a run, which options on the command line win over."""

    @pytest.fixture
    def file(self, tmp_path):
        file = tmp_path / "small.yaml"
        file.write_text(
            "batch_size: 4\nsteps: 2\nevaluate_every_steps: 0\n"
            "settings:\n  generator_channels: 4\n  diffaugment: [color, cutout]\n  loss: hinge\n"
        )
        return file

    def test_a_hand_written_one_with_an_option_that_wins(self, tf, tmp_path, file):
        words = ["--set", "loss=minimax", "--steps", 3, "--set", "final_beta_1=none"]
        result = run("train", "--config", file, *words, "--run-dir", tmp_path / "r")
        assert result.exit_code == 0, result.output
        made = config_file.load(tmp_path / "r")
        assert (made.batch_size, made.steps, made.evaluate_every_steps) == (4, 3, 0)
        assert made.settings["generator_channels"] == 4
        assert made.settings["diffaugment"] == ["color", "cutout"]
        assert made.settings["loss"] == "minimax"

    @pytest.mark.slow
    def test_a_runs_own_gives_the_same_run(self, tf, tmp_path, file):
        """In another directory the same weights; in its own, the run goes on."""
        from gantf.runs import checkpoints

        assert run("train", "--config", file, "--run-dir", tmp_path / "a").exit_code == 0
        again = ["train", "--config", tmp_path / "a" / "config.yaml", "--run-dir"]
        assert run(*again, tmp_path / "b").exit_code == 0
        a, b = (checkpoints.newest(tmp_path / name)[0].values for name in "ab")
        for name, value in a.items():
            np.testing.assert_array_equal(b[name], value)
        result = run(*again, tmp_path / "a", "--steps", 3)
        assert "going on from step 2" in result.output
        assert "--seed" not in result.output
        result = run(*again, tmp_path / "a", "--seed", 1)
        assert result.exit_code == 2
        assert "seed was 0, now 1" in result.output

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("step: 2", "step is not an option of a run; did you mean 'steps'?"),
            ("xyzzy: 2", "xyzzy is not an option of a run; choose from model, data"),
            ("steps: many", "--steps many: "),
            ("steps: 2.5", "--steps 2.5: "),
            ("batch_size: [1]", "--batch-size [1]: "),
            ("model: 3", "--model 3: "),
            ("model: gam", "did you mean 'gan'?"),
            ("data: 3", "--data 3: "),
            ("data:", "--data None: "),
            ("settings: {latent_dims: 3}", "did you mean 'latent_dim'?"),
            ("settings: {latent_dim: x}", "--set latent_dim=x: "),
            ("settings: {5: x}", "--set 5: "),
            ("settings:", "the file must hold options and their values"),
            ("settings: [loss]", "the file must hold options and their values"),
            ("- steps", "the file must hold options and their values"),
            ("", "the file must hold options and their values"),
            ("steps: [", "the file cannot be read as YAML"),
            ("best_by: fit", "--best-by fit: "),
        ],
    )
    def test_mistakes_in_it(self, tf, tmp_path, text, message):
        (tmp_path / "wrong.yaml").write_text(text)
        result = run("train", "--config", tmp_path / "wrong.yaml", "--run-dir", tmp_path / "r")
        assert result.exit_code == 2, result.output
        assert message in result.output
        assert len(result.output.strip().splitlines()) == 1
        assert not (tmp_path / "r").exists()

    @pytest.mark.parametrize("name", ["nowhere.yaml", "."])
    def test_a_file_that_is_none(self, tf, tmp_path, name):
        result = run("train", "--config", tmp_path / name)
        assert result.exit_code == 2
        assert "the file cannot be read as YAML" in result.output


def test_a_dry_run_prints_all_and_leaves_nothing(tf, tmp_path, monkeypatch):
    """YAML that --config takes, each network as a table, what each player moves."""
    import yaml

    monkeypatch.chdir(tmp_path)
    result = run("train", *SMALL, "--set", "ema_half_life_images=9", "--batch-size", 4, "--dry-run")
    assert result.exit_code == 0, result.output
    assert list(tmp_path.iterdir()) == []
    text, _, rest = result.output.partition('Model: "discriminator"')
    told = yaml.safe_load(text)
    assert told["batch_size"] == 4
    assert told["settings"]["ema_half_life_images"] == 9
    assert told["settings"]["beta_2"] == 0.99
    assert len(told["data_sha256"]) == 64
    (tmp_path / "told.yaml").write_text(text)
    assert config.read_file(tmp_path / "told.yaml")["batch_size"] == 4
    assert 'Model: "generator"' in rest
    assert "(8, 8, 1)" in rest.replace("None, ", "")
    counts = re.findall(r"(\w+) updates ([\d,]+) parameters", rest)
    assert [name for name, _ in counts] == ["discriminator", "generator"]
    totals = re.findall(r"Trainable params: ([\d,]+)", rest)
    assert [count for _, count in counts] == totals[:2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "loss=hinges"], "--set loss=hinges: "),
        (["--data", "folder:/nowhere"], "is not a directory"),
        (["--set", "accumulation=3"], "accumulation=3 does not divide the"),
        (["--strategy", "mirrored", "--batch-size", 7], "use 6 or 8"),
    ],
)
def test_a_dry_run_finds_the_same_mistakes(tf, tmp_path, words, message):
    result = run("train", *words, "--dry-run", "--run-dir", tmp_path / "r")
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert not (tmp_path / "r").exists()

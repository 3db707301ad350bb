"""docs/own_model.md: its model works as it stands, and each way to break it is told in one line."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gantf.cli import main

PAGE = Path(__file__).parents[3] / "docs" / "own_model.md"
CODE = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    return path


def test_the_page_holds_a_model_of_less_than_60_lines():
    assert len(CODE.splitlines()) < 60


def test_the_pages_model_trains_goes_on_and_is_exported_and_sampled(
    tf, eager_steps, mine, tmp_path
):
    from gantf.runs import checkpoints

    run_dir = tmp_path / "run"
    words = ["train", "--model", mine, "--set", "width=16", "--run-dir", run_dir]
    for steps in (2, 3):
        result = run(*words, "--eval-every", 0, "--steps", steps)
        assert result.exit_code == 0, result.output
    assert f"going on from step 2 of {run_dir}" in result.output
    assert list(checkpoints.paths(run_dir)) == [2, 3]
    signature = tf.saved_model.load(str(run_dir / "generator")).signatures["serving_default"]
    images = signature(latents=tf.random.stateless_normal((5, 32), [0, 0]))["images"]
    assert images.shape == (5, 8, 8, 1)
    assert not np.array_equal(images[0], images[1])
    contract = json.loads((run_dir / "generator" / "generator.json").read_text())
    assert contract["latents"] == {"dim": 32, "law": "normal"}
    assert run("sample", run_dir, "--n", 4, "--out", tmp_path / "grid.png").exit_code == 0


@pytest.mark.slow
def test_the_pages_model_learns(tf, mine, tmp_path):
    """FID after 1000 steps is far below that of its start."""
    words = ["--steps", 1000, "--eval-every", 1000, "--strategy", "one-device"]
    assert run("train", "--model", mine, *words, "--run-dir", tmp_path / "run").exit_code == 0
    lines = [json.loads(s) for s in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    first, last = (line["fid"] for line in lines if "fid" in line)
    assert last < 0.7 * first


def test_its_own_defaults_name_and_settings_are_told(tf, mine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = run("models", "mine.py").output
    assert "a least squares GAN of dense layers" in text
    assert "--data digits --steps 2000 --batch-size 64" in text
    assert "--set width=128\n      width of the hidden layers, in units" in text
    result = run("train", "--model", "mine.py", "--dry-run")
    assert result.exit_code == 0, result.output
    assert f"model: {mine}" in result.output
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("class Config(ModelConfig):", "class Config(ModelConfig:", r"mine.py, line \d+: "),
        ("import math", "import maths", r"mine.py, line 3: ModuleNotFoundError: .*'maths'"),
        ("def build(", "def builds(", "mine.py has no build"),
        ("class Config(ModelConfig)", "class Options(ModelConfig)", "mine.py has no Config"),
        ("class Config(ModelConfig)", "class Config", "Config must be a gantf.config.ModelConfig"),
        ("RUN = Defaults(", "RUN = dict(", "RUN must be a gantf.config.Defaults"),
        ("RUN =", 'NEEDS = "pictures"\nRUN =', "NEEDS is 'pictures'; it must be one of images,"),
        (
            "    return Game(",
            "    Game(",
            "build returned a NoneType; it must return a gantf.game.Game",
        ),
        ("math.prod", "math.product", "line 29: AttributeError: .*'product'"),
        ('batch["image"], 1.0', 'batch["picture"], 1.0', "line 46: KeyError: 'picture'"),
        (
            'return error(batch["fake"], 1.0), {}',
            'return tf.reduce_mean(error(batch["fake"], 1.0)), {}',
            r"loss of 'generator'.* one number per example, shape \(\d+,\); got \(\)",
        ),
        (
            'return error(batch["fake"], 1.0), {}',
            'return error(batch["image"], 1.0), {}',
            "the loss of 'generator' does not depend on",
        ),
        (
            'return error(batch["fake"], 1.0), {}',
            'return error(batch["fake"], 1.0)',
            "the loss of 'generator' must give two things: the loss per example, and a dict",
        ),
    ],
)
def test_a_broken_model_is_one_line(tf, mine, tmp_path, old, new, message):
    assert old in CODE
    mine.write_text(CODE.replace(old, new))
    result = run("train", "--model", mine, "--steps", 2, "--run-dir", tmp_path / "run")
    assert result.exit_code == 2, result.output
    errors = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert errors == result.output.strip().splitlines()[-1:]
    assert "Traceback" not in result.output
    assert re.search(message, errors[0]), errors[0]
    assert len(errors[0]) < 500


def test_a_missing_file_is_said_to_be(tf, tmp_path):
    result = run("train", "--model", tmp_path / "none.py")
    assert result.exit_code == 2
    assert "there is no such file" in result.output

"""The README's main road: train for real, sample, evaluate, and hold the numbers to their word."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import evaluation

pytestmark = pytest.mark.slow


def run(module, *words):
    code = f"from {module}.cli import main; main()"
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def trained(tf, tmp_path_factory):
    """A run with all defaults."""
    run_dir = tmp_path_factory.mktemp("runs") / "digits"
    done = run("gantf", "train", "--run-dir", run_dir)
    assert done.returncode == 0, done.stderr
    return run_dir


def test_the_default_generator_is_as_good_as_the_readme_says(trained, tmp_path):
    """All ten digits, precision >= 0.6, recall >= 0.5, plain FID within 6 times the floor."""
    report = tmp_path / "report.html"
    done = run("evaluation", trained / "generator", "--json", "--report", report)
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)
    metrics, floor = scores["metrics"], scores["floor"]
    assert metrics["modes"]["value"] == 10
    assert metrics["precision"]["value"] >= 0.6
    assert metrics["recall"]["value"] >= 0.5
    assert metrics["fid"]["n_fake"] == floor["fid"]["n_fake"]
    assert scores["context"]["fid_plain_over_floor"] <= 6
    for estimate in metrics.values():
        assert estimate["low"] <= estimate["value"] <= estimate["high"]
    page = report.read_text()
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_it_is_far_better_than_at_its_start(trained):
    """The first score of the run, against its last."""
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    scores = [line["fid"] for line in lines if "fid" in line]
    assert scores[-1] < scores[0] / 3


def test_it_raised_no_alarm(trained):
    """Though it was looked at for overfitting, too, on held-out images."""
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [line["warning"] for line in lines if "warning" in line] == []
    assert sum("overfitting" in line for line in lines) >= 2


def test_the_exported_generator_gives_the_trainers_images_in_a_fresh_process(trained, tmp_path):
    """To 1e-5, in a process that never imports gantf."""
    from gantf.generation import sampling
    from gantf.runs import restore

    code = (
        "import sys, numpy as np, tensorflow as tf\n"
        "generate = tf.saved_model.load(sys.argv[1]).signatures['serving_default']\n"
        "latents = tf.constant(np.load(sys.argv[2]))\n"
        "np.save(sys.argv[3], generate(latents=latents)['images'].numpy())\n"
        "assert 'gantf' not in sys.modules\n"
    )
    restored = restore.load(trained, "last")
    inputs = sampling.draw_inputs(restored.game, 100, np.random.default_rng(7))
    np.save(tmp_path / "latents.npy", inputs["latents"])
    paths = [trained / "generator", tmp_path / "latents.npy", tmp_path / "images.npy"]
    subprocess.run([sys.executable, "-c", code, *map(str, paths)], check=True, capture_output=True)
    expected = sampling.sample(restored.game.generators["generator"], inputs)
    np.testing.assert_allclose(np.load(tmp_path / "images.npy"), expected, atol=1e-5)


def test_samples_are_a_grid_that_a_seed_repeats(trained, tmp_path):
    grids = []
    for seed in (0, 0, 1):
        out = tmp_path / f"{len(grids)}.png"
        done = run("gantf", "sample", trained, "--n", 16, "--out", out, "--seed", seed)
        assert done.returncode == 0, done.stderr
        grids.append(np.asarray(Image.open(out)))
    np.testing.assert_array_equal(grids[0], grids[1])
    assert not np.array_equal(grids[0], grids[2])


def test_python_and_the_command_agree(trained):
    done = run("evaluation", trained / "generator", "--json", "--metrics", "fid,precision")
    shell = json.loads(done.stdout)["metrics"]
    result = evaluation.evaluate(trained / "generator", metrics=("fid", "precision"))
    for name in ("fid", "precision"):
        assert result[name].value == pytest.approx(shell[name]["value"], rel=1e-6)
        assert result[name].high == pytest.approx(shell[name]["high"], rel=1e-6)

"""The best checkpoint is scored again, on latents that were not used to choose it."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from evaluation import GeneratorOptions, open_source
from gantf import models
from gantf.cli import main
from gantf.console import Terminal
from gantf.data import loading
from gantf.runs import checkpoints, config_file, metrics_log, restore
from gantf.training import evaluator, final_evaluation

SMALL = ["generator_channels=4", "discriminator_channels=4", "latent_dim=6"]


def train(run_dir, *words):
    small = [word for setting in SMALL for word in ("--set", setting)]
    inputs = ["train", "--batch-size", "8", "--run-dir", str(run_dir), *small, *words]
    result = CliRunner().invoke(main, inputs)
    assert result.exit_code == 0, result.output
    return result.stderr


@pytest.fixture(scope="module")
def finished(tf, tmp_path_factory):
    """A run of 20 steps that was scored at steps 10 and 20, and its messages."""
    run_dir = tmp_path_factory.mktemp("runs") / "run"
    words = ["--steps", "20", "--eval-every", "10", "--checkpoint-every", "10"]
    return run_dir, train(run_dir, *words, "--keep", "9")


@pytest.fixture(scope="module")
def parts(finished):
    """The game of the best checkpoint, and the run's data."""
    run_dir, _ = finished
    restored = restore.load(run_dir, "best")
    read = loading.load("digits", models.needs(models.load("gan")), None, False)
    return restored, read


def test_the_fresh_scores_are_those_of_the_best_checkpoint_on_other_latents(finished, parts):
    run_dir, _ = finished
    restored, read = parts
    text = json.loads((run_dir / final_evaluation.FILE).read_text())
    assert text["step"] == checkpoints.best(run_dir, "auto") == restored.step
    assert text["best_by"] == "fid"
    (logged,) = (
        line for line in metrics_log.read(run_dir) if line["step"] == text["step"] and "fid" in line
    )
    seed = restored.run.seed
    chosen, fresh = (
        evaluator.make_scorer(restored.game, read, seed, fresh=fresh)()["fid"]
        for fresh in (False, True)
    )
    assert text["when_chosen"]["fid"] == pytest.approx(chosen.value, rel=1e-6)
    assert text["fresh_samples"]["fid"] == pytest.approx(fresh.value, rel=1e-6)
    assert text["fresh_samples"]["fid_low"] == pytest.approx(fresh.low, rel=1e-6)
    assert chosen.value != fresh.value
    assert logged["fid"] == text["when_chosen"]["fid"]


def test_its_generator_is_what_the_run_is_judged_by(finished, parts):
    run_dir, _ = finished
    restored, _ = parts
    best, last = (run_dir / place / "generator" for place in ("best", ""))
    steps = [json.loads((place / "generator.json").read_text())["step"] for place in (best, last)]
    assert steps == [restored.step, 20]
    source = open_source(run_dir)
    assert source.contract["step"] == restored.step
    assert source.run_dir == run_dir
    assert source.inferred == (
        f"the run's checkpoint: that of step {restored.step}, in best/generator",
    )
    np.testing.assert_array_equal(source.sample(3).images, open_source(best).sample(3).images)
    assert open_source(run_dir, options=GeneratorOptions(step=20)).contract["step"] == 20


def test_it_is_said(finished):
    _, lines = finished
    line = next(line for line in lines.splitlines() if line.startswith("best checkpoint, step"))
    assert "when it was chosen" in line and line.endswith("on fresh samples")


def test_the_game_is_left_as_it_was(finished, parts):
    run_dir, _ = finished
    restored, read = parts
    game = restored.game
    restore.assign(checkpoints.choose(run_dir, "10", "auto"), game.variables())
    before = checkpoints.values_of(game.variables())
    final_evaluation.score_best(restored.run, run_dir, game, read, Terminal())
    for name, value in checkpoints.values_of(game.variables()).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


def test_it_is_made_good_where_it_is_missing_or_of_another_step(finished):
    run_dir, _ = finished
    path = run_dir / final_evaluation.FILE
    whole = json.loads(path.read_text())
    path.write_text(json.dumps(whole | {"step": 3}))
    assert not final_evaluation.is_current(run_dir, "auto")
    path.write_text("{")
    assert not final_evaluation.is_current(run_dir, "auto")
    words = ["--steps", "20", "--eval-every", "10", "--checkpoint-every", "10"]
    assert "best checkpoint" in train(run_dir, *words, "--keep", "9")
    assert json.loads(path.read_text()) == whole
    assert "best checkpoint" not in train(run_dir, *words, "--keep", "9")


@pytest.mark.slow
def test_a_run_without_scores_has_no_best(tf, tmp_path):
    lines = train(tmp_path / "run", "--steps", "2", "--eval-every", "0")
    assert "best checkpoint" not in lines
    assert not (tmp_path / "run" / final_evaluation.FILE).exists()
    assert config_file.load(tmp_path / "run").evaluate_every_steps == 0

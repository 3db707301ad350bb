"""When a run is over early: no score better than the best one's interval for a while."""

import json

import pytest
from click.testing import CliRunner

from gantf.cli import main
from gantf.runs import checkpoints
from gantf.runs.scores import deciding_score
from gantf.training import early_stopping


def scores(name, *values, half=None):
    return [
        {name: v} if half is None else {name: v, f"{name}_low": v - half, f"{name}_high": v + half}
        for v in values
    ]


@pytest.mark.parametrize(
    ("values", "half", "over"),
    [
        ((10, 9, 8), 0.5, False),  # each is better
        ((10, 9.8, 9.9), 0.5, True),  # none leaves the interval of the first
        ((10, 9.4, 9.3), 0.5, False),  # the second is better, one without is not enough
        ((10, 9.4, 9.3, 9.2), 0.5, True),
        ((10, 9.4, 9.3, 8.8), 0.5, False),  # better than the best so far, at last
        ((10, 12, 11), 0.5, True),  # worse than the best, though the last is on its way
        ((10, 9.99, 9.98), None, False),  # without an interval better is better
        ((10, 10, 10), None, True),
        ((10,), 0.5, False),
        ((), 0.5, False),
    ],
)
def test_two_scores_without_improvement_end_a_run(values, half, over):
    assert early_stopping.is_over(scores("fid", *values, half=half), "fid", 2) == over


def test_some_scores_are_better_the_higher_they_are():
    assert early_stopping.is_over(scores("psnr", 20, 20.4, 20.3, half=0.5), "psnr", 2)
    assert not early_stopping.is_over(scores("psnr", 20, 20.4, 21, half=0.5), "psnr", 2)
    assert not early_stopping.is_over(scores("fid", 21, 20.4, 20, half=0.5), "fid", 2)


def test_patience_is_counted_in_scores_of_that_name():
    others = [{"step": 5}, {"kid": 1.0}]
    flat = scores("fid", 5, 5, 5)
    assert not early_stopping.is_over([*flat, *others], "fid", 3)
    assert early_stopping.is_over([*flat, *others, *scores("fid", 5)], "fid", 3)


def test_what_is_not_a_number_is_no_improvement():
    assert early_stopping.is_over(scores("fid", 5, float("nan"), float("nan")), "fid", 2)


def test_auto_is_the_first_score():
    assert deciding_score({"psnr": 1, "ssim": 2}, "auto") == "psnr"
    assert deciding_score({"psnr": 1, "ssim": 2}, "ssim") == "ssim"


@pytest.mark.slow
def test_a_run_that_no_longer_improves_ends_by_itself_and_stays_so(tf, tmp_path):
    """With next to no learning rate: after the scores at 4 and 8 steps, of 100."""
    run_dir = tmp_path / "run"
    words = ["train", "--steps", 100, "--batch-size", 4, "--eval-every", 4, "--run-dir", run_dir]
    for setting in ("generator_channels=4", "generator_norm=none", "generator_learning_rate=1e-30"):
        words += ["--set", setting]

    def train(*more):
        result = CliRunner().invoke(main, [str(word) for word in (*words, *more)])
        assert result.exit_code == 0, result.output
        return result.output

    lines = train("--stop-after", 2)
    assert "stopping early at step 8: fid has not improved beyond its interval in 2 scores" in lines
    assert lines.endswith(f"{run_dir / 'generator'}\n")
    contract = json.loads((run_dir / "generator" / "generator.json").read_text())
    assert contract["step"] == 8
    log = (run_dir / "metrics.jsonl").read_text()
    assert f"{run_dir} stopped early at step 8; --stop-after 0 goes on" in train("--stop-after", 2)
    assert (run_dir / "metrics.jsonl").read_text() == log
    train("--stop-after", 0, "--steps", 13)
    assert max(checkpoints.paths(run_dir)) == 13

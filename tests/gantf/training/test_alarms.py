"""Each alarm in a run that was made to fail that way, and none in one that goes well."""

import json
import re

import pytest
from click.testing import CliRunner

from gantf.cli import main

SMALL = {
    "network": "mlp",
    "generator_channels": 4,
    "discriminator_channels": 4,
    "latent_dim": 8,
    "generator_norm": "none",
    "ema_half_life_images": 0,
}
EASY_PREY = {"r1_weight": 0, "discriminator_learning_rate": 0.03, "generator_learning_rate": 1e-6}


def train(run_dir, settings, *words):
    """The records of a run, and all that it said."""
    quick = ["--batch-size", 16, "--log-every", 10, "--eval-every", 0, "--sample-every", 9999]
    sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    result = CliRunner().invoke(
        main, [str(w) for w in ("train", *quick, *words, *sets, "--run-dir", run_dir)]
    )
    assert result.exit_code == 0, result.output
    text = (run_dir / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()], result.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "settings", "words"),
    [
        ("the discriminator has won", EASY_PREY, []),
        ("vanishing gradient", {**EASY_PREY, "loss": "minimax"}, []),
        (
            "mode collapse",
            {"r1_weight": 0, "generator_learning_rate": 0.1, "discriminator_learning_rate": 1e-5},
            [],
        ),
        (
            "oscillation",
            {
                "loss": "hinge",
                "beta_1": 0.9,
                "generator_norm": "layer",
                "generator_learning_rate": 0.01,
                "discriminator_learning_rate": 0.01,
            },
            ["--steps", 1000],
        ),
        (
            "the discriminator has overfitted",
            {
                "network": "dcgan",
                "generator_channels": 8,
                "discriminator_channels": 16,
                "generator_norm": "batch",
                "r1_weight": 0,
                "discriminator_learning_rate": 0.002,
            },
            ["--data", "digits:train[:20]", "--eval-every", 100, "--steps", 500],
        ),
    ],
)
def test_a_run_that_fails_says_how_and_what_to_try(tf, tmp_path, start, settings, words):
    """In metrics.jsonl and on the terminal, with settings that the model has."""
    from gantf import models

    steps = [] if "--steps" in words else ["--steps", 300]
    records, lines = train(tmp_path / "run", {**SMALL, **settings}, *steps, *words)
    outcome = [r for r in records if r.get("warning", "").startswith(start)]
    assert outcome, [record.get("warning") for record in records if "warning" in record]
    message = outcome[0]["warning"]
    assert f"warning at step {outcome[0]['step']}: {message}" in lines
    steps_of_it, every = [r["step"] for r in outcome], 100 if "--data" in words else 10
    begun = [step for step in steps_of_it if step - every not in steps_of_it]
    told = re.findall(rf"^warning at step (\d+): {start}", lines, re.MULTILINE)
    assert [int(step) for step in told] == begun
    tried = message.partition("; in a new run, try ")[2]
    assert tried
    fields = models.load("gan").Config.model_fields
    for remedy in tried.replace(", or more images", "").split(" or "):
        name, equals, value = remedy.partition("=")
        assert name.split()[0] in fields or remedy == "hinge", remedy
        if equals:
            models.load("gan").Config(**{name: value})


@pytest.mark.slow
def test_a_run_that_goes_well_is_silent(tf, tmp_path):
    """The default networks at half their width, with scores on held-out images."""
    settings = {"generator_channels": 16, "discriminator_channels": 16}
    words = ["--steps", 600, "--eval-every", 200, "--log-every", 100]
    records, lines = train(tmp_path / "run", settings, *words)
    assert [r["warning"] for r in records if "warning" in r] == []
    assert "warning" not in lines
    assert all(r["overfitting"] < 0.5 for r in records if "overfitting" in r)
    assert sum("overfitting" in r for r in records) >= 2

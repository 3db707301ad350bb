"""Files of version 0.1 stay readable: runs, generators, results, statistics, features, caches."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import evaluation
from gantf import config, models

FILES = Path(__file__).parent / "data" / "version_0_1"


@pytest.fixture
def run_dir(tmp_path):
    """A copy of the run, whose files a resumed training changes."""
    return shutil.copytree(FILES / "run", tmp_path / "run")


@pytest.fixture
def images():
    """The 40 images that the results, features and statistics are made of."""
    return np.load(FILES / "images.npy")


def resolved(run_dir, **settings):
    """The run's configuration as today's command line resolves it."""
    from gantf.runs import config_file

    run = config_file.load(run_dir)
    model = models.load("cgan")
    made = config.make_model_config(model.Config, {**run.settings, **settings}, "cgan")
    return run.model_copy(update={"settings": made.model_dump(mode="json")})


class TestRun:
    """The run directory of a small cgan."""

    def test_its_settings_have_their_present_names(self, tf, run_dir):
        settings = resolved(run_dir).settings
        assert settings["latent_distribution"] == "uniform"
        assert settings["final_learning_rate_fraction"] == 0.5
        assert not {"latent_law", "final_learning_rate_share"} & settings.keys()

    def test_the_same_configuration_resumes_it_and_another_does_not(self, tf, run_dir):
        from gantf.runs import checkpoints, config_file

        old, new = config_file.load(run_dir), resolved(run_dir)
        config_file.check_same_run(old, new, run_dir)
        checkpoint, damaged = checkpoints.newest(run_dir)
        assert damaged == []
        assert checkpoint.meta["run"] == config_file.identity(new)
        other = resolved(run_dir, latent_distribution="normal")
        assert checkpoint.meta["run"] != config_file.identity(other)
        with pytest.raises(
            evaluation.InputError, match="set latent_distribution was uniform, now normal"
        ):
            config_file.check_same_run(old, other, run_dir)

    def test_its_checkpoint_gives_the_images_of_its_export(self, tf, run_dir):
        from gantf.generation import sampling
        from gantf.runs import restore

        restored = restore.load(run_dir, "last")
        assert restored.step == 10
        assert restored.data.class_fractions[7] == pytest.approx(0.2)
        latents = np.random.default_rng(1).uniform(-1, 1, (5, 4)).astype(np.float32)
        labels = np.arange(5)
        (network,) = restored.game.generators.values()
        ours = sampling.sample(network, {"latents": latents, "label": labels})
        exported = tf.saved_model.load(str(run_dir / "generator")).signatures["serving_default"]
        theirs = exported(latents=tf.constant(latents), labels=tf.constant(labels, tf.int64))
        np.testing.assert_allclose(ours, theirs["images"], atol=1e-6)

    def test_its_state_and_log_are_read(self, tf, run_dir):
        from gantf.runs import checkpoints, metrics_log
        from gantf.runs.train_state import TrainState

        checkpoint = checkpoints.choose(run_dir, "last", "auto")
        assert "owed" in checkpoint.meta  # the former name of pending_evaluation
        state = TrainState.from_dict(checkpoint.step, checkpoint.meta)
        assert (state.step, state.pending_evaluation, state.rollbacks) == (10, False, 0)
        assert TrainState.from_dict(10, {**checkpoint.meta, "owed": True}).pending_evaluation
        assert [record["step"] for record in metrics_log.read(run_dir)] == [5, 10]

    @pytest.mark.slow
    def test_it_trains_on(self, tf, run_dir):
        from click.testing import CliRunner

        from gantf.cli import main

        words = ["train", "--config", str(run_dir / "config.yaml"), "--run-dir", str(run_dir)]
        done = CliRunner().invoke(main, [*words, "--steps", "14", "--set", "latent_law=uniform"])
        assert done.exit_code == 0, done.output
        written = (run_dir / "config.yaml").read_text()
        assert "latent_distribution: uniform" in written
        assert "latent_law" not in written
        assert json.loads((run_dir / "generator" / "generator.json").read_text())["step"] == 14


def test_a_setting_is_given_by_one_of_its_names():
    assert config.parse_settings(("latent_law=normal",)) == {"latent_law": "normal"}
    with pytest.raises(
        evaluation.InputError, match=r"--set latent_distribution appears twice \(latent_law is"
    ):
        config.parse_settings(("latent_distribution=normal", "latent_law=normal"))


def test_the_command_line_wins_over_the_file_by_either_name(tf):
    make = config.make_model_config
    gan = models.load("gan").Config
    for first, second in (
        ("latent_law", "latent_distribution"),
        ("latent_distribution", "latent_law"),
    ):
        made = make(gan, {**{first: "normal"}, **{second: "uniform"}}, "gan")
        assert made.latent_distribution == "uniform"


def test_its_generator_is_judged(tf):
    sampler = evaluation.open_source(str(FILES / "run" / "generator"))
    drawn = sampler.sample(20, seed=0)
    assert drawn.images.shape == (20, 8, 8, 1)
    assert abs(drawn.images.mean() - 127.5) < 10  # after ten steps it is gray


def test_its_scores_are_those_of_today(images):
    saved = evaluation.Result.load(FILES / "scores.json")
    rng = np.random.default_rng(0)
    _, other = (rng.integers(0, 256, (40, 8, 8, 1), dtype=np.uint8) for _ in range(2))
    today = evaluation.evaluate(images, other, features="pixels", metrics=["kid", "precision"])
    today.check_comparable(saved)
    for name, estimate in today.items():
        for field in ("value", "low", "high"):
            assert getattr(estimate, field) == pytest.approx(
                getattr(saved[name], field), rel=1e-12, abs=1e-15
            )


def test_its_features_and_statistics_are_read(images):
    features = evaluation.extract(images, "pixels")
    former = evaluation.read_features(FILES / "features.npz")
    np.testing.assert_array_equal(former.features, features.features)
    assert (former.name, former.sha256, former.images) == (
        features.name,
        features.sha256,
        features.images,
    )
    for name in ("statistics.npz", "statistics.pkl"):
        statistics = evaluation.read_statistics(FILES / name)
        assert statistics.n == 40
        np.testing.assert_allclose(statistics.mean, features.features.mean(0, np.float64))


def test_its_cache_is_used(images, tmp_path):
    """The same entry answers: none is added, and a change in it would show."""
    folder = shutil.copytree(FILES / "cache" / "features", tmp_path / "cache")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    cached = evaluation.extract(images, "pixels", cache=folder)
    former = evaluation.read_features(FILES / "features.npz")
    np.testing.assert_array_equal(cached.features, former.features)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_its_table_of_a_batch_is_read():
    from evaluation.results.batch import read_rows

    rows = list(read_rows(FILES / "batch.csv").values())
    assert [(row["source"], row["status"], row["n"]) for row in rows] == [
        ("a", "done", 40),
        ("b", "done", 40),
    ]
    assert rows[0]["kid"] == -0.022090223060035274

"""`gantf-eval`: scores on stdout, all else on stderr, a mistake in one line with exit code 2."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from evaluation.cli import main

pytestmark = pytest.mark.usefixtures("tf")


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def sets(tmp_path, noise_images):
    """Two .npy files of noise, 60 images each."""
    for name, seed in (("real", 1), ("fake", 2)):
        np.save(tmp_path / f"{name}.npy", noise_images(60, seed=seed))
    return tmp_path / "fake.npy", "--reference", tmp_path / "real.npy"


def test_table_names_metrics_sources_and_the_floor(tanh_generator):
    result = run(tanh_generator, "--metrics", "fid,modes", "--n", 360)
    assert result.exit_code == 0
    assert f"360 images of {tanh_generator} against 1437 of digits:train" in result.stdout
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines if line.startswith(("fid", "modes"))] == [
        "fid",
        "modes",
    ]
    assert "times the floor" in lines[-1]
    assert "by sampling alone an ideal generator gets about" in lines[-1]
    assert not any(ord(character) < 32 and character != "\n" for character in result.output)


def test_json_is_all_of_stdout(sets):
    result = run(*sets, "--json", "--metrics", "kid", "--size", 4)
    content = json.loads(result.stdout)
    assert content["metrics"]["kid"]["n_fake"] == 60
    assert content["context"]["images"]["fake"]["height"] == 4
    assert "resized from 8 x 8 to 4 x 4" in result.stderr


def test_out_and_report_are_written(sets, tmp_path):
    result = run(
        *sets, "--metrics", "kid", "--out", tmp_path / "r.csv", "--report", tmp_path / "r.html"
    )
    assert result.exit_code == 0
    assert [
        row["metric"] for row in csv.DictReader((tmp_path / "r.csv").read_text().splitlines())
    ] == ["kid"]
    assert "KID" in (tmp_path / "r.html").read_text()
    assert result.stderr.count("Wrote ") == 2


def test_scores_come_before_what_cannot_be_written(sets, tmp_path):
    long = tmp_path / ("a" * 300)
    result = run(*sets, "--metrics", "kid", "--out", f"{long}.json", "--report", f"{long}.html")
    assert result.exit_code == 2
    assert "kid" in result.stdout
    error = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(error) == 1 and ".json" in error[0] and ".html" in error[0]
    result = run(
        *sets,
        "--json",
        "--metrics",
        "kid",
        "--report",
        f"{long}.html",
        "--out",
        tmp_path / "r.json",
    )
    assert result.exit_code == 2
    assert (
        json.loads(result.stdout)["metrics"]
        == json.loads((tmp_path / "r.json").read_text())["metrics"]
    )


def test_options_reach_the_evaluation(sets):
    def kid(*options):
        return json.loads(run(*sets, "--json", "--metrics", "kid", *options).stdout)["metrics"][
            "kid"
        ]

    plain = kid()
    assert kid("--n", 30)["n_fake"] == 30
    assert kid("--n", 30)["value"] != kid("--n", 30, "--seed", 1)["value"]
    assert kid("--level", 0.5)["high"] < plain["high"]
    both = json.loads(run(*sets, "--json", "--protocol", "prdc").stdout)
    assert set(both["metrics"]) == {"precision", "recall", "density", "coverage"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no/such/generator"], "no/such/generator does not exist"),
        (["--metrics", "fidd"], "did you mean 'fid'"),
        (["--features", "pixel"], "did you mean 'pixels'"),
        (["--protocol", "ttru"], "did you mean 'ttur'"),
        (["--reference", "digit"], "did you mean 'digits'"),
        (["--level", "1.5"], "1.5 is not in the range"),
        (["--level", "high"], "not a valid float"),
        (["--n", "0"], "0 is not in the range"),
        (["--n", "100"], "has only 60 images"),
        (["--size", "-3"], "-3 is not in the range"),
        (["--seed", "-1"], "-1 is not in the range"),
        (["--metrcs", "fid"], "--metrics"),
        (["--features", "digits", "--size", "16"], "features 'digits' take 8 x 8 x 1"),
        (["--metrics", "fid,", "--n", "5"], "n=5 is too few images: fid needs at least 20"),
        (
            ["--features", "pixels", "--metrics", "inception_score"],
            "use --features digits or a classifier",
        ),
        (["--out", "result.txt"], "end it in .json or .csv"),
        (["--out", "no/such/r.json"], "directory does not exist"),
        (["--report", "no/such/r.html"], "directory does not exist"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_two(sets, arguments, message):
    inputs = arguments if not arguments[0].startswith("--") else [*sets, *arguments]
    result = run(*inputs)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
    assert message in result.stderr


def test_no_source_is_one_line_too():
    result = run()
    assert (result.exit_code, result.stderr) == (2, "Error: Missing argument 'SOURCE'.\n")


def test_corrupt_file_is_skipped_only_on_request(tmp_path, noise_images, sets):
    for place, image in enumerate(noise_images(40)):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{place}.png")
    (tmp_path / "7.png").write_bytes(b"broken")
    inputs = (tmp_path, *sets[1:], "--metrics", "kid")
    result = run(*inputs)
    assert result.exit_code == 2 and "7.png cannot be decoded" in result.stderr
    result = run(*inputs, "--skip-corrupt")
    assert result.exit_code == 0 and "1 corrupt files were skipped" in result.stderr


@pytest.mark.parametrize(
    ("metric", "argument"), [("authenticity", "train_features="), ("sfid", "real_spatial=")]
)
def test_metrics_of_more_than_two_sets_are_refused_before_any_image_is_read(metric, argument):
    result = run("digits:test", "--reference", "no-such-data", "--metrics", metric)
    assert result.exit_code == 2
    assert metric in result.stderr and argument in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from evaluation.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'numpy', 'scipy', 'rich', 'PIL', 'jinja2'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "\n  gantf-eval runs/digits/generator\n" in done.stdout  # examples are not wrapped


def test_a_fresh_process_says_nothing_but_the_scores(tanh_generator):
    command = [sys.executable, "-m", "evaluation.cli", str(tanh_generator), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0
    assert done.stderr == ""
    assert json.loads(done.stdout)["metrics"]["modes"]["details"]["total_modes"] == 10

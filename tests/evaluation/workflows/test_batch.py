"""Many sources against one reference: rows equal those of `evaluate`, and are kept."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from click.testing import CliRunner

import evaluation
from evaluation import InputError
from evaluation.cli import main
from evaluation.results.batch import claimed
from evaluation.results.formatting import number
from evaluation.results.source_names import short_names
from evaluation.workflows import batch

pytestmark = pytest.mark.usefixtures("tf")
METRICS = ["kid", "coverage"]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def sources(tmp_path, noise_images):
    """Three .npy files of noise and a reference, 60 images each."""
    for seed, name in enumerate(("a", "b", "c", "real")):
        np.save(tmp_path / f"{name}.npy", noise_images(60, seed=seed))
    return [str(tmp_path / f"{name}.npy") for name in "abc"], str(tmp_path / "real.npy")


@pytest.fixture
def counted(monkeypatch):
    """The sources that were evaluated, in order."""
    seen = []
    usual = batch.evaluate

    def evaluate(source, *more, **settings):
        seen.append(os.path.basename(str(source)))
        return usual(source, *more, **settings)

    monkeypatch.setattr(batch, "evaluate", evaluate)
    return seen


def test_rows_are_what_evaluate_gives(sources):
    paths, real = sources
    outcome = evaluation.batch(paths, real, METRICS, n=50, seed=3)
    for path, row in zip(paths, outcome, strict=True):
        alone = evaluation.evaluate(path, real, METRICS, n=50, seed=3)
        assert (row["source"], row["status"], row["n"]) == (path, "done", 50)
        for name in METRICS:
            one = alone[name]
            expected = [one.value, one.low, one.high, alone.floor[name].value]
            ours = [row[name], row[f"{name}_low"], row[f"{name}_high"], row[f"{name}_floor"]]
            assert ours == expected
    assert outcome.metrics == METRICS
    assert list(outcome.to_frame()["kid"]) == [row["kid"] for row in outcome]
    assert '<td style="text-align:left">a.npy</td>' in outcome._repr_html_()
    lines = [line.split()[:3] for line in str(outcome).splitlines()[2:]]
    assert lines[:2] == [["a.npy", name, number(outcome[0][name])] for name in METRICS]
    assert len(lines) == 6


def test_the_reference_is_read_and_extracted_once(sources, monkeypatch):
    from evaluation.workflows import extraction

    paths, real = sources
    asked = []
    usual = extraction.feature_kinds.extract

    def extract(images, *more, **output):
        asked.append(images.name)
        return usual(images, *more, **output)

    monkeypatch.setattr(extraction.feature_kinds, "extract", extract)
    evaluation.batch(paths, real, METRICS)
    assert asked.count(real) == 1  # the floor's two halves are rows of it
    assert [name for name in asked if name != real] == paths


def test_finished_rows_are_found_again_and_changed_ones_are_not(sources, tmp_path, counted):
    paths, real = sources
    out = tmp_path / "table.csv"
    first = evaluation.batch(paths[:2], real, METRICS, out=out)
    again = evaluation.batch(paths, real, METRICS, out=out)
    assert counted == ["a.npy", "b.npy", "c.npy"]
    assert [row["kid"] for row in again[:2]] == [row["kid"] for row in first]
    np.save(paths[0], np.load(paths[1])[::-1])
    evaluation.batch(paths, real, METRICS, out=out)
    assert counted[3:] == ["a.npy"]
    evaluation.batch(paths[:1], real, METRICS, out=out, seed=1)
    evaluation.batch(paths[:1], real, ["kid"], out=out)
    assert counted[4:] == ["a.npy", "a.npy"]
    np.save(real, np.load(real)[::-1])
    evaluation.batch(paths[:1], real, METRICS, out=out)
    assert counted[6:] == ["a.npy"]


def test_one_failure_does_not_stop_the_rest_and_is_tried_again(sources, tmp_path, counted):
    paths, real = sources
    out, missing = tmp_path / "table.csv", str(tmp_path / "missing.npy")
    outcome = evaluation.batch([paths[0], missing, paths[1]], real, METRICS, out=out)
    assert [row["status"] for row in outcome] == ["done", "failed", "done"]
    assert "missing.npy does not exist" in outcome.failed[0]["error"]
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["status"] for row in rows] == ["done", "failed", "done"]
    np.save(missing, np.load(paths[2]))
    again = evaluation.batch([paths[0], missing, paths[1]], real, METRICS, out=out)
    assert not again.failed and counted == ["a.npy", "missing.npy", "b.npy", "missing.npy"]


def test_a_source_that_raises_anything_is_a_row(sources, monkeypatch):
    """For an exception other than InputError, the row holds its type and message on one line."""
    paths, real = sources
    usual = batch.evaluate

    def evaluate(source, *more, **settings):
        if source == paths[1]:
            raise MemoryError("no\n room")
        return usual(source, *more, **settings)

    monkeypatch.setattr(batch, "evaluate", evaluate)
    outcome = evaluation.batch(paths, real, METRICS)
    assert [row["error"] for row in outcome] == ["", "MemoryError: no room", ""]


def test_a_kill_loses_only_the_row_under_way(sources, tmp_path):
    """The process is killed once the table has a row; the same call then continues from there."""
    paths, real = sources
    out = tmp_path / "table.csv"
    code = (
        "import sys, time, evaluation\n"
        "from evaluation.workflows import batch\n"
        "usual, seen = batch.evaluate, []\n"
        "def slow(*given, **settings):\n"
        "    if seen: time.sleep(60)\n"
        "    seen.append(1)\n"
        "    return usual(*given, **settings)\n"
        "batch.evaluate = slow\n"
        f"evaluation.batch({paths!r}, {real!r}, {METRICS!r}, out={str(out)!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 60
    while not out.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["source"] for row in kept] == paths[:1]
    rest = evaluation.batch(paths, real, METRICS, out=out)
    assert float(kept[0]["kid"]) == rest[0]["kid"]
    assert rest[0]["date"] == kept[0]["date"]
    assert len(list(csv.DictReader(out.read_text().splitlines()))) == 3


def test_the_command_exits_with_one_if_any_failed(sources, tmp_path):
    paths, real = sources
    words = ["batch", *paths[:2], "--reference", real, "--metrics", "kid"]
    done = run(*words, "--out", tmp_path / "t.csv")
    assert done.exit_code == 0 and "\nb.npy    kid" in done.stdout
    assert done.stderr == f"Wrote {tmp_path / 't.csv'}\n"
    failed = run(*words, tmp_path / "no.npy", "--json")
    assert failed.exit_code == 1
    rows = json.loads(failed.stdout)
    assert [row["status"] for row in rows] == ["done", "done", "failed"]
    none = run("batch", tmp_path / "no.npy", "--reference", real)
    assert none.exit_code == 1
    assert none.stdout.startswith(f"{tmp_path / 'no.npy'} failed: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--metrics", "fidd"], "did you mean 'fid'"),
        (["--reference", "no/such.npy"], "no/such.npy does not exist"),
        (["--out", "t.json"], "must be a file that ends in .csv"),
        (["--out", "no/such/t.csv"], "its directory does not exist"),
        (["--features", "pixel"], "did you mean 'pixels'"),
    ],
)
def test_mistakes_that_all_sources_share_are_one_line(sources, words, message):
    paths, real = sources
    result = run("batch", *paths, "--reference", real, *words)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
    assert message in result.stderr


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], "sources is empty"),
        (["a.npy", "a.npy"], "'a.npy' twice"),
        ("a.npy", "it must list sources"),
        (3, "it must list sources"),
    ],
)
def test_sources_that_are_no_list(sources, message):
    with pytest.raises(InputError, match=message):
        evaluation.batch(sources, "digits")


def test_a_table_is_written_by_one_process_at_a_time(sources, tmp_path):
    paths, real = sources
    with claimed(tmp_path / "t.csv"), pytest.raises(InputError, match="written by another batch"):
        evaluation.batch(paths, real, METRICS, out=tmp_path / "t.csv")
    assert len(evaluation.batch(paths, real, METRICS, out=tmp_path / "t.csv")) == 3


def test_another_file_is_not_taken_for_a_table(sources, tmp_path):
    paths, real = sources
    (tmp_path / "t.csv").write_text("name,value\nfid,3\n")
    with pytest.raises(InputError, match=r"t\.csv is not a table of an earlier batch"):
        evaluation.batch(paths, real, METRICS, out=tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "name,value\nfid,3\n"


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["runs/a/generator", "runs/b/generator"], ["a", "b"]),
        (["runs/a/x/generator", "runs/b/generator"], ["a/x", "b"]),
        (["a.npy", "b.npy"], ["a.npy", "b.npy"]),
        (["digits", "runs/digits"], ["digits", "runs/digits"]),
        (["a/b", "a/b/b"], ["a/b", "a/b/b"]),
        (["one"], ["one"]),
    ],
)
def test_short_names_tell_paths_apart(paths, names):
    assert short_names(paths) == names

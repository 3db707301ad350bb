"""A result as a mapping, a table, a notebook cell and a file."""

import csv
import dataclasses
import json
import math
import pickle

import numpy as np
import pytest

from evaluation import Estimate, InputError, Result, measure
from evaluation.results.formatting import number


@pytest.fixture(scope="module")
def outcome():
    """All metrics of small arrays, with a floor, and an estimate without an interval."""
    rng = np.random.default_rng(0)
    logits = 4 * np.eye(4)[rng.integers(4, size=120)] + rng.standard_normal((120, 4))
    rows = rng.standard_normal((120, 5))
    names = ("fid", "kid", "precision", "recall", "density", "coverage", "inception_score", "modes")
    options = {"real_logits": logits[:60], "fake_logits": logits[60:]}
    result = measure(rows[:60], rows[60:] + 0.5, names, **options)
    floor = measure(rows[:60], rows[60:], ("fid", "kid", "precision"))
    plain = measure(rows[:60], rows[60:], "fid", protocol="ttur")["fid"]
    return Result({**result, "plain": plain}, floor, result.context)


def test_it_is_a_mapping(outcome):
    assert isinstance(outcome["fid"], Estimate)
    assert list(outcome)[:2] == ["fid", "kid"]
    assert len(outcome) == 9
    assert "nonsense" not in outcome
    with pytest.raises(KeyError):
        outcome["nonsense"]
    with pytest.raises(TypeError):
        outcome.estimates["fid"] = None


def test_table_is_plain_text_of_at_most_100_columns(outcome):
    text = str(outcome)
    lines = text.split("\n")
    assert max(map(len, lines)) <= 100
    assert text.replace("\n", "").isprintable()  # no control characters
    fid = next(line for line in lines if line.startswith("fid"))
    for shown in (
        outcome["fid"].value,
        outcome["fid"].low,
        outcome["fid"].high,
        outcome.floor["fid"].value,
    ):
        assert number(shown) in fid
    assert "60 / 60" in fid
    assert "none" in next(line for line in lines if line.startswith("plain") or "none" in line)
    assert repr(outcome) == text


def test_table_aligns_its_columns(outcome):
    lines = str(outcome).split("\n")
    end = lines[0].index("value") + len("value")
    starts = [line for line in lines[2:] if line and not line.startswith(" ")]
    assert len(starts) == len(outcome)
    assert all(line[end - 1].isdigit() and line[end] == " " for line in starts)


def test_html_escapes():
    made = Estimate("a<b", 1.0, 0.0, 2.0, 0.95, "x & y", "t", "lower", "default", 1, 2)
    page = Result({"a<b": made})._repr_html_()
    assert "a&lt;b" in page
    assert "x &amp; y" in page
    assert page.count("<tr>") == 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0.0000"),
        (1.0, "1.000"),
        (123.456, "123.5"),
        (-0.00123456, "-0.001235"),
        (12345.6, "12346"),
        (1.2e-7, "1.20e-07"),
        (3e9, "3.00e+09"),
        (math.nan, "-"),
        (math.inf, "inf"),
    ],
)
def test_number(value, shown):
    assert number(value) == shown


def test_json_round_trip(outcome, tmp_path):
    path = outcome.save(tmp_path / "scores.json")
    json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    again = Result.load(path)
    assert again.to_dict() == outcome.to_dict()
    assert again["kid"] == outcome["kid"]
    assert math.isnan(again["plain"].low)
    assert again.floor["fid"] == outcome.floor["fid"]
    assert str(again) == str(outcome)
    assert [item.name for item in tmp_path.iterdir()] == ["scores.json"]


def test_infinities_and_missing_ends_survive_a_file(tmp_path):
    """No duplicates: support [.., inf]; a class that real rows lack: a divergence of inf."""
    rows = np.arange(60.0)[:, None]
    logits = np.eye(3)[np.arange(60) % 3]
    options = {"real_logits": 4 * np.eye(3)[np.arange(60) % 2], "fake_logits": 4 * logits}
    outcome = measure(fake_features=rows, metrics=["support", "modes"], **options)
    assert (outcome["support"].high, outcome["modes"].details["kl"]) == (math.inf, math.inf)
    path = outcome.save(tmp_path / "scores.json")
    again = Result.load(path)
    assert dict(again) == dict(outcome)
    assert str(again) == str(outcome)
    fields = json.loads(path.read_text())["metrics"]
    assert (fields["support"]["high"], fields["modes"]["details"]["kl"]) == ("inf", "inf")
    made = dataclasses.replace(outcome["support"], low=-math.inf, high=math.nan, method="inf")
    loaded = Result.load(Result({"support": made}).save(path))["support"]
    assert (loaded.low, loaded.method) == (-math.inf, "inf")
    assert math.isnan(loaded.high)


def test_a_file_that_holds_none_for_an_infinite_end_is_still_read(outcome, tmp_path):
    path = outcome.save(tmp_path / "scores.json")
    content = json.loads(path.read_text())
    content["metrics"]["fid"]["high"] = None
    path.write_text(json.dumps(content))
    assert math.isnan(Result.load(path)["fid"].high)


@pytest.mark.parametrize("wrong", [3, None])
def test_what_is_no_path_or_no_result_is_refused(outcome, wrong):
    for use in (outcome.save, Result.load):
        with pytest.raises(InputError, match=f"path={wrong}; it must be the path of a file"):
            use(wrong)
    with pytest.raises(InputError, match=r"other is \w+; it must be an Estimate"):
        outcome["fid"].check_comparable(wrong)
    with pytest.raises(InputError, match=r"other is \w+; it must be a Result"):
        outcome.check_comparable(wrong)


def test_csv_has_a_line_for_each_metric(outcome, tmp_path):
    with open(outcome.save(tmp_path / "scores.csv"), newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["metric"] for line in lines] == [e.metric for e in outcome.values()]
    assert float(lines[0]["value"]) == outcome["fid"].value
    assert float(lines[0]["floor"]) == outcome.floor["fid"].value


def test_frame(outcome):
    frame = outcome.to_frame()
    assert list(frame.index) == [estimate.metric for estimate in outcome.values()]
    assert frame.loc["kid", "value"] == outcome["kid"].value
    assert frame["floor"].iloc[0] == outcome.floor["fid"].value
    assert math.isnan(frame.loc["recall", "floor"])


def test_other_suffixes_and_folders_are_refused(outcome, tmp_path):
    with pytest.raises(InputError, match=r"must end in .json or .csv"):
        outcome.save(tmp_path / "scores.txt")
    with pytest.raises(InputError, match="there is no folder"):
        outcome.save(tmp_path / "nowhere" / "scores.json")


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"metrics": {"fid": {}}, "floor": null}'])
def test_load_refuses_what_is_no_result(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(InputError, match="is not a saved result"):
        Result.load(path)
    with pytest.raises(InputError, match="cannot be read"):
        Result.load(tmp_path / "missing.json")


def test_a_failed_save_leaves_the_old_file(outcome, tmp_path):
    path = outcome.save(tmp_path / "scores.json")
    before = path.read_text()
    broken = dataclasses.replace(outcome, context={"what": object()})
    with pytest.raises(TypeError):
        broken.save(path)
    assert path.read_text() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_pickle_and_replace(outcome):
    again = pickle.loads(pickle.dumps(outcome))
    assert again.to_dict() == outcome.to_dict()
    assert dataclasses.replace(outcome, floor=None).floor is None


def test_a_place_that_cannot_be_written_is_one_line(outcome, tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        outcome.save(tmp_path / f"{'a' * 300}.json")


def test_no_metrics_are_no_table(tmp_path):
    with pytest.raises(InputError, match="there are no metrics to save"):
        Result({}).save(tmp_path / "r.csv")
    Result({}).save(tmp_path / "r.json")
    with pytest.raises(InputError, match="is not a saved result"):
        Result.load(tmp_path / "r.json")


def test_numbers_that_are_words_are_no_result(outcome, tmp_path):
    path = outcome.save(tmp_path / "r.json")
    content = json.loads(path.read_text())
    content["metrics"]["fid"]["value"] = "high"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="is not a saved result"):
        Result.load(path)

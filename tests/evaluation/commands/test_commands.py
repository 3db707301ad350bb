"""The commands beside `gantf-eval SOURCE`, its limits, and what its new options do."""

import csv
import io
import json
import math

import numpy as np
import pytest
from click.testing import CliRunner

import evaluation
from evaluation import Estimate, GeneratorOptions, InputError, Result
from evaluation.cli import main
from evaluation.commands import limits, options
from evaluation.features import cache

pytestmark = pytest.mark.usefixtures("tf")


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def one_error(result, message):
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
    assert message in result.stderr


@pytest.fixture
def sets(tmp_path, noise_images):
    """.npy files: reference, a set of the same law, a darker one, and one RGB."""
    real = noise_images(80, seed=1)
    np.save(tmp_path / "real.npy", real)
    np.save(tmp_path / "same.npy", noise_images(80, seed=2))
    np.save(tmp_path / "dark.npy", noise_images(80, seed=3) // 2)
    np.save(tmp_path / "rgb.npy", noise_images(80, channels=3, seed=4))
    return tmp_path


@pytest.fixture
def labelled(tmp_path, noise_images):
    """Two folders with two classes each; in the second, one class is darker."""
    from PIL import Image

    for part, seed in (("real", 1), ("fake", 2)):
        for place, image in enumerate(noise_images(80, seed=seed)):
            folder = tmp_path / part / ("cat" if place % 2 else "dog")
            folder.mkdir(parents=True, exist_ok=True)
            dark = part == "fake" and place % 2
            Image.fromarray(image[..., 0] // (3 if dark else 1)).save(folder / f"{place:02}.png")
    return tmp_path


# gantf-eval SOURCE


def test_score_is_what_is_meant_without_a_command(sets):
    words = [sets / "same.npy", "--reference", sets / "real.npy", "--json", "--metrics", "kid"]
    bare, named = run(*words), run("score", *words)
    assert json.loads(bare.stdout)["metrics"] == json.loads(named.stdout)["metrics"]
    options_first = run(*words[1:], words[0])
    assert json.loads(options_first.stdout)["metrics"] == json.loads(bare.stdout)["metrics"]


def test_help_of_the_whole_names_all_commands():
    told = run("--help").stdout
    for name in ("batch", "cache", "compare", "curve", "plan", "score"):
        assert f"\n  {name} " in told
    assert "--fail-above" in told and told.startswith("Usage: main [OPTIONS] SOURCE\n")


def test_the_table_says_what_the_scores_depend_on(sets):
    result = run(sets / "same.npy", "--reference", sets / "real.npy", "--metrics", "kid")
    content = json.loads(
        run(
            sets / "same.npy", "--reference", sets / "real.npy", "--metrics", "kid", "--json"
        ).stdout
    )["context"]
    assert "80 images of" in result.stdout and "Protocol default, level 0.95" in result.stdout
    for side in ("real", "fake"):
        assert content["images"][side]["sha256"][:8] in result.stdout
    assert content["features"]["sha256"][:8] in result.stdout


def test_csv_is_all_of_stdout(sets):
    words = [sets / "same.npy", "--reference", sets / "real.npy", "--metrics", "kid,coverage"]
    rows = list(csv.DictReader(io.StringIO(run(*words, "--csv").stdout)))
    expected = json.loads(run(*words, "--json").stdout)["metrics"]
    assert {row["metric"]: float(row["value"]) for row in rows} == {
        name: outcome["value"] for name, outcome in expected.items()
    }
    one_error(run(*words, "--csv", "--json"), "--json and --csv: give one of them")


def test_gray_against_rgb_is_said_or_refused(sets):
    words = [sets / "rgb.npy", "--reference", sets / "real.npy", "--metrics", "kid"]
    result = run(*words)
    assert result.exit_code == 0
    assert "real.npy is gray; its channel was repeated" in result.stderr
    one_error(run(*words, "--strict"), "real.npy is gray and")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--n", "81"], "has only 80 images"),
        (["--range", "1,-1"], "--range 1,-1: give two rising numbers"),
        (["--range", "1"], "--range 1: give two rising numbers"),
        (["--fail-above", "fid"], "--fail-above fid: write METRIC=NUMBER"),
        (["--fail-above", "fid=nan"], "--fail-above fid=nan: write METRIC=NUMBER"),
        (["--fail-below", "coverag=1"], "did you mean 'coverage'"),
        (["--fail-above", "sfid=1"], "sfid is not measured"),
        (["--metrics", "kid", "--fail-above", "fid=1"], "fid is not measured, only kid"),
        (["--precision", "float16"], "'float16' is not one of"),
        (["--layout", "CHWN"], "'CHWN' is not one of"),
        (["--latent-dim", "0"], "0 is not in the range"),
        (["--weights", "no/such.npz"], "no/such.npz' does not exist"),
        (["--per-class"], "has no labels"),
    ],
)
def test_mistakes_are_one_line(sets, words, message):
    one_error(run(sets / "same.npy", "--reference", sets / "real.npy", *words), message)


def test_sizes_that_differ_and_output_that_is_not_finite(sets, noise_images):
    np.save(sets / "large.npy", noise_images(40, height=16, width=16))
    result = run(sets / "large.npy", "--reference", sets / "real.npy")
    one_error(result, "bring both to one size with --size")

    def broken(n, rng):
        return np.full((n, 8, 8, 1), np.nan, np.float32)

    with pytest.raises(InputError, match="not finite"):
        evaluation.evaluate(broken, sets / "real.npy")


def test_every_option_of_a_generator_reaches_its_options():
    values = {
        "latent_dim": 7,
        "latent": "truncated:0.7",
        "labels": "3",
        "value_range": "0,255",
        "layout": "NCHW",
        "signature": "sample",
        "batch_size": 5,
        "step": 40,
        "trust": True,
        "strict": True,
    }
    others = ("n", "seed", "level", "size_px", "skip_corrupt", "features", "layer", "weights")
    inputs = options.keywords(
        {**values, **dict.fromkeys((*others, "resize", "precision", "cache"))}
    )
    expected = {**values, "labels": 3, "value_range": (0.0, 255.0)}
    assert inputs["options"] == GeneratorOptions(**expected)
    assert inputs["features"].batch_size == 5


def test_every_option_of_features_reaches_the_extraction(sets, monkeypatch):
    from evaluation.workflows import extraction

    (sets / "w.npz").write_bytes(b"")
    asked = []
    usual = extraction.feature_kinds.extract

    def extract(images, options, **more):
        asked.append(options)
        return usual(images, "pixels")

    monkeypatch.setattr(extraction.feature_kinds, "extract", extract)
    words = ["--layer", "a", "--weights", sets / "w.npz", "--resize", "b", "--cache"]
    words += ["--precision", "bfloat16", "--batch-size", 7, "--features", "random-conv"]
    words += ["--metrics", "kid"]
    result = run(sets / "same.npy", "--reference", sets / "real.npy", *words)
    told = {"layer": "a", "weights": str(sets / "w.npz"), "resize": "b", "precision": "bfloat16"}
    assert result.exit_code == 0, result.output
    assert asked[0] == evaluation.FeatureOptions("random-conv", **told, batch_size=7, cache=True)


def test_options_are_recorded(sets):
    words = [sets / "same.npy", "--reference", sets / "real.npy", "--metrics", "kid", "--json"]
    context = json.loads(run(*words, "--strict").stdout)["context"]
    assert context["options"]["strict"] is True and context["options"]["latent"] is None
    assert json.loads(run(*words).stdout)["context"]["options"] is None


# --fail-above, --fail-below


def estimate(value, low, high, metric="fid"):
    better = "lower" if metric == "fid" else "higher"
    return Estimate(metric, value, low, high, 0.95, "m", "t", better, "default", 9, 9)


@pytest.mark.parametrize(
    ("text", "side", "low", "high", "broken"),
    [
        ("fid=12", "above", 12.1, 14.0, True),
        ("fid=12", "above", 12.0, 14.0, False),
        ("fid=12", "above", 11.0, 14.0, False),
        ("fid=12", "above", -math.inf, 14.0, False),
        ("fid=12", "below", 10.0, 11.9, True),
        ("fid=12", "below", 10.0, 12.0, False),
        ("fid=12", "below", 10.0, math.inf, False),
        ("fid=-1e3", "above", -5.0, 5.0, True),
    ],
)
def test_a_limit_is_broken_only_by_the_whole_interval(text, side, low, high, broken):
    result = Result({"fid": estimate(13.0 if side == "above" else 11.0, low, high)})
    ((outcome, sentence),) = limits.judge(limits.parse([text], side), result)
    assert outcome is broken
    assert sentence.startswith("FAILED" if broken else "Passed")


def test_a_metric_without_interval_cannot_decide():
    result = Result({"fid": estimate(13.0, math.nan, math.nan)})
    with pytest.raises(InputError, match=r"fid=12: fid has no interval .* --protocol default"):
        limits.judge(limits.parse(["fid=12"], "above"), result)


def test_exit_codes_of_limits(sets):
    words = [sets / "dark.npy", "--reference", sets / "real.npy", "--metrics", "kid,coverage"]
    passed = run(*words, "--fail-above", "kid=1e9", "--fail-below", "coverage=0")
    assert passed.exit_code == 0 and passed.stderr.count("Passed --fail-") == 2
    failed = run(*words, "--fail-above", "kid=1e9", "--fail-below", "coverage=0.999")
    assert failed.exit_code == 1 and "FAILED --fail-below coverage=0.999" in failed.stderr
    assert failed.stdout.count("coverage") == 1


def test_a_protocol_without_intervals_shows_its_scores_and_then_the_mistake(sets):
    words = [sets / "dark.npy", "--reference", sets / "real.npy", "--metrics", "fid"]
    result = run(*words, "--protocol", "ttur", "--fail-above", "fid=12")
    assert result.exit_code == 2 and "fid" in result.stdout
    assert "fid has no interval by protocol ttur" in result.stderr


# --per-class


def test_per_class_finds_the_class_that_is_wrong(labelled):
    words = [labelled / "fake", "--reference", labelled / "real", "--metrics", "kid", "--per-class"]
    content = json.loads(run(*words, "--json").stdout)["per_class"]["classes"]
    assert set(content) == {"cat", "dog"}
    assert content["cat"]["metrics"]["kid"]["low"] > content["dog"]["metrics"]["kid"]["high"]
    table = run(*words).stdout
    assert "class" in table and "mean" in table
    rows = list(csv.DictReader(io.StringIO(run(*words, "--csv").stdout)))
    assert [row["class"] for row in rows] == ["cat", "dog"]


def test_per_class_scores_are_those_of_the_rows_of_each_class(labelled):
    outcome = evaluation.evaluate_classes(labelled / "fake", labelled / "real", ["kid"])
    real, fake = (evaluation.load_images(f"folder:{labelled / part}") for part in ("real", "fake"))
    for number, name in enumerate(real.class_names):
        rows = [evaluation.extract(x.images[x.labels == number]).features for x in (real, fake)]
        alone = evaluation.measure(*rows, ["kid"], level=0.975)["kid"]
        assert outcome[name]["kid"].value == pytest.approx(alone.value, rel=1e-9)
        assert outcome[name]["kid"].low == pytest.approx(alone.low, rel=1e-9)


@pytest.fixture
def conditional(tf, make_generator, tmp_path):
    """A generator of two classes: noise, and noise half as bright."""

    def draw(latents, labels):
        noise = tf.math.floormod(tf.tile(latents, [1, 16]) * 37.0, 2.0) - 1.0
        dark = tf.cast(labels[:, None] == 0, tf.float32)
        return tf.reshape(noise * (1.0 - dark) - dark, [-1, 8, 8, 1])

    labels = {"classes": 2, "law": [0.9, 0.1]}
    contract = {"labels": labels, "data": None}
    return make_generator(tmp_path / "g", draw, contract, labels=True)


def test_per_class_asks_a_generator_for_each_class(conditional, labelled):
    """Class 0, by the names' order the cats, is all black."""
    outcome = evaluation.evaluate_classes(conditional, labelled / "real", ["kid"], n=120)
    assert list(outcome) == ["cat", "dog"]
    assert {label: result["kid"].n_fake for label, result in outcome.items()} == {
        "cat": 60,
        "dog": 60,
    }
    assert outcome["cat"]["kid"].low > outcome["dog"]["kid"].high
    usual = evaluation.evaluate_classes(conditional, labelled / "real", ["kid"])
    assert usual["cat"]["kid"].n_fake == 40  # as many as the reference has


def test_per_class_needs_labels_and_the_same_classes(conditional, labelled, tanh_generator, sets):
    words = ["--metrics", "kid", "--per-class"]
    one_error(run(tanh_generator, "--reference", labelled / "real", *words), "takes no labels")
    one_error(run(conditional, "--reference", sets / "real.npy", *words), "reference")
    one_error(run(conditional, "--reference", "digits", *words), "has 2 classes, the reference")
    opened = evaluation.open_source(conditional)
    with pytest.raises(InputError, match="give its path"):
        evaluation.evaluate_classes(opened, labelled / "real", ["kid"])
    one_error(run(conditional, "--reference", labelled / "real", *words, "--n", 1), "too few for 2")


# compare


def test_compare_gives_what_compare_gives_on_the_features(sets):
    words = ["compare", sets / "same.npy", sets / "dark.npy", "--reference", sets / "real.npy"]
    outcome = json.loads(run(*words, "--metrics", "kid", "--json", "--level", 0.9).stdout)
    rows = {
        name: evaluation.extract(np.load(sets / f"{name}.npy")).features
        for name in ("same", "dark", "real")
    }
    models = {"same.npy": rows["same"], "dark.npy": rows["dark"]}
    expected = evaluation.compare(models, rows["real"], "kid", level=0.9)
    pair = outcome["metrics"]["kid"]["differences"][0]
    assert pair["value"] == expected.differences[0].value
    assert pair["adjusted_p_value"] == expected.differences[0].adjusted_p_value
    assert pair["better"] == "same.npy"
    assert outcome["sentences"][0].startswith("same.npy is better than dark.npy by kid: lower by")
    assert outcome["sentences"][-1] == "Ranking by kid: same.npy < dark.npy."


def test_intervals_of_all_pairs_are_bonferronis(sets):
    """With K pairs each is that of one pair at level 1 - (1 - level) / K."""
    paths = {name: sets / f"{name}.npy" for name in ("same", "dark")}
    paths["half"] = np.load(sets / "dark.npy") // 2
    outcome = evaluation.compare_sources(paths, sets / "real.npy", "kid")["kid"]
    rows = {k: evaluation.extract(v if k == "half" else np.load(v)) for k, v in paths.items()}
    alone = evaluation.compare(
        {name: of.features for name, of in rows.items()},
        evaluation.extract(np.load(sets / "real.npy")).features,
        "kid",
        level=1 - 0.05 / 3,
    )
    for ours, theirs in zip(outcome.differences, alone.differences, strict=True):
        assert (ours.joint_low, ours.joint_high) == pytest.approx((theirs.low, theirs.high))


def test_compare_prints_scores_differences_and_words(sets):
    words = ["compare", sets / "same.npy", sets / "real.npy", "--reference", "digits"]
    result = run(*words, "--metrics", "kid,precision")
    assert result.exit_code == 0
    for text in (
        "2 sources of 80 images",
        "adjusted p",
        "do not differ significantly by",
        "Ranking by kid",
    ):
        assert text in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["same.npy"], "a comparison needs two or more"),
        (["same.npy", "same.npy"], "same.npy' twice"),
        (["same.npy", "rgb.npy"], "images of as many channels"),
        (["same.npy", "dark.npy", "--metrics", "recall"], "compare needs one of fid, kid"),
        (["same.npy", "dark.npy", "--paired-latents"], "pairs need generators with the same"),
        (["same.npy", "none.npy"], "none.npy does not exist"),
    ],
)
def test_mistakes_of_compare(sets, words, message):
    paths = [sets / word if word.endswith(".npy") else word for word in words]
    one_error(run("compare", *paths, "--reference", sets / "real.npy"), message)


# plan, cache


def test_plan_is_that_of_the_features(sets):
    words = ["plan", sets / "dark.npy", "--reference", sets / "real.npy", "--json"]
    outcome = json.loads(run(*words, "--effect", "0.005").stdout)
    rows = [evaluation.extract(np.load(sets / f"{name}.npy")).features for name in ("real", "dark")]
    expected = evaluation.plan("kid", *rows, effect=0.005)
    assert outcome["n"] == expected.n and outcome["effect"] == 0.005
    back = json.loads(run(*words, "--images", expected.n).stdout)
    assert back["effect"] == pytest.approx(0.005, rel=0.01)
    other = json.loads(run(*words, "--effect", "0.005", "--other", sets / "same.npy").stdout)
    assert other["settings"]["second_pilot"] and other["n"] != expected.n
    assert "rows per sample detect" in run(*words[:-1], "--effect", "0.005").stdout


def test_plan_needs_one_of_effect_and_images(sets):
    one_error(run("plan", sets / "dark.npy", "--reference", sets / "real.npy"), "give one of them")


def test_cache_lists_what_an_evaluation_kept_and_empties_itself(sets, monkeypatch):
    monkeypatch.setenv("GANTF_CACHE", str(sets / "cache"))
    words = [sets / "same.npy", "--reference", sets / "real.npy", "--metrics", "kid", "--json"]
    assert run(*words).exit_code == 0 and cache.entries() == []
    first = run(*words, "--cache")
    listed = run("cache", "list")
    assert len(listed.stdout.splitlines()) == len(cache.entries()) == 2
    assert "features 80 x 64" in listed.stdout and "2 entries" in listed.stderr
    again = run(*words, "--cache")
    assert json.loads(again.stdout)["metrics"] == json.loads(first.stdout)["metrics"]
    assert "Removed" in run("cache", "clear").stderr
    assert cache.entries() == [] and run("cache", "list").stdout == ""


# curve


@pytest.fixture
def logged(tmp_path):
    """A run's directory with two scores and one window."""
    lines = [
        {"step": 0, "scored": True, "fid": 9.0, "fid_low": 8.0, "fid_high": 10.0, "overfitting": 0},
        {"step": 5, "generator/loss": 0.7},
        {"step": 10, "scored": True, "fid": 3.0, "fid_low": 2.0, "fid_high": 4.5},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def test_curve_holds_the_logged_scores(logged):
    outcome = json.loads(run("curve", logged, "--json").stdout)
    points = [(p["metric"], p["step"], p["value"], p["low"], p["high"]) for p in outcome["points"]]
    assert points == [
        ("fid", 0, 9.0, 8.0, 10.0),
        ("fid", 10, 3.0, 2.0, 4.5),
        ("overfitting", 0, 0.0, None, None),
    ]
    only = run("curve", logged, "--metrics", "fid").stdout
    assert "overfitting" not in only and "[2.000, 4.500]" in only


def test_curve_writes_a_figure_or_a_table(logged):
    from PIL import Image

    out = logged / "c.png"
    assert run("curve", logged, "--out", out).stderr == f"Wrote {out}\n"
    with Image.open(out) as figure:
        assert figure.size[0] > 300
    assert run("curve", logged, "--out", logged / "c.csv").exit_code == 0
    rows = list(csv.DictReader((logged / "c.csv").read_text().splitlines()))
    assert [row["value"] for row in rows] == ["9.0", "3.0", "0.0"]


def test_curve_evaluates_exports_of_several_steps(logged, make_generator):
    for step in (10, 20):
        make_generator(logged / f"generator-{step}", contract={"step": step})
    words = ["curve", logged, "--metrics", "fid", "--n", 200, "--json"]
    outcome = json.loads(run(*words).stdout)["points"]
    assert [(p["step"], p["from" if "from" in p else "origin"]) for p in outcome] == [
        (0, "while training"),
        (10, "while training"),
        (10, "fresh images"),
        (20, "fresh images"),
    ]
    alone = evaluation.evaluate(logged / "generator-20", metrics=["fid"], n=200)["fid"]
    assert outcome[-1]["value"] == alone.value
    without = json.loads(run(*words, "--no-exports").stdout)["points"]
    assert without == outcome[:2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--metrics", "fidd"], "did you mean 'fid'"),
        (["--out", "c.txt"], "it must end in one of .png"),
        (["--out", "no/such/c.png"], "its directory does not exist"),
    ],
)
def test_mistakes_of_curve(logged, words, message):
    one_error(run("curve", logged, *words), message)


def test_curve_of_what_is_no_run(tmp_path):
    one_error(run("curve", tmp_path), "has no scores in metrics.jsonl")
    one_error(run("curve", tmp_path / "no"), "no does not exist")

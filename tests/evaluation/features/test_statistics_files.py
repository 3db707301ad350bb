"""Statistics and features in files: what is written is read, by this package and by others."""

import dataclasses
import json
import pickle

import numpy as np
import pytest

import evaluation
from evaluation import (
    InputError,
    evaluate,
    extract,
    extract_statistics,
    measure,
    read_features,
    read_statistics,
    save_features,
    save_statistics,
)
from evaluation.distances.moments import Moments
from evaluation.features import Features
from evaluation.features.files.statistics import Statistics, statistics_of
from evaluation.features.streaming import moments_of_blocks
from evaluation.results.wording import headline

ROWS = np.random.default_rng(0).normal(3, 2, (50, 4)).astype("f4")
OTHER = np.random.default_rng(1).normal(2.5, 1, (60, 4)).astype("f4")
MADE = Features(ROWS, None, "mine", "ab" * 32, {"layer": "a", "size": [2, 3]}, (), "cd" * 32)
MEAN, COVARIANCE = ROWS.mean(0, dtype="f8"), np.cov(ROWS.astype("f8"), rowvar=False)


@pytest.mark.parametrize("form", ["gantf", "pytorch-fid", "clean-fid", "stylegan3"])
def test_each_form_gives_back_mean_and_covariance(form, tmp_path):
    path = tmp_path / ("s.pkl" if form == "stylegan3" else "s.npz")
    save_statistics(MADE, path, form=form)
    outcome = read_statistics(path)
    np.testing.assert_allclose(outcome.mean, MEAN, rtol=1e-12)
    np.testing.assert_allclose(outcome.covariance, COVARIANCE, rtol=1e-9, atol=1e-12)
    assert outcome.n == (50 if form in ("gantf", "stylegan3") else None)
    assert outcome.source == str(path)
    named = (outcome.name, outcome.sha256, outcome.settings, outcome.images)
    ours = (MADE.name, MADE.sha256, MADE.settings, MADE.images)
    assert named == (ours if form == "gantf" else ("", "", {}, None))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_files_are_what_the_other_programs_read(tmp_path):
    """pytorch-fid takes mu and sigma; StyleGAN3 divides its raw sums by num_items."""
    save_statistics(MADE, tmp_path / "s.npz", "pytorch-fid")
    with np.load(tmp_path / "s.npz") as file:
        assert sorted(file.files) == ["mu", "sigma"]
        np.testing.assert_allclose(file["sigma"], COVARIANCE, rtol=1e-12)
    save_statistics(MADE, tmp_path / "s.pkl", "stylegan3")
    content = pickle.loads((tmp_path / "s.pkl").read_bytes())
    assert content["raw_mean"].dtype == content["raw_cov"].dtype == np.float64
    mean = content["raw_mean"] / content["num_items"]
    covariance = content["raw_cov"] / content["num_items"] - np.outer(mean, mean)
    np.testing.assert_allclose(covariance, COVARIANCE * 49 / 50, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_every_protocol_are_read(protocol, tmp_path):
    path = tmp_path / "s.pkl"
    for content in (
        {"num_items": 50, "raw_mean": ROWS.sum(0, "f8"), "raw_cov": ROWS.T.astype("f8") @ ROWS,
         "all_features": None, "max_items": np.int64(50)},
        (MEAN, COVARIANCE),
        {"mu": MEAN, "sigma": np.asfortranarray(COVARIANCE)},
    ):  # fmt: skip
        path.write_bytes(pickle.dumps(content, protocol=protocol))
        outcome = read_statistics(path)
        np.testing.assert_allclose(outcome.mean, MEAN, rtol=1e-12)
        np.testing.assert_allclose(outcome.covariance, COVARIANCE, rtol=1e-9, atol=1e-12)


class Evil:
    """Runs a program where it is unpickled by the usual means."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_pickles_that_name_anything_else_are_refused_unread(tmp_path):
    path, mark = tmp_path / "s.pkl", tmp_path / "ran"
    path.write_bytes(pickle.dumps({"mu": MEAN, "sigma": Evil(mark)}))
    with pytest.raises(InputError, match=r"s\.pkl names (_)?io\.open, but only arrays") as caught:
        read_statistics(path)
    assert "\n" not in str(caught.value)
    assert not mark.exists()


def test_statistics_that_are_none_are_refused(tmp_path):
    def refused(line, path=tmp_path / "s.npz", **arrays):
        if arrays:
            np.savez(path, **arrays)
        with pytest.raises(InputError, match=line) as caught:
            read_statistics(path)
        assert "\n" not in str(caught.value)

    refused(r"s\.npz does not exist; give a \.npz or \.pkl file")
    refused(r"holds x; statistics are n, mean, scatter", x=MEAN)
    refused(
        r"mean of shape \(4,\) and a covariance of shape \(2, 4\)", mu=MEAN, sigma=np.eye(4)[:2]
    )
    refused(r"numbers that are not finite", mu=MEAN * np.nan, sigma=COVARIANCE)
    refused(r"not symmetric", mu=MEAN, sigma=np.tri(4))
    refused(r"must be numbers", mu=MEAN.astype("U"), sigma=COVARIANCE)
    refused(r"s\.npz is damaged", mu=np.array([None] * 4), sigma=COVARIANCE)
    newer = json.dumps({"format": 2})
    refused(r"format 2, this version reads 1", n=5, mean=MEAN, scatter=COVARIANCE,
            description=newer)  # fmt: skip
    output = json.dumps({"format": 1, "name": "", "sha256": "", "settings": {}, "images": None})
    refused(r"has n=1 images", n=1, mean=MEAN, scatter=COVARIANCE, description=output)
    (tmp_path / "s.npz").write_bytes(b"damaged")
    refused(r"s\.npz is damaged")
    pkl = tmp_path / "s.pkl"
    for content, line in (
        (3, r"holds int; statistics are num_items"),
        ({"num_items": 1, "raw_mean": MEAN, "raw_cov": COVARIANCE}, r"holds num_items=1"),
        ({"num_items": 5, "raw_mean": None, "raw_cov": None}, r"no mean and covariance"),
    ):
        pkl.write_bytes(pickle.dumps(content))
        refused(line, pkl)
    pkl.write_bytes(pickle.dumps(MEAN)[:-20])
    refused(r"s\.pkl is damaged", pkl)


def test_places_and_forms_that_cannot_be_written(tmp_path):
    for words, line in (
        ((MADE, tmp_path / "s.npz", "npz"), r"form='npz'; use one of gantf, pytorch-fid"),
        ((MADE, tmp_path / "s.npz", "stylegan3"), r"files of form 'stylegan3' end in \.pkl"),
        ((ROWS, tmp_path / "s.npz"), r"features is ndarray; give the result of evaluation\.extr"),
        ((MADE, tmp_path / "no" / "s.npz"), r"s\.npz cannot be written \(No such file"),
        ((dataclasses.replace(MADE, features=ROWS[:1]), tmp_path / "s.npz"), r"has 1 rows"),
    ):
        with pytest.raises(InputError, match=line):
            save_statistics(*words)
    with pytest.raises(InputError, match=r"files of features end in \.npz"):
        save_features(MADE, tmp_path / "f.npy")
    with pytest.raises(InputError, match=r"features is ndarray"):
        save_features(ROWS, tmp_path / "f.npz")
    unknown = Statistics(None, MEAN, COVARIANCE)
    with pytest.raises(InputError, match=r"does not record the number of images"):
        save_statistics(unknown, tmp_path / "s.pkl", "stylegan3")
    save_statistics(unknown, tmp_path / "s.npz", "pytorch-fid")
    assert (read_statistics(tmp_path / "s.npz").mean == MEAN).all()


def test_statistics_merge_as_if_they_were_of_all_rows():
    whole = statistics_of(dataclasses.replace(MADE, features=np.concatenate([ROWS, OTHER])))
    parts = [statistics_of(dataclasses.replace(MADE, features=rows)) for rows in (ROWS, OTHER)]
    merged = Statistics.from_moments(parts[0].moments().merge(parts[1].moments()))
    assert merged.n == 110
    np.testing.assert_allclose(merged.covariance, whole.covariance, rtol=1e-12)


# --- features in files ---


def test_features_come_back_as_they_were(tmp_path):
    logits = np.random.default_rng(2).normal(size=(50, 3)).astype("f4")
    made = dataclasses.replace(MADE, logits=logits, classes=("a", "b", "c"))
    save_features(made, tmp_path / "f.npz")
    outcome = read_features(tmp_path / "f.npz")
    assert (outcome.features == ROWS).all()
    assert (outcome.logits == logits).all()
    for name in ("name", "sha256", "settings", "classes", "images"):
        assert getattr(outcome, name) == getattr(made, name)


def test_files_that_hold_no_features(tmp_path):
    path = tmp_path / "f.npz"
    for arrays, line in (
        ({"x": ROWS}, r"holds x; files of features hold features"),
        ({"features": ROWS[0]}, r"features of .*f\.npz has shape \(4,\)"),
        ({"features": ROWS * np.nan}, r"features of .*f\.npz"),
        ({"features": ROWS, "logits": ROWS[:3]}, r"50 rows of features and 3 of logits"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(InputError, match=line):
            read_features(path)
    with pytest.raises(InputError, match=r"g\.npz does not exist"):
        read_features(tmp_path / "g.npz")


# --- as sides of an evaluation ---


def plain(real, fake, protocol="ttur"):
    return measure(real, fake, ["fid"], protocol=protocol)["fid"].value


@pytest.fixture(scope="module")
def sets(tf):
    rng = np.random.default_rng(3)
    real, fake = (rng.integers(low, 256, (80, 4, 4, 1), dtype=np.uint8) for low in (0, 60))
    return real, fake


@pytest.mark.parametrize("form", ["gantf", "pytorch-fid", "stylegan3"])
def test_statistics_are_a_reference(form, sets, tmp_path):
    real, fake = sets
    path = tmp_path / ("s.pkl" if form == "stylegan3" else "s.npz")
    save_statistics(extract(real), path, form)
    features = None if form == "gantf" else "pixels"
    expected = plain(extract(real).features, extract(fake).features)
    for protocol in ("default", "ttur"):
        result = evaluate(fake, path, features=features, protocol=protocol)
        assert list(result) == ["fid"]
        assert result["fid"].value == pytest.approx(expected, rel=1e-9)
        assert result["fid"].settings["estimator"] == "plain"
        assert not result["fid"].has_interval
    unknown = form == "pytorch-fid"
    assert result["fid"].n_real == (0 if unknown else 80)
    assert any("does not say of how many" in n for n in result.context["notes"]) == unknown
    assert any("which features" in n for n in result.context["notes"]) == (form != "gantf")
    assert "80 images" in str(headline(result))
    assert result.context["images"]["fake"]["sha256"] == extract(fake).images
    both = evaluate(extract(fake), path, "fid", protocol="ttur")
    assert both["fid"].value == pytest.approx(expected, rel=1e-9)


def test_a_protocol_that_divides_by_n_needs_n(sets, tmp_path):
    real, fake = sets
    save_statistics(extract(real), tmp_path / "s.npz")
    result = evaluate(fake, tmp_path / "s.npz", protocol="stylegan3")
    expected = plain(extract(real).features, extract(fake).features, "stylegan3")
    assert result["fid"].value == pytest.approx(expected, rel=1e-9)
    save_statistics(extract(real), tmp_path / "s.npz", "pytorch-fid")
    with pytest.raises(InputError, match=r"of how many images.*use a protocol such as"):
        evaluate(fake, tmp_path / "s.npz", features="pixels", protocol="stylegan3")


def test_float32_means_are_taken_where_the_protocol_says(tmp_path):
    """At a mean of 1e5 float32 keeps two digits less than the spread needs."""
    far = dataclasses.replace(MADE, features=ROWS + np.float32(1e5))
    wide = dataclasses.replace(MADE, features=OTHER + np.float32(1e5))
    save_statistics(far, tmp_path / "s.npz")
    ours, theirs = (
        evaluate(wide, tmp_path / "s.npz", protocol=p)["fid"].value for p in ("ttur", "clean-fid")
    )
    gap = (
        far.features.mean(0, dtype="f8") - wide.features.mean(0).astype("f8"),
        far.features.mean(0, dtype="f8") - wide.features.mean(0, dtype="f8"),
    )
    assert theirs - ours == pytest.approx(gap[0] @ gap[0] - gap[1] @ gap[1], rel=1e-6)
    assert theirs != ours


def test_other_metrics_need_features(sets, tmp_path):
    real, fake = sets
    save_statistics(extract(real), tmp_path / "s.npz")
    with pytest.raises(InputError, match=r"s\.npz holds mean and covariance alone, and kid reads"):
        evaluate(fake, tmp_path / "s.npz", ["fid", "kid"])


def test_features_are_a_side_like_images(sets, tmp_path):
    real, fake = sets
    paths = [tmp_path / name for name in ("real.npz", "fake.npz")]
    for path, images in zip(paths, sets, strict=True):
        save_features(extract(images), path)
    names = ["fid", "kid", "precision"]
    expected = measure(extract(real).features, extract(fake).features, names)
    for ours, theirs in (
        (paths[1], paths[0]),
        (fake, paths[0]),
        (paths[1], real),
        (extract(fake), extract(real)),
    ):
        result = evaluate(ours, theirs, names)
        for name in names:
            assert (result[name].value, result[name].low) == (
                expected[name].value,
                expected[name].low,
            )
        assert list(result.floor) == names
        assert result.floor["kid"].n_real == result.floor["kid"].n_fake == 40
    assert set(evaluate(paths[1], paths[0])) == set(evaluate(fake, real))


def test_classifiers_features_serve_their_metrics(digits, tmp_path):
    save_features(extract(digits["test"], "digits"), tmp_path / "f.npz")
    result = evaluate(digits["train"], tmp_path / "f.npz", ["modes", "coverage"], n=100)
    assert result["modes"].value == 10
    assert result.context["features"]["name"] == "digits"
    assert result.context["features"]["classes"] == list(digits["test"].class_names)
    assert result["coverage"].n_fake == 100


def test_sides_that_do_not_go_together(sets, digits, tmp_path):
    real, fake = sets
    save_features(extract(real), tmp_path / "f.npz")
    save_statistics(extract(real), tmp_path / "foreign.npz", "pytorch-fid")
    for words, named, line in (
        ((fake, tmp_path / "foreign.npz"), {}, r"does not say which features it holds.*--features"),
        ((tmp_path / "f.npz",), {}, r"do not say what real data.*--reference"),
        ((tmp_path / "f.npz", real), {"n": 3}, r"n=3: .*f\.npz holds no images to choose from"),
        ((fake, tmp_path / "f.npz"), {"n": 81}, r"n = 81: array has only 80 images"),
        ((fake, tmp_path / "f.npz"), {"report": "r.html"}, r"report shows images"),
        ((fake, tmp_path / "f.npz"), {"features": "random-conv"}, r"has 16 features and array 64"),
        ((digits["test"], tmp_path / "f.npz"), {}, r"has 16 features and .* 64"),
        ((dataclasses.replace(extract(fake), sha256="ef"), tmp_path / "f.npz"), {},
         r"features differ: sha256 of .*take both from the same network"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=line) as caught:
            evaluate(*words, **named)
        assert "\n" not in str(caught.value)


# --- constant memory ---


def test_streamed_moments_are_those_of_all_rows():
    blocks = (ROWS[start : start + 7] for start in range(0, 50, 7))
    outcome, whole = moments_of_blocks(blocks), Moments.from_rows(ROWS)
    assert outcome.n == 50
    np.testing.assert_allclose(outcome.scatter, whole.scatter, rtol=1e-12)
    with pytest.raises(InputError, match="blocks holds no rows"):
        moments_of_blocks(iter(()))


def test_memory_does_not_grow_with_the_number_of_rows():
    import tracemalloc

    def peak(rows):
        rng = np.random.default_rng(0)
        tracemalloc.start()
        moments_of_blocks(rng.random((1000, 64), "f4") for _ in range(rows // 1000))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(800_000) < 1.05 * peak(200_000)


def test_a_generators_statistics_are_those_of_its_images(tf):
    def noise(n, rng):
        return rng.integers(0, 256, (n, 4, 4, 1)).astype(np.uint8)

    sampler = evaluation.open_source(noise)
    streamed = extract_statistics(sampler, "pixels", n=300, seed=5)
    whole = statistics_of(extract(sampler.sample(300, 5), "pixels"))
    assert (streamed.n, streamed.name) == (300, "pixels")
    np.testing.assert_allclose(streamed.covariance, whole.covariance, rtol=1e-12)
    with pytest.raises(InputError, match="a covariance needs 2"):
        extract_statistics(np.zeros((1, 4, 4, 1), np.uint8))

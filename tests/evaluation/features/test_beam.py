"""The pipeline equals one machine; its parts are tested without Beam, too."""

import sys

import numpy as np
import pytest

from evaluation import FeatureOptions, InputError, extract, read_statistics
from evaluation.distances.moments import Moments
from evaluation.features import beam as pipelines

SHAPE = (16, 16, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (90, *SHAPE), dtype=np.uint8)
JOB = pipelines.Job(FeatureOptions("random-conv"), SHAPE, 16)


def batches(size=16):
    return [(first, IMAGES[first : first + size]) for first in range(0, len(IMAGES), size)]


def test_batches_in_any_order_give_the_local_features_and_moments(tf):
    local = extract(IMAGES, "random-conv", batch_size=16)
    order = np.random.default_rng(1).permutation(len(batches()))
    result = [pipelines.compute(JOB, batches()[place]) for place in order]
    for first, features, logits in result:
        assert (features == local.features[first : first + len(features)]).all()
        assert logits is None
    halves = [
        pipelines.merged(Moments.from_rows(f) for _, f, _ in part)
        for part in (result[:2], result[2:])
    ]
    whole, expected = pipelines.merged([None, *halves]), Moments.from_rows(local.features)
    assert whole.n == 90
    np.testing.assert_allclose(whole.mean, expected.mean, rtol=1e-12)
    np.testing.assert_allclose(whole.scatter, expected.scatter, rtol=1e-9, atol=1e-12)
    assert pipelines.merged([None]) is None


@pytest.mark.parametrize(
    ("images", "line"),
    [
        (IMAGES[:2, :8], r"batch 5 is uint8 of shape \(2, 8, 16, 3\); the job takes"),
        (IMAGES[:2].astype("f4"), r"batch 5 is float32"),
        (IMAGES[:17], r"batch 5 has 17 images; the job takes 1 to 16"),
        (IMAGES[:0], r"batch 5 has 0 images"),
    ],
)
def test_batches_of_another_form_are_refused(images, line):
    with pytest.raises(InputError, match=line):
        pipelines.compute(JOB, (5, images))


def test_without_the_package_the_line_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(InputError, match="needs the package apache-beam; install it with pip"):
        pipelines.extract(None, "pixels", SHAPE, "out", 16)


def test_shards_that_are_missing_are_told(tmp_path):
    with pytest.raises(InputError, match="holds no finished run; let the pipeline finish"):
        pipelines.read_shards(tmp_path)
    (tmp_path / "shards").mkdir()
    (tmp_path / "features.json").write_text('{"name": "a", "sha256": "b", "settings": {}}')
    rows = np.zeros((3, 2), "f4")
    np.savez(tmp_path / "shards" / "000000000000.npz", first=0, features=rows)
    assert (pipelines.read_shards(tmp_path).features == rows).all()
    np.savez(tmp_path / "shards" / "000000000004.npz", first=4, features=rows)
    with pytest.raises(InputError, match=r"begins with image 4, not 3; run the pipeline"):
        pipelines.read_shards(tmp_path)


@pytest.mark.parametrize("mode", ["multi_threading", "multi_processing"])
@pytest.mark.filterwarnings("ignore")  # in Beam and its imports
def test_a_pipeline_with_several_workers_equals_one_machine(mode, tmp_path, tf):
    """Features exactly, mean and covariance to 1e-9."""
    beam = pytest.importorskip("apache_beam", reason="apache-beam is not installed")
    from apache_beam.options.pipeline_options import PipelineOptions

    options = PipelineOptions(
        ["--runner=DirectRunner", "--direct_num_workers=3", f"--direct_running_mode={mode}"]
    )
    with beam.Pipeline(options=options) as pipeline:
        source = pipeline | beam.Create(batches()) | beam.Reshuffle()
        pipelines.extract(source, "random-conv", SHAPE, tmp_path / "out", 16)
    local = extract(IMAGES, "random-conv", batch_size=16)
    result, whole = pipelines.read_shards(tmp_path / "out"), Moments.from_rows(local.features)
    assert np.abs(result.features - local.features).max() <= 1e-9
    assert (result.name, result.sha256) == (local.name, local.sha256)
    assert result.settings == local.settings
    statistics = read_statistics(tmp_path / "out" / "statistics.npz")
    assert (statistics.n, statistics.sha256) == (90, local.sha256)
    np.testing.assert_allclose(statistics.mean, whole.mean, rtol=0, atol=1e-9)
    np.testing.assert_allclose(statistics.covariance, whole.covariance(), rtol=0, atol=1e-9)

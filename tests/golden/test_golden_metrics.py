"""The numbers that the reference programs answered, through the protocols that bear their names."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from evaluation import measure

HERE = Path(__file__).parent
CASES = ("full_rank", "rank_deficient")


@pytest.fixture(scope="module")
def arrays():
    with np.load(HERE / "metrics_arrays.npz") as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def expected():
    return json.loads((HERE / "metrics_expected.json").read_text())


@pytest.fixture(params=CASES)
def case(request, arrays, expected):
    """Real features, fake features, and what the programs say of them."""
    name = request.param
    return arrays[f"{name}_real"], arrays[f"{name}_fake"], expected[name]


def test_plain_fid_is_exact(case):
    real, fake, answers = case
    value = measure(real, fake, "fid", protocol="ttur")["fid"].value
    assert value == pytest.approx(answers["exact.fid_ddof1"], rel=1e-9)
    assert measure(real, fake, "fid")["fid"].details["plain"] == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("protocol", ["torch-fidelity", "clean-fid", "adm"])
def test_torch_fidelity_fid(case, protocol):
    """The others take float32 means and ddof 1 too."""
    real, fake, answers = case
    value = measure(real, fake, "fid", protocol=protocol)["fid"].value
    assert value == pytest.approx(answers["torch_fidelity.fid"], rel=1e-6)


def test_sfid_of_adm(case):
    """Its formula is that of FID, on other rows."""
    real, fake, answers = case
    result = measure(metrics="sfid", real_spatial=real, fake_spatial=fake, protocol="adm")["sfid"]
    assert result.value == pytest.approx(answers["torch_fidelity.fid"], rel=1e-6)


@pytest.mark.parametrize(
    ("protocol", "ddof", "dtype"),
    [
        ("pytorch-fid", 1, np.float64),
        ("clean-fid", 1, np.float32),
        ("adm", 1, np.float32),
        ("stylegan3", 0, np.float64),
        ("tf-gan", 1, np.float64),
        ("torchmetrics", 1, np.float64),
    ],
)
def test_fid_of_other_programs(arrays, protocol, ddof, dtype):
    """Against SciPy's matrix root, with each program's mean and ddof."""
    rows = [arrays[f"full_rank_{side}"] for side in ("real", "fake")]
    gap = np.subtract(*(x.astype(dtype).mean(axis=0) for x in rows)).astype(np.float64)
    s1, s2 = (np.cov(x.astype(np.float64), rowvar=False, ddof=ddof) for x in rows)
    expected = gap @ gap + np.trace(s1 + s2) - 2.0 * np.trace(scipy.linalg.sqrtm(s1 @ s2)).real
    result = measure(*rows, "fid", protocol=protocol)["fid"]
    assert result.value == pytest.approx(expected, rel=1e-6)
    assert not result.has_interval


def test_torch_fidelity_kid(case):
    """torch-fidelity sums in float32, which errs by 1e-7; the tolerance is absolute."""
    real, fake, answers = case
    settings = {"kid": {"subset_size": answers["torch_fidelity.kid_subset_size"]}}
    result = measure(real, fake, "kid", protocol="torch-fidelity", settings=settings)["kid"]
    theirs = answers["torch_fidelity.kid"]
    assert result.value == pytest.approx(theirs["kernel_inception_distance_mean"], abs=1e-6)
    spread = theirs["kernel_inception_distance_std"]
    assert result.details["spread_over_subsets"] == pytest.approx(spread, abs=1e-6)
    assert not result.has_interval


@pytest.mark.parametrize("protocol", ["clean-fid", "stylegan3"])
def test_kid_of_other_programs(arrays, expected, protocol):
    """With 1000 rows or more theirs are the subsets that torch-fidelity draws from that seed."""
    rows = [arrays[f"full_rank_{side}"] for side in ("real", "fake")]
    theirs = expected["full_rank"]["torch_fidelity.kid"]["kernel_inception_distance_mean"]
    assert measure(*rows, "kid", protocol=protocol)["kid"].value == pytest.approx(theirs, abs=1e-6)


def test_torch_fidelity_precision_and_recall(case):
    real, fake, answers = case
    result = measure(real, fake, ("precision", "recall"), protocol="torch-fidelity")
    for name in result:
        assert result[name].value == pytest.approx(answers["torch_fidelity.prc_k3"][name], abs=1e-6)
    score = scipy.stats.hmean([result[name].value for name in result])
    assert score == pytest.approx(answers["torch_fidelity.prc_k3"]["f_score"], abs=1e-6)


@pytest.mark.parametrize("protocol", ["adm", "stylegan3"])
def test_float16_precision_and_recall_are_near_the_exact_ones(case, protocol):
    """The same balls but for rounding, which moves rows near a sphere: no more than one in 100."""
    real, fake, answers = case
    result = measure(real, fake, ("precision", "recall"), protocol=protocol)
    for name in result:
        assert result[name].value == pytest.approx(answers["torch_fidelity.prc_k3"][name], abs=0.01)


def test_prdc(case):
    real, fake, answers = case
    names = ("precision", "recall", "density", "coverage")
    result = measure(real, fake, names, protocol="prdc")
    for name in names:
        assert result[name].value == pytest.approx(answers["prdc_k5"][name], abs=1e-9)


@pytest.mark.parametrize(
    ("protocol", "splits", "key"),
    [
        ("ttur", 10, "inception_score_10_splits_unshuffled"),
        ("ttur", 1, "inception_score_1_split"),
        ("stylegan3", 10, "inception_score_10_splits_unshuffled"),
        ("tf-gan", 1, "inception_score_1_split"),
        ("adm", 1, "inception_score_1_split"),  # fewer than 5000 rows are one chunk
        ("torch-fidelity", 10, "inception_score_10_splits_shuffled_2020"),
    ],
)
def test_inception_score(arrays, expected, protocol, splits, key):
    result = measure(
        metrics="inception_score",
        fake_logits=arrays["logits"],
        protocol=protocol,
        settings={"inception_score": {"splits": splits}},
    )["inception_score"]
    assert result.value == pytest.approx(expected[key]["inception_score_mean"], rel=1e-9)
    spread = expected[key]["inception_score_std"]
    assert result.details["spread_over_splits"] == pytest.approx(spread, abs=1e-9)
    assert not result.has_interval


def test_default_inception_score_starts_from_one_split(arrays, expected):
    result = measure(metrics="inception_score", fake_logits=arrays["logits"])["inception_score"]
    plain = expected["inception_score_1_split"]["inception_score_mean"]
    assert result.details["plain"] == pytest.approx(plain, rel=1e-9)
    assert result.value > plain  # finite samples bias the score downwards

"""`measure` itself: what it refuses, what it records, what it needs."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import evaluation
from evaluation import InputError, measure, metrics, protocols

RNG = np.random.default_rng(0)
REAL, FAKE = RNG.standard_normal((60, 4)), RNG.standard_normal((50, 4))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"metrics": "fidd"}, "unknown metric 'fidd': did you mean 'fid'?"),
        ({"metrics": ("fid", "inseption_score")}, "did you mean 'inception_score'?"),
        ({"metrics": 3}, "metrics=3; it must be names"),
        ({"metrics": b"fid"}, "metrics=b'fid'; it must be names, such as ['fid', 'kid']"),
        ({"metrics": [["fid"]]}, "metrics=[['fid']]; it must be names"),
        ({"metrics": np.array("fid")}, "it must be names, such as"),
        ({"protocol": ["prdc"]}, "unknown protocol ['prdc']"),
        ({"settings": 3}, "settings=3; it must map"),
        ({"fake_features": np.ma.masked_array(FAKE, FAKE > 2)}, "fake_features is a masked array"),
        ({"metrics": ()}, "metrics is empty: choose from authenticity"),
        ({"protocol": "torch_fidelity"}, "did you mean 'torch-fidelity'?"),
        (
            {"metrics": "kid", "protocol": "ttur"},
            "does not define metric 'kid': use protocol default",
        ),
        ({"metrics": "kid", "protocol": "prdc"}, "one of precision, recall, density, coverage"),
        ({"level": 95}, "level=95; it must lie strictly between 0 and 1"),
        ({"level": float("nan")}, "level=nan"),
        ({"level": "0.95"}, "level='0.95'; it must lie strictly between 0 and 1, a float such as"),
        ({"seed": -1}, "seed=-1; it must be a whole number"),
        ({"seed": np.ones((9, 9))}, "it must be a whole number"),
        ({"level": 10**5000}, "level=<int>; it must"),
        ({"seed": 0.5}, "seed=0.5; it must be a whole number"),
        ({"settings": {"kld": {}}}, "unknown metric in settings 'kld': did you mean 'kid'?"),
        ({"settings": {"kid": {"subset": 9}}}, "unknown setting of kid 'subset': did you mean"),
        ({"settings": {"kid": 5}}, "settings['kid'] is 5; it must map setting names to values"),
        ({"settings": {"kid": {"subset_size": "many"}}}, "kid setting subset_size='many'"),
        ({"settings": {"precision": {"k": 0}}}, "precision setting k=0; it must be at least 1"),
        ({"settings": {"precision": {"k": 2.5}}}, "precision setting k=2.5"),
        ({"settings": {"precision": {"k": np.float64(3)}}}, "k=3.0; it must be of type int, such"),
        ({"settings": {"precision": {"k": np.True_}}}, "precision setting k=True; it must be of"),
        (
            {"metrics": "support", "settings": {"support": {"radius": 10**400}}},
            "is too large for a float: give a smaller number",
        ),
        ({"settings": {"fid": {"nonsense": 1}}}, "correct the name or leave it out"),
        (
            {"settings": {"precision": {"k": 59}}},
            "has 60 rows; precision needs at least 61 (k = 59)",
        ),
        ({"settings": {"fid": {"estimator": "best"}}}, "fid setting estimator='best'; use"),
        ({"metrics": "modes"}, "real_logits is missing; modes reads logits: give real_logits="),
        ({"metrics": "inception_score"}, "fake_logits is missing"),
        ({"fake_features": None}, "fake_features is missing; fid reads features"),
        ({"fake_features": FAKE[:, :3]}, "real_features has 4 columns and fake_features 3"),
        ({"fake_features": FAKE[0]}, "fake_features has shape (4,); it must be (n, d)"),
        ({"real_features": REAL[:, :, None]}, "real_features has shape (60, 4, 1)"),
        ({"fake_features": FAKE[:0]}, "fake_features has shape (0, 4); it must not be empty"),
        ({"fake_features": [["a"]]}, "fake_features has dtype <U1; it must be real numbers"),
        ({"fake_features": 1j * FAKE}, "fake_features has dtype complex128"),
        ({"fake_features": [[1.0], [2.0, 3.0]]}, "fake_features is not a table"),
        ({"fake_features": 1e21 * FAKE}, "magnitudes must be at most 1e+20"),
        ({"fake_features": FAKE[:19]}, "has 19 rows; fid needs at least 20"),
        (
            {"protocol": "torch-fidelity", "metrics": "kid"},
            "real_features has 60 rows; kid needs at least 1000",
        ),
        ({"real_features": np.ones((60, 4))}, "real_features has identical rows only"),
    ],
)
def test_mistakes_give_one_line(options, line):
    with pytest.raises(InputError) as error:
        measure(**({"real_features": REAL, "fake_features": FAKE} | options))
    assert line in str(error.value)
    assert "\n" not in str(error.value)


class _OnDevice:
    """A tensor that refuses to become an array, as those on a GPU do, in two lines."""

    def __array__(self, *args, **kwargs):
        raise TypeError("can't convert device tensor to numpy.\nUse Tensor.cpu()")


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (_OnDevice(), "which NumPy cannot convert (TypeError: can't convert device tensor"),
        (np.full((60, 4), np.longdouble("1e400")), "holds NaN or infinite numbers in 60 of 60"),
        (iter([np.full((60, 4), np.longdouble("1e400"))]), "holds NaN or infinite numbers"),
        (
            iter([REAL.astype(np.float32), 1e39 * REAL]),
            "block 1 of real_features has dtype float64",
        ),
        (iter([REAL, REAL.astype(np.float32)]), "all must agree: convert them to one dtype"),
    ],
)
def test_rows_that_cannot_be_kept_as_they_are_give_one_line(rows, line):
    with pytest.raises(InputError) as error:
        measure(rows, FAKE, "kid")
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_blocks_of_one_precision_are_the_rows():
    half = REAL.astype(np.float16)
    single = iter([half[:30], half[30:].astype(np.float32)])
    assert measure(single, FAKE, "kid")["kid"] == measure(half, FAKE, "kid")["kid"]
    whole = np.round(8 * REAL)
    result = measure(iter([whole[:30].astype(int), whole[30:]]), FAKE, "kid")["kid"]
    assert result == measure(whole, FAKE, "kid")["kid"]


def test_numpy_scalars_are_settings_and_become_plain():
    inputs = {"k": np.int64(5), "closed": np.False_, "distances": np.str_("exact")}
    result = measure(REAL, FAKE, "precision", settings={"precision": inputs}, seed=np.uint8(255))
    plain = {"k": 5, "closed": False, "distances": "exact"}
    assert (
        result["precision"]
        == measure(REAL, FAKE, "precision", settings={"precision": plain})["precision"]
    )
    assert [type(value) for value in result["precision"].settings.values()] == [int, bool, str]
    assert type(result.context["seed"]) is int
    radius = {"support": {"radius": np.float32(0.5)}}
    result = measure(fake_features=REAL, metrics="support", settings=radius)["support"]
    assert result.settings == {"radius": 0.5}


def test_one_name_and_order_and_repeats():
    assert list(measure(REAL, FAKE, "kid")) == ["kid"]
    assert list(measure(REAL, FAKE, ("recall", "fid", "recall"))) == ["recall", "fid"]


def test_defaults_are_the_six_feature_metrics():
    result = measure(REAL, FAKE)
    assert list(result) == ["fid", "kid", "precision", "recall", "density", "coverage"]
    assert result["precision"].settings == {"k": 3, "closed": True, "distances": "exact"}
    assert result["coverage"].settings == {"k": 5, "closed": True}


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [("ttur", ["fid"]), ("prdc", ["precision", "recall", "density", "coverage"])],
)
def test_defaults_are_those_that_the_protocol_defines(protocol, expected):
    assert list(measure(REAL, FAKE, protocol=protocol)) == expected


def test_features_and_logits_together_and_what_is_recorded():
    logits = 3 * RNG.standard_normal((60, 5))
    result = measure(
        REAL, FAKE, ("kid", "modes"), real_logits=logits, fake_logits=logits[:50], seed=3, level=0.9
    )
    context = result.context
    assert context["shapes"] == {
        "features": {"real": [60, 4], "fake": [50, 4]},
        "logits": {"real": [60, 5], "fake": [50, 5]},
    }
    assert (context["seed"], context["level"], context["protocol"]) == (3, 0.9, "default")
    assert set(context["versions"]) == {"gantf", "python", "numpy", "scipy"}
    assert context["seconds"] >= 0


def test_settings_override_the_protocol():
    chosen = {"precision": {"k": 10}}
    result = measure(REAL, FAKE, "precision", protocol="prdc", settings=chosen)["precision"]
    assert result.settings == {"k": 10, "closed": False, "distances": "exact"}
    assert result.protocol == "prdc"
    assert result.value > measure(REAL, FAKE, "precision", protocol="prdc")["precision"].value


@pytest.mark.parametrize("protocol", protocols.names())
def test_every_protocol_names_metrics_and_settings_that_exist(protocol):
    for name in protocols.defined(protocol):
        assert name in metrics.names()
    for name, chosen in (protocols.PROTOCOLS[protocol] or {}).items():
        defaults = metrics.load(name).estimate.__kwdefaults__
        assert set(chosen) <= set(defaults)


def test_metrics_are_the_files_of_the_folder():
    files = {path.stem for path in Path(metrics.__path__[0]).glob("*.py")} - {"__init__"}
    assert set(metrics.names()) == files
    assert {"fid", "kid", "inception_score", "precision", "recall", "modes"} <= files


@pytest.mark.parametrize(
    "code",
    [
        "import evaluation; evaluation.InputError",
        "import evaluation, numpy as n; evaluation.measure(n.eye(30), n.eye(30)[::-1], 'kid')",
        "from evaluation import measurement; import evaluation as e; e.measure.__call__",
        "from evaluation.distances import frechet, moments; from evaluation.core import pair",
        "from evaluation import metrics; [metrics.load(n) for n in metrics.names()]",
    ],
)
def test_the_core_needs_no_tensorflow(code):
    """In a fresh process: none of these imports TensorFlow, Keras or gantf."""
    check = "import sys; assert not {'tensorflow', 'keras', 'gantf'} & set(sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", f"{code}; {check}"], check=True)


def test_public_names():
    assert {"measure", "evaluate", "Estimate", "Result", "InputError"} <= set(dir(evaluation))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        evaluation.nonsense  # noqa: B018


def test_a_sample_against_itself():
    """No independent samples: debiasing goes too far, and the interval says so; the truth is 0."""
    result = measure(REAL, REAL[::-1], ("fid", "kid"))
    for estimate in result.values():
        assert "rows shared" in estimate.method
        assert estimate.low <= estimate.value < 0.0 <= estimate.high + 1e-9
    assert result["fid"].details["plain"] == pytest.approx(0.0, abs=1e-9)
    assert "shared" not in measure(REAL, FAKE, "fid")["fid"].method


@pytest.mark.parametrize("metric", ["fid", "kid"])
def test_samples_more_alike_than_chance_do_not_get_an_impossible_interval(metric):
    """Antithetic samples share mean and covariance: corrected far below 0, the interval up to 0."""
    rows = np.random.default_rng(0).standard_normal((400, 16))
    rows = np.concatenate([rows, -rows])
    result = evaluation.measure(rows, rows @ np.diag([-1.0] + [1.0] * 15) + 1e-9, (metric,))[metric]
    assert result.value < 0
    assert result.high >= 0

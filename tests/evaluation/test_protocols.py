"""Each protocol's settings have their effect, and values are compared only if they may be."""

import dataclasses
import doctest

import numpy as np
import pytest

from evaluation import InputError, Result, measure, protocols
from evaluation.core import estimate
from evaluation.estimators import half_precision_balls

RNG = np.random.default_rng(0)
REAL = np.maximum(RNG.standard_normal((120, 40)), 0).astype(np.float32)
FAKE = np.maximum(RNG.standard_normal((100, 40)) + 0.1, 0).astype(np.float32)


def halves(u, v, rule):
    """Distances in NumPy's float16, rounded where the program rounds; sums are float32."""
    u, v = u.astype(np.float16), v.astype(np.float16)
    with np.errstate(over="ignore"):
        return _halves(u, v, rule)


def _halves(u, v, rule):
    """`halves`, for rows that are float16 already."""
    norms = [np.square(x).sum(axis=1, dtype=np.float32).astype(np.float16) for x in (u, v)]
    product = np.array([[np.sum(np.float32(a) * np.float32(b)) for b in v] for a in u])
    if rule == "float16":
        twice = np.float16(2) * product.astype(np.float16)
        return np.maximum(norms[0][:, None] - twice + norms[1], np.float16(0))
    sums = norms[0][:, None].astype(np.float32) + norms[1].astype(np.float32) - 2 * product
    return np.sqrt(np.maximum(sums.astype(np.float16), np.float16(0)))


@pytest.mark.parametrize(("protocol", "rule"), [("adm", "float16"), ("stylegan3", "float16-root")])
def test_precision_and_recall_in_half_precision(protocol, rule, monkeypatch):
    """Compared with all float16 distances at once.

    The order of a sum may change its rounding, and so the answer for one or two rows.
    """
    apart = halves(REAL, FAKE, rule)
    radii = [np.sort(halves(x, x, rule), axis=1)[:, 3] for x in (REAL, FAKE)]
    expected = (apart <= radii[0][:, None]).any(0).sum(), (apart <= radii[1]).any(1).sum()
    for stripe, block in ((256, 10_000), (7, 30)):
        monkeypatch.setattr(half_precision_balls, "STRIPE_ROWS", stripe)
        monkeypatch.setattr(half_precision_balls, "BLOCK_ROWS", block)
        result = measure(REAL, FAKE, ("precision", "recall"), protocol=protocol)
        assert result["precision"].details["inside"] == pytest.approx(expected[0], abs=2)
        assert result["recall"].details["inside"] == pytest.approx(expected[1], abs=2)
    assert 10 < expected[0] < 90


def test_rounding_has_an_effect_where_norms_are_large_beside_distances():
    """A common shift does not change exact distances; it changes the rounding to float16."""
    values = {
        protocol: [
            measure(REAL + shift, FAKE + shift, "precision", protocol=protocol)["precision"].value
            for shift in (0, 16)
        ]
        for protocol in ("torch-fidelity", "adm", "stylegan3")
    }
    assert values["torch-fidelity"][0] == values["torch-fidelity"][1]
    for near, far in (values["adm"], values["stylegan3"]):
        assert near == pytest.approx(values["torch-fidelity"][0], abs=0.02)
        assert abs(far - near) > 0.05


def test_what_float16_does_not_hold():
    """If float16 overflows, ADM uses float32 for the block.

    StyleGAN3 would get infinite distances.
    """
    result = measure(300 * REAL, 300 * FAKE, ("precision", "recall"), protocol="adm")
    exact = measure(REAL, FAKE, ("precision", "recall"), protocol="torch-fidelity")
    for name in result:
        assert result[name].details["inside"] == pytest.approx(exact[name].details["inside"], abs=1)
    with pytest.raises(InputError, match="squared norm above 65504, which float16 does not hold"):
        measure(300 * REAL, 300 * FAKE, "recall", protocol="stylegan3")


def test_products_that_overflow_alone_are_zero_distances():
    """|u|^2 fits in float16, but 2 u.v overflows.

    The distance is minus infinity, which ADM raises to 0 and takes as finite.
    """
    near, far = np.full((3, 4), 100.0), np.full((2, 4), 120.0)
    expected = halves(near, far, "float16").astype(np.float32)
    assert (expected == 0.0).all()
    one, other = (half_precision_balls._Rows.from_features(x) for x in (near, far))
    assert not half_precision_balls._overflows(one, other)
    np.testing.assert_array_equal(
        half_precision_balls._distances(one, other, "float16", False), expected
    )
    assert half_precision_balls._overflows(one, half_precision_balls._Rows.from_features(2 * far))


@pytest.mark.parametrize("metric", ["precision", "recall"])
@pytest.mark.parametrize(
    "wrong", [{"distances": "half"}, {"distances": "float16", "closed": False}]
)
def test_wrong_distances_are_one_line(metric, wrong):
    with pytest.raises(
        InputError, match=f"^{metric} settings distances='.*use 'exact', or"
    ) as error:
        measure(REAL, FAKE, metric, settings={metric: wrong})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("protocol", ["clean-fid", "stylegan3"])
def test_kid_of_fewer_rows_than_a_subset_has(protocol):
    """Subsets have min(n, m) rows; the rows of the generated side are drawn first."""
    rng, values = np.random.RandomState(2020), []
    for _ in range(100):
        y, x = (rows[rng.choice(len(rows), 100, replace=False)] for rows in (FAKE, REAL))
        xx, yy, xy = ((a.astype(float) @ b.T / 40 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
        inner = sum(k[~np.eye(100, dtype=bool)].mean() for k in (xx, yy))
        values.append(inner - 2 * xy.mean())
    result = measure(REAL, FAKE, "kid", protocol=protocol)["kid"]
    assert result.value == pytest.approx(np.mean(values), rel=1e-9)
    assert not result.has_interval


def test_chunks_of_so_many_rows():
    """25 rows make chunks of 10, 10 and 5 rows; the score is the mean of their three scores."""
    logits = 3 * RNG.standard_normal((25, 4))

    def score(rows, **chosen):
        chosen = {"inception_score": {"estimator": "splits"} | chosen}
        return measure(metrics="inception_score", fake_logits=rows, settings=chosen)[
            "inception_score"
        ]

    parts = [score(part, splits=1).value for part in (logits[:10], logits[10:20], logits[20:])]
    result = score(logits, split_rows=10)
    assert result.value == pytest.approx(np.mean(parts), rel=1e-12)
    assert "over 3 splits" in result.method
    assert score(logits[:3], split_rows=10).value == score(logits[:3], splits=1).value
    with pytest.raises(InputError, match="split_rows=0; it must be at least 1"):
        score(logits, split_rows=0)


def test_every_protocol_is_documented():
    """Each is a line of the module's text, and the programs that are promised are there."""
    promised = "ttur pytorch-fid torch-fidelity clean-fid prdc adm stylegan3 tf-gan torchmetrics"
    assert set(promised.split()) <= set(protocols.names())
    for name in set(protocols.names()) - {"default"}:
        assert f"\n  {name} " in protocols.__doc__


def test_settings_of_a_protocol_are_copies():
    protocols.settings("adm", "precision")["k"] = 5
    assert protocols.settings("adm", "precision")["k"] == 3


@pytest.fixture(scope="module")
def plain():
    return measure(REAL, FAKE, "fid", protocol="ttur")["fid"]


def test_protocols_that_set_a_metric_alike_are_comparable(plain):
    same = measure(REAL, FAKE, "fid", protocol="tf-gan")["fid"]
    plain.check_comparable(same)
    assert same.value == plain.value


def test_levels_and_values_may_differ(plain):
    plain.check_comparable(dataclasses.replace(plain, value=3.0, level=0.5))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"metric": "sfid"}, "fid: metric is 'fid' and 'sfid'; they must agree"),
        ({"n_fake": 90}, "fid: n_fake is 100 and 90; they must agree"),
        ({"n_real": 90}, "fid: n_real is 120 and 90; they must agree"),
        ({"target": "fixed reference"}, "fid: target is 'both populations' and 'fixed reference'"),
        ({"settings": {}}, r"fid setting estimator is 'plain' \(ttur\) and 'not set' \(ttur\)"),
    ],
)
def test_the_first_difference_is_named(plain, change, line):
    other = dataclasses.replace(plain, **change)
    for ours, theirs in ((plain, other), (other, plain)):
        with pytest.raises(InputError) as error:
            ours.check_comparable(theirs)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=line):
        plain.check_comparable(other)


@pytest.mark.parametrize(
    ("metric", "one", "other", "setting"),
    [
        ("fid", "ttur", "clean-fid", "float32_mean"),
        ("fid", "ttur", "default", "estimator"),
        ("precision", "torch-fidelity", "prdc", "k"),
        ("precision", "torch-fidelity", "adm", "distances"),
        ("recall", "adm", "stylegan3", "distances"),
    ],
)
def test_numbers_of_programs_that_differ_are_refused(metric, one, other, setting):
    ours, theirs = (measure(REAL, FAKE, metric, protocol=p)[metric] for p in (one, other))
    with pytest.raises(InputError, match=rf"{metric} setting {setting} is .* \({one}\) and .*"):
        ours.check_comparable(theirs)


def test_results_compare_features_reference_and_metrics():
    result = measure(REAL, FAKE, ("fid", "kid"))

    def output(**features):
        return Result(result, context={"features": features, "images": {"real": {"sha256": "a"}}})

    result.check_comparable(result)
    output(name="pixels", sha256="1").check_comparable(
        result
    )  # bare arrays do not say what they are
    with pytest.raises(InputError, match="features name 'pixels' and 'digits'; they must agree"):
        output(name="pixels").check_comparable(output(name="digits"))
    with pytest.raises(InputError, match="features sha256 '1' and '2'"):
        output(name="own", sha256="1").check_comparable(output(name="own", sha256="2"))
    reference = Result(result, context={"images": {"real": {"sha256": "b"}}})
    with pytest.raises(InputError, match="images real sha256 'b' and 'a'"):
        reference.check_comparable(output(name="own"))
    with pytest.raises(InputError, match="only one of the results holds kid"):
        result.check_comparable(Result({"fid": result["fid"]}))
    with pytest.raises(InputError, match="fid setting estimator is 'corrected'"):
        result.check_comparable(
            Result({**result, "fid": measure(REAL, FAKE, protocol="ttur")["fid"]})
        )


def test_a_saved_result_compares_like_the_one_it_was(tmp_path):
    result = measure(REAL, FAKE, ("fid", "precision"))
    result.check_comparable(Result.load(result.save(tmp_path / "scores.json")))


def test_the_example_prints_what_it_says():
    failed, tried = doctest.testmod(estimate)
    assert (failed, tried > 0) == (0, True)


@pytest.mark.parametrize("protocol", ["adm", "stylegan3"])
def test_features_too_small_for_float16_are_refused(protocol):
    real, fake = 1e-4 * np.random.default_rng(7).standard_normal((2, 50, 4))
    with pytest.raises(InputError, match="scale all features up"):
        measure(real, fake, "precision", protocol=protocol)

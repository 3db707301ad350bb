"""Metrics class by class: levels, refusals, the mean, and what is printed."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from evaluation import InputError, measure
from evaluation.inference.classes import per_class

RNG = np.random.default_rng(0)
LABELS = np.repeat([3, 1, 2], [100, 120, 140])
REAL, FAKE = RNG.standard_normal((2, 360, 3))
FAKE[LABELS == 2] += 1.0


def test_each_class_is_measured_on_its_own_rows():
    outcome = per_class(REAL, FAKE, LABELS, LABELS, ["fid", "precision"], correction="none")
    assert list(outcome) == [1, 2, 3]
    for label in outcome:
        rows = REAL[label == LABELS], FAKE[label == LABELS]
        expected = measure(*rows, ["fid", "precision"])
        for name in ("fid", "precision"):
            assert outcome[label][name] == expected[name]


def test_bonferroni_shares_the_error_among_the_classes():
    outcome = per_class(REAL, FAKE, LABELS, LABELS, level=0.9)
    rows = REAL[LABELS == 1], FAKE[LABELS == 1]
    expected = measure(*rows, "fid", level=1 - 0.1 / 3)["fid"]
    assert outcome[1]["fid"] == expected
    alone = per_class(REAL, FAKE, LABELS, LABELS, level=0.9, correction="none")[1]["fid"]
    assert alone.low > expected.low
    assert alone.value == expected.value


def test_strings_and_any_order_of_rows():
    names = np.array(["cat", "dog", "owl"])[LABELS - 1]
    order = RNG.permutation(360)
    outcome = per_class(REAL[order], FAKE, names[order], list(names), "kid")
    expected = per_class(REAL, FAKE, LABELS, LABELS, "kid")
    for name, label in zip(("cat", "dog", "owl"), (1, 2, 3), strict=True):
        assert outcome[name]["kid"].value == pytest.approx(expected[label]["kid"].value, abs=1e-12)
    objects = names.astype(object)
    assert list(per_class(REAL, FAKE, objects, objects, "kid")) == ["cat", "dog", "owl"]


def test_mean_adds_the_squares_of_symmetric_intervals():
    """Each interval here is value -+ z SE (above 0): the mean's is mean -+ z sqrt(sum SE^2) / 3."""
    outcome = per_class(REAL, FAKE + 1.0, LABELS, LABELS, "sliced_wasserstein")
    mean = outcome.mean()
    values = [result["sliced_wasserstein"].value for result in outcome.values()]
    errors = [result["sliced_wasserstein"].details["standard_error"] for result in outcome.values()]
    half = stats.norm.ppf(0.975) * math.hypot(*errors) / 3
    assert mean.value == pytest.approx(np.mean(values))
    assert (mean.low, mean.high) == pytest.approx((mean.value - half, mean.value + half))
    assert (mean.level, mean.n_real, mean.n_fake) == (0.95, 360, 360)
    assert mean.details == {"classes": [1, 2, 3], "refused": []}
    assert outcome.mean("sliced_wasserstein") == mean


@pytest.mark.slow
def test_the_mean_covers_and_the_intervals_hold_together():
    """Three classes of Gaussians whose KID is known: 100 draws."""
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], 60)
    scales, shifts = np.array([0.3, 0.4, 0.5]), np.array([0.4, 0.2, 0.0])

    def draw():
        real, fake = scales[labels] * rng.standard_normal((2, 180))
        return real[:, None], (fake + shifts[labels])[:, None]

    outcome = [per_class(*draw(), labels, labels, "kid") for _ in range(100)]
    truth = [_kid(scale**2, shift) for scale, shift in zip(scales, shifts, strict=True)]
    means = [each.mean() for each in outcome]
    covered = sum(m.low <= np.mean(truth) <= m.high for m in means)
    together = sum(
        all(e[k]["kid"].low <= truth[k] <= e[k]["kid"].high for k in range(3)) for e in outcome
    )
    assert stats.binom.cdf(covered, 100, 0.92) > 1e-3
    assert stats.binom.cdf(together, 100, 0.92) > 1e-3


def _kid(variance, shift):
    """Squared MMD of N(0, v) and N(shift, v) with the kernel (x y + 1)^3, from raw moments."""
    moments = [np.array([1.0, a, a * a + variance, a**3 + 3 * a * variance]) for a in (0.0, shift)]
    return float(np.array([1.0, 3.0, 3.0, 1.0]) @ (moments[0] - moments[1]) ** 2)


def test_ends_that_are_bounds_do_not_average_out():
    """40 dimensions, 60 rows a class: FID has only bounds, and so has its mean."""
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1], 60)
    real, fake = rng.standard_normal((2, 120, 40))
    outcome = per_class(real, fake, labels, labels)
    assert outcome[0]["fid"].details["regime"] == "bounds"
    mean = outcome.mean()
    assert mean.low == pytest.approx(np.mean([r["fid"].low for r in outcome.values()]))
    assert mean.high == pytest.approx(np.mean([r["fid"].high for r in outcome.values()]))
    assert mean.method == "mean of simultaneous bounds"


def test_metrics_without_an_interval_have_a_mean_without_one():
    outcome = per_class(REAL, FAKE, LABELS, LABELS, protocol="ttur")
    mean = outcome.mean()
    assert not mean.has_interval
    assert mean.value == pytest.approx(np.mean([r["fid"].value for r in outcome.values()]))
    assert outcome[1]["fid"].protocol == "ttur"


def test_a_class_with_too_few_rows_is_named_and_the_others_go_on():
    labels, generated = LABELS.copy(), LABELS.copy()
    labels[:5], generated[:5], generated[5:7] = 7, 7, 8
    outcome = per_class(REAL, FAKE, labels, generated)
    assert list(outcome) == [1, 2, 3]
    assert "has 5 rows; fid needs at least 20" in outcome.refused[7]
    assert "real_features has 0 rows of this class" in outcome.refused[8]
    with pytest.raises(KeyError, match="class 7 was not measured"):
        outcome[7]
    assert outcome.mean().details["refused"] == [7, 8]
    assert "class 7 refused: real_features has 5 rows" in str(outcome)


def test_it_prints_as_a_table_and_saves_as_frame_and_json():
    outcome = per_class(REAL, FAKE, LABELS, LABELS, ["fid", "kid"])
    lines = str(outcome).splitlines()
    assert lines[0].split() == ["class", "metric", "value", "interval", "real", "/", "fake"]
    assert max(map(len, lines)) <= 100
    assert [line.split()[:2] for line in lines[-2:]] == [["mean", "fid"], ["mean", "kid"]]
    frame = outcome.to_frame()
    assert frame.loc[(2, "fid"), "value"] == outcome[2]["fid"].value
    assert len(frame) == 6
    saved = json.loads(json.dumps(outcome.to_dict()))
    assert saved["classes"]["2"]["metrics"]["fid"]["value"] == outcome[2]["fid"].value
    with pytest.raises(InputError, match="unknown measured metric None"):
        outcome.mean()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"real_labels": LABELS[:-1]}, r"real_labels has shape \(359,\); it must be \(360,\)"),
        ({"fake_labels": LABELS / 2}, "fake_labels has dtype float64; it must be whole numbers or"),
        ({"fake_labels": LABELS.astype(str)}, "real_labels holds 3 and fake_labels '3'; both must"),
        ({"real_labels": [[1], [2, 3]]}, "real_labels is not a list of classes"),
        ({"metrics": "modes"}, "'modes', which reads real_logits and fake_logits; per_class needs"),
        ({"metrics": "c_t"}, "'c_t', which reads real_features and fake_features and train_feat"),
        ({"metrics": "fidd"}, "unknown metric 'fidd': did you mean 'fid'?"),
        ({"correction": "holm"}, "correction='holm'; use one of bonferroni, none"),
        ({"level": 2.0}, "level=2.0"),
        ({"seed": -1}, "^seed=-1; it must be a whole number"),
        ({"correction": ["none"]}, r"correction=\['none'\]; use one of"),
        (
            {"settings": {"fid": {"x": 1}}},
            "^unknown setting of fid 'x'",
        ),
        ({"fake_features": FAKE[:, :2]}, "real_features has 3 columns and fake_features 2"),
    ],
)
def test_mistakes_are_one_line(change, line):
    inputs = {
        "real_features": REAL,
        "fake_features": FAKE,
        "real_labels": LABELS,
        "fake_labels": LABELS,
    }
    with pytest.raises(InputError, match=line) as error:
        per_class(**inputs | change)
    assert "\n" not in str(error.value)

"""Sample-size planning: estimates from a pilot how many rows detect an effect.

The standard error of a distance has two parts: one falls as 1 / sqrt(n) and comes from the
influences of the rows, the other falls as 1 / n and is all that remains if the distributions are
almost equal. The pilot gives both parts for other n.

The plan misleads if the pilot differs from the later samples, because another model may have more
variable influences. If possible, give `other`, a pilot of the second model. Without it, the second
model is assumed to be worse than the pilot by the effect, and its variances to grow with its
distance. If tails are so heavy that KID's cubic kernel has no variance, a plan has too few rows.
"""

import dataclasses
import math
from typing import Any

import numpy as np
from scipy import stats

from evaluation.core import validation
from evaluation.core.arrays import as_rows
from evaluation.core.pair import Pair
from evaluation.core.versions import versions
from evaluation.errors import InputError
from evaluation.inference import detection, influences
from evaluation.inference.detection import MOST_ROWS
from evaluation.inference.influences import Influences
from evaluation.inference.two_sample import (
    MOST_PERMUTATIONS,
    SameDistribution,
    same_distribution,
)
from evaluation.results.formatting import number
from evaluation.statistics.binomial import normal_quantile
from evaluation.statistics.levels import least_permutations

METRICS = ("kid", "fid")
QUESTIONS = {
    "difference": "between two models against one reference of n rows",
    "equality": "between two distributions, by a permutation test",
}
LEAST_ROWS = 50  # rows of a pilot
PERMUTATIONS = 400
LARGEST_EFFECT = 1e100  # a variance grows with a power of the effect


@dataclasses.dataclass(frozen=True)
class Plan:
    """The rows that an effect needs, or the effect that rows detect; prints as a sentence.

    Attributes:
      metric: "kid" or "fid".
      question: "difference" or "equality".
      n: rows of each sample: of each model, and of the reference.
      effect: the true difference that n rows detect with `power`.
      power: probability of detecting the effect.
      level: 1 - level is the probability of a false positive.
      standard_error: standard error of the estimated effect at n rows.
      linear: n SE^2 for many rows.
      quadratic: n^2 SE^2 if the distributions are almost equal.
      pilot: value of the metric for the pilot.
      n_real: rows of the pilot's reference.
      n_fake: rows of the pilot.
      dimension: number of columns.
      protocol: "default".
      settings: {"second_pilot": whether `other` was used}.
      seed: random seed.
      versions: software versions.
    """

    metric: str
    question: str
    n: int
    effect: float
    power: float
    level: float
    standard_error: float
    linear: float
    quadratic: float
    pilot: float
    n_real: int
    n_fake: int
    dimension: int
    protocol: str
    settings: dict[str, Any]
    seed: int
    versions: dict[str, str]

    def __str__(self) -> str:
        """The plan in one sentence."""
        return (
            f"{self.n} rows per sample detect a difference of {number(self.effect)} in"
            f" {self.metric} {QUESTIONS[self.question]} with power {self.power:g} at level"
            f" {self.level:g}; the standard error is then {number(self.standard_error)}"
        )


def plan(
    metric: str,
    real: Any,
    fake: Any,
    effect: float | None = None,
    n: int | None = None,
    power: float = 0.8,
    level: float = 0.95,
    question: str = "difference",
    other: Any = None,
    seed: int = 0,
) -> Plan:
    """Solves effect = (z_(1 - a / 2) + z_power) SE(n), SE^2 = L / n + Q / n^2, for n or the effect.

    "difference": the difference of two models' distances to one reference, as in `compare`; each
    of the three samples has n rows. L sums the variances of both models' influences and of the
    difference of the reference's influences; Q sums the kernel's mean squares. "equality": the
    test of one model against the reference, as in `same_distribution`; the threshold is the
    permutation quantile of the pilot, which falls as 1 / n.

    Args:
      metric: "kid" or "fid".
      real: array-like, shape (N, d), N >= 50: the pilot's reference.
      fake: array-like, shape (m, d), m >= 50: a model's pilot.
      effect: the difference to detect, > 0 and <= 1e100; give this or `n`.
      n: rows of each sample, 20 to 10^12; the plan gives the smallest detectable difference.
      power: probability of detecting the effect, in (0.5, 1).
      level: 1 - level is the probability of a false positive.
      question: "difference" or "equality".
      other: pilot of the second model, shape (m2, d), for "difference" only.
      seed: seed of the metric and of the permutations.

    Returns:
      The plan. For FID, `n` is at least the number of rows that the bias correction needs (two for
      each dimension). If the pilot's distance is not significant, the influences have their largest
      possible variance, and the power is larger than requested.

    Raises:
      InputError: both or neither of `effect` and `n` are given; a value is out of range; the rows
        are not tables of equal width, or too few; or the effect needs too many rows.

    Source:
      Hoeffding 1948, Annals of Mathematical Statistics 19(3), 293-325, for the two parts;
      Sutherland et al. 2017, arXiv:1611.04488, section 2, for the power of MMD tests.

    Example:
      >>> import numpy as np
      >>> real, fake = np.random.default_rng(0).standard_normal((2, 500, 4))
      >>> fake += 0.5
      >>> answer = plan("kid", real, fake, effect=0.5)
      >>> again = plan("kid", real, fake, n=answer.n)
      >>> abs(again.effect - 0.5) < 0.01
      True
    """
    _check_arguments(metric, effect, n, power, question, other)
    level, seed = validation.check_level(level), validation.check_whole("seed", seed, 0)
    tables = {"real": as_rows(real, "real"), "fake": as_rows(fake, "fake")}
    if other is not None:
        tables["other"] = as_rows(other, "other")
    _check_tables(tables)
    studies = _studies(metric, tables, seed)
    if question == "difference":
        model, critical = detection.difference(studies), 0.0
        z = normal_quantile(level)
    else:
        test = _tested(metric, tables, level, seed)
        pilot_scale = 1.0 / len(tables["real"]) + 1.0 / len(tables["fake"])
        model, critical = (
            detection.equality(studies[0]),
            (test.critical - test.expected_at_equal_laws),
        )
        critical, z = 2.0 * critical / pilot_scale, 0.0
    need = z + float(stats.norm.ppf(power))
    least = max(study.least for study in studies)
    if n is None:
        assert effect is not None
        n = max(detection.rows_for(model, critical, need, float(effect)), least)
        if n > MOST_ROWS:
            raise InputError(
                f"effect={effect!r} would take more than {MOST_ROWS:.0e} rows: ask for a larger one"
            )
    else:
        _check_enough(n, least, metric)
        effect = detection.effect_at(model, critical, need, int(n))
    linear, quadratic = model.parts(float(effect))
    return Plan(
        metric=metric,
        question=question,
        n=int(n),
        effect=float(effect),
        power=float(power),
        level=level,
        standard_error=math.sqrt(linear / n + quadratic / n**2),
        linear=linear,
        quadratic=quadratic,
        pilot=studies[0].value,
        n_real=len(tables["real"]),
        n_fake=len(tables["fake"]),
        dimension=tables["fake"].shape[1],
        protocol="default",
        settings={"second_pilot": other is not None},
        seed=seed,
        versions=versions(),
    )


def _check_arguments(
    metric: Any, effect: Any, n: Any, power: Any, question: Any, other: Any
) -> None:
    """Raises InputError if an argument is wrong or does not go with another."""
    if not isinstance(metric, str) or metric not in METRICS:
        raise InputError(f"metric={validation.shown(metric)}; use one of {', '.join(METRICS)}")
    validation.check_choice("question", question, QUESTIONS)
    if (effect is None) == (n is None):
        raise InputError(
            f"effect={effect!r} and n={n!r}; give one of them: effect= to get the rows that it"
            " needs, n= to get the difference that n rows detect"
        )
    if effect is not None and not 0.0 < validation.check_number("effect", effect) <= LARGEST_EFFECT:
        raise InputError(
            f"effect={validation.shown(effect)}; it must be a finite number above 0,"
            f" {LARGEST_EFFECT:.0e} at most"
        )
    if n is not None:
        validation.check_whole("n", n, 20, int(MOST_ROWS))
    if not isinstance(power, float | np.floating) or not 0.5 < power < 1.0:
        raise InputError(f"power={power!r}; it must lie strictly between 0.5 and 1, such as 0.8")
    if other is not None and question != "difference":
        raise InputError("other goes with question='difference' only: leave it out")


def _check_tables(tables: dict[str, np.ndarray]) -> None:
    """Raises InputError if pilots differ in width, are too short, or share rows with `real`."""
    for name, rows in tables.items():
        if rows.shape[1] != tables["fake"].shape[1]:
            raise InputError(
                f"{name} has {rows.shape[1]} columns and fake {tables['fake'].shape[1]}; they must"
                " agree: take all from the same network and layer"
            )
        if len(rows) < LEAST_ROWS:
            raise InputError(
                f"{name} has {len(rows)} rows; a pilot needs at least {LEAST_ROWS} to estimate"
                " variances: give more samples"
            )
        if name != "real" and Pair(tables["real"], rows).dependent:
            raise InputError(
                f"{name} shares most of its rows with real; a pilot needs independent samples:"
                " give other rows"
            )


def _check_enough(n: int, least: int, metric: str) -> None:
    """Raises InputError if the metric has only bounds, no interval, for n rows."""
    if n < least:
        raise InputError(
            f"n={n}; {metric} of so many dimensions needs at least {least} rows for an"
            " interval: give a larger n, or plan for kid"
        )


def _tested(
    metric: str, tables: dict[str, np.ndarray], level: float, seed: int
) -> SameDistribution:
    """Runs the permutation test of the pilot, for its quantile under equal distributions."""
    try:
        permutations = min(max(PERMUTATIONS, least_permutations(level)), MOST_PERMUTATIONS)
        return same_distribution(tables["real"], tables["fake"], metric, permutations, seed, level)
    except InputError as error:
        raise InputError(f"{error}; or give a pilot of fewer rows") from error


def _studies(metric: str, tables: dict[str, np.ndarray], seed: int) -> list[Influences]:
    """Returns the influences of each model's pilot."""
    fakes = [tables[name] for name in ("fake", "other") if name in tables]
    if metric == "kid":
        return influences.kid_influences(tables["real"], fakes)
    answers = [influences.fid_influences(Pair(tables["real"], fake), seed) for fake in fakes]
    for study in answers:
        if study.bounded:
            raise InputError(
                f"the pilot has {min(len(study.fake), len(study.real))} rows; fid of so many"
                f" dimensions needs at least {study.least}: give more, or plan for kid"
            )
    return answers

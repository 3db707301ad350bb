"""Tests of "x and y have the same distribution", by random splits of their pooled rows.

A small p-value means that the distributions differ. A large one means only that these rows do not
show a difference; `detectable` is the size of a difference that they would show. A p-value does not
measure the size of a difference: many rows detect a tiny one. If rows are not independent, such as
augmented copies or frames of a video, the p-value is too small.
"""

import dataclasses
import math
import warnings
from typing import Any

import numpy as np

from evaluation.core import validation
from evaluation.core.arrays import as_rows
from evaluation.core.versions import versions
from evaluation.distances import frechet
from evaluation.distances.mmd import check_seen, distance_kernel, polynomial
from evaluation.errors import InputError
from evaluation.inference.permutation import Pool, p_value, pair_sums
from evaluation.results.formatting import number
from evaluation.statistics.binomial import normal_quantile
from evaluation.statistics.halves import shuffled_indices
from evaluation.statistics.levels import least_permutations, rejects

TESTS = {
    "kid": "KID (cubic kernel, U-statistic)",
    "fid": "plain Fréchet distance",
    "energy": "energy distance",
    "classifier": "held-out accuracy of a logistic regression",
}
MOST_PERMUTATIONS = 1_000_000
LEAST_ROWS = {"kid": 4, "fid": 4, "energy": 4, "classifier": 20}
POWER = 0.8


@dataclasses.dataclass(frozen=True)
class SameDistribution:
    """Result of a test of equal distributions; prints as a sentence.

    Attributes:
      test: "kid", "fid", "energy" or "classifier".
      statistic: statistic of x and y; larger means more different.
      p_value: probability of a statistic at least this large under equal distributions, in (0, 1].
      detectable: true excess of the statistic over `expected_at_equal_laws` that is detected with
        power 0.8 or more.
      expected_at_equal_laws: mean of the statistic over the random splits.
      critical: a larger statistic is significant: a quantile over the splits.
      permutations: number of random splits.
      level: 1 - level is the probability of a false positive.
      n_x: rows of x.
      n_y: rows of y.
      dimension: number of columns.
      seed: seed of the splits.
      settings: settings that change the statistic.
      versions: software versions.
    """

    test: str
    statistic: float
    p_value: float
    detectable: float
    expected_at_equal_laws: float
    critical: float
    permutations: int
    level: float
    n_x: int
    n_y: int
    dimension: int
    seed: int
    settings: dict[str, Any]
    versions: dict[str, str]

    @property
    def different(self) -> bool:
        """Whether the distributions differ significantly at `level`."""
        return bool(rejects(self.p_value, self.level))

    def __str__(self) -> str:
        """The result in one sentence."""
        line = (
            f"{TESTS[self.test]} of {self.n_x} and {self.n_y} rows: {number(self.statistic)},"
            f" p = {self.p_value:.3g} ({self.permutations} permutations): "
        )
        if self.different:
            return line + f"the distributions differ (level {self.level:g})"
        return line + (
            "no significant difference; detectable with power"
            f" {POWER:g}: about {number(self.expected_at_equal_laws + self.detectable)}"
            f" (equal distributions: {number(self.expected_at_equal_laws)})"
        )


def same_distribution(
    x: Any,
    y: Any,
    test: str = "kid",
    permutations: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    max_operations: float = 2e13,
) -> SameDistribution:
    """Tests equality, p = (1 + splits of the pooled rows that differ as much) / (1 + splits).

    "kid": E k(x, x') + E k(y, y') - 2 E k(x, y), k(x, y) = (x.y / d + 1)^3, unbiased. "energy":
    2 E|x - y| - E|x - x'| - E|y - y'|, including each row against itself. "fid": the plain Fréchet
    distance of all rows; its bias is the same for all splits. "classifier": the accuracy, on one
    half of the rows, of a logistic regression fitted to the other half. Only the labels of the
    tested half are permuted. (With cross-fitting the answers would depend on each other, and give
    8 to 11 % false positives at 5 %.) Equal accuracies are ordered by the mean score.

    Args:
      x: array-like, shape (n, d), any real dtype, finite; n >= 4, "classifier" >= 20.
      y: array-like, shape (m, d); m may differ from n.
      test: "kid", "fid", "energy" (detects any difference) or "classifier".
      permutations: random splits, 19 to 1000000; the smallest p-value is 1 / (1 + permutations),
        which must not exceed 1 - level.
      seed: seed of the splits, >= 0. The order of the rows does not matter.
      level: 1 - level is the probability of a false positive.
      max_operations: for "fid", where every split needs a matrix decomposition: limit of the
        floating-point operations; a core does about 10^10 per second.

    Returns:
      The statistic, its p-value and the detectable difference. Memory: the rows, and one byte for
      each row and permutation.

    Raises:
      InputError: the rows are not finite tables of equal width, or too few; the test is unknown;
        there are fewer splits than `level` needs, or more than `max_operations` allows.

    Source:
      Gretton et al. 2012, Journal of Machine Learning Research 13, 723-773, section 5; Székely &
      Rizzo 2004, InterStat 5; Lopez-Paz & Oquab 2017, arXiv:1610.06545.

    Example:
      >>> import numpy as np
      >>> x, y = np.random.default_rng(0).standard_normal((2, 100, 3))
      >>> same_distribution(x, y, test="energy", permutations=199).different
      False
      >>> same_distribution(x, y + 1.0, test="energy", permutations=199).p_value
      0.005
    """
    validation.check_choice("test", test, TESTS)
    permutations = validation.check_whole("permutations", permutations, 19, MOST_PERMUTATIONS)
    seed, level = validation.check_whole("seed", seed, 0), validation.check_level(level)
    _check_enough(permutations, level)
    max_operations = validation.check_number("max_operations", max_operations)
    if not max_operations > 0.0:
        raise InputError(f"max_operations={max_operations!r}; it must be above 0, such as 2e13")
    both = _checked(x, y, test)
    settings: dict[str, Any] = {"permutations": permutations}
    if test == "classifier":
        statistics, tolerance = _classifier(both, permutations, seed)
        settings["test_rows"] = 2 * (min(len(rows) for rows in both) // 2)
    else:
        if test == "kid":
            check_seen("test='kid'", *both, None)
        pool = Pool.from_samples(*both, seed)
        if test == "fid":
            settings["max_operations"] = max_operations
            pool = _reduced(pool, permutations, max_operations)
        test_statistics = {"kid": _kid, "energy": _energy, "fid": _fid}[test]
        statistics, tolerance = test_statistics(pool, pool.splits(permutations, seed))
    random = statistics[1:]
    critical, expected = float(np.quantile(random, level)), float(random.mean())
    return SameDistribution(
        test=test,
        statistic=_statistic(test, statistics, settings),
        p_value=p_value(statistics, tolerance),
        detectable=_detectable(critical - expected, float(random.std()), test),
        expected_at_equal_laws=expected,
        critical=critical,
        permutations=permutations,
        level=level,
        n_x=len(both[0]),
        n_y=len(both[1]),
        dimension=both[0].shape[1],
        seed=seed,
        settings=settings,
        versions=versions(),
    )


def _check_enough(permutations: int, level: float) -> None:
    """Raises InputError if no p-value of so few permutations can be significant at `level`."""
    least = least_permutations(level)
    if permutations < least:
        remedy = f"give at least {least} or a lower level"
        raise InputError(
            f"permutations={permutations}; p-values are 1 / (1 + permutations) or more, never"
            f" 1 - level = {1.0 - level:.3g}:"
            f" {remedy if least <= MOST_PERMUTATIONS else 'give a lower level'}"
        )


def _checked(x: Any, y: Any, test: str) -> tuple[np.ndarray, np.ndarray]:
    """Checks both tables: equal width, enough rows."""
    both = as_rows(x, "x"), as_rows(y, "y")
    if both[0].shape[1] != both[1].shape[1]:
        raise InputError(
            f"x has {both[0].shape[1]} columns and y {both[1].shape[1]}; they must agree: take both"
            " from the same network and layer"
        )
    for name, rows in zip("xy", both, strict=True):
        if len(rows) < LEAST_ROWS[test]:
            raise InputError(
                f"{name} has {len(rows)} rows; test={test!r} needs at least {LEAST_ROWS[test]}"
                " for a small p-value: give more samples"
            )
    return both


def _detectable(critical: float, spread: float, test: str) -> float:
    """The effect that exceeds `critical` with probability POWER.

    `critical` and `spread` hold for equal distributions. With s the spread, the variance of a
    quadratic statistic at the effect e is at most s^2 + sqrt(8) s e: its influences vary by at most
    4 e times the kernel's largest eigenvalue, and that is at most the root of the kernel's mean
    square. The spread of accuracy is largest for equal distributions.
    """
    z = normal_quantile(2.0 * POWER - 1.0)
    if test == "classifier":
        return critical + z * spread
    middle = critical + math.sqrt(2.0) * z**2 * spread
    return middle + math.sqrt(max(middle**2 - critical**2 + (z * spread) ** 2, 0.0))


def _statistic(test: str, statistics: np.ndarray, settings: dict[str, Any]) -> float:
    """The observed statistic; for the classifier, without the term that breaks ties."""
    if test != "classifier":
        return float(statistics[0])
    return float(np.round(statistics[0] * settings["test_rows"])) / settings["test_rows"]


def _kid(pool: Pool, chosen: np.ndarray) -> tuple[np.ndarray, float]:
    """Unbiased KID of every split, and its rounding error."""
    ends = pool.rows[:1].astype(np.float64), pool.rows[-1:].astype(np.float64)
    shift = float(polynomial(*ends)[0, 0])
    sums = pair_sums(pool.rows, polynomial, chosen, shift)
    n, m = int(chosen[:, 0].sum()), int((~chosen[:, 0]).sum())
    values = sums.inner / (n * (n - 1)) + sums.outer / (m * (m - 1)) - 2.0 * sums.across / (n * m)
    return values, 1e-13 * sums.largest


def _energy(pool: Pool, chosen: np.ndarray) -> tuple[np.ndarray, float]:
    """Energy distance of every split, and its rounding error."""
    sums = pair_sums(pool.rows, distance_kernel, chosen)
    n, m = int(chosen[:, 0].sum()), int((~chosen[:, 0]).sum())
    values = 2.0 * sums.across / (n * m) - sums.inner / n**2 - sums.outer / m**2
    return values, 1e-13 * sums.largest


def _reduced(pool: Pool, permutations: int, max_operations: float) -> Pool:
    """Projects the pool onto its span, if smaller; raises InputError if splits cost too much."""
    total, d = pool.rows.shape
    n = int(min(pool.first.sum(), (~pool.first).sum()))
    m, r = total - n, min(total, d)
    each = 2 * total * r**2 + 4 * r**3 if n > r else 2 * n * m * r + 4 * n**2 * m
    if each * (permutations + 1) > max_operations:
        fit = int(max_operations / each) - 1
        lower = f"give permutations={fit}, " if fit >= 19 else ""
        raise InputError(
            f"permutations={permutations} of the Fréchet distance take"
            f" {each * (permutations + 1):.1g} operations, more than"
            f" max_operations={max_operations:.1g}: {lower}raise that or use test='kid'"
        )
    rows = pool.rows.astype(np.float64)
    rows -= rows.mean(axis=0)
    if total <= d:
        left, singular, _ = np.linalg.svd(rows, full_matrices=False)
        kept = singular > singular[0] * np.finfo(np.float64).eps * d
        rows = left[:, kept] * singular[kept] if kept.any() else np.zeros((total, 1))
    return Pool(rows, pool.first)


def _fid(pool: Pool, chosen: np.ndarray) -> tuple[np.ndarray, float]:
    """Plain Fréchet distance of every split, and its rounding error."""
    values = np.array(
        [frechet.frechet_distance(pool.rows[s], pool.rows[~s]) for s in chosen.T], dtype=np.float64
    )
    scale = float(np.square(pool.rows).sum()) / len(pool.rows)
    return values, 1e-10 * scale


def _classifier(
    both: tuple[np.ndarray, np.ndarray], permutations: int, seed: int
) -> tuple[np.ndarray, float]:
    """Accuracy on held-out rows, for the true labels and then for permuted labels.

    Scores break ties; they are scaled so that their sum counts less than one answer.
    """
    rows = [part[shuffled_indices(part, seed + side)] for side, part in enumerate(both)]
    tested = min(len(part) for part in rows) // 2
    scores = _scores([part[tested:] for part in rows], [part[:tested] for part in rows])
    chosen = Pool(scores[:, None], np.arange(2 * tested) < tested).splits(permutations, seed)
    weight = (scores > 0.0) * 2.0 - 1.0
    spread = float(np.abs(scores).max())
    if spread > 0.0:
        weight = weight + scores / spread / (4.0 * len(scores))
    sums = weight.sum() - 2.0 * (weight @ chosen)  # sum over y minus sum over x
    return 0.5 + sums / (2.0 * len(scores)), 1e-12


def _scores(learn: list[np.ndarray], test: list[np.ndarray]) -> np.ndarray:
    """Log odds that each test row belongs to y, from a logistic regression."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    rows = np.concatenate(learn).astype(np.float64)
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale[scale == 0.0] = 1.0
    sides = np.repeat([0, 1], [len(part) for part in learn])
    model = LogisticRegression(class_weight="balanced", max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # any classifier gives a valid test
        model.fit((rows - mean) / scale, sides)
    return model.decision_function((np.concatenate(test) - mean) / scale)

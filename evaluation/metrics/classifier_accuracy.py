"""Classifier accuracy: how often a classifier separates held-out real and generated rows correctly.

This is the classifier two-sample test. 0.5 means that this classifier cannot tell the two apart, 1
that it always can. The p-value is exact for any features.

It misleads when the classifier is too weak: a logistic regression sees only what one hyperplane
separates, so it misses a missing mode that lies between the others (try "neighbours"). A classifier
that reacts to artefacts invisible to people reaches 1 on good images. More training rows make a
better classifier, so compare at equal sizes.
"""

import warnings

import numpy as np
from scipy import stats

from evaluation.core import validation
from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.errors import InputError
from evaluation.statistics.binomial import clopper_pearson
from evaluation.statistics.bins import shuffled

READS = "features"
NEEDS = ("real", "fake")
BETTER = "lower"
COLLAPSE = "higher"

LEAST_ROWS = 20
LARGEST_PENALTY = 1e9
CLASSIFIERS = ("logistic", "neighbours")


def estimate(
    pair: Pair, *, level: float, seed: int, classifier: str = "logistic", penalty: float = 1.0
) -> MetricValue:
    """Fraction of correct answers on t real and t generated held-out rows, t = min(n, m) // 2.

    The classifier is trained on all other rows, with equal weight for each side. For a fixed
    classifier, the answers are independent. The number of correct answers is a sum of two binomial
    counts, which varies less than one binomial count of 2 t trials (Hoeffding). So Clopper and
    Pearson's interval for 2 t trials covers at least as often as its level.

    Args:
      pair: features, n and m >= 20 rows.
      level: confidence level of the interval.
      seed: seed of the split.
      classifier: "logistic" (regression on standardised features), or "neighbours" (majority of the
        nearest sqrt(rows) rows, from equally many rows of both sides).
      penalty: weight of the squared-norm penalty of "logistic", 1e-9 to 1e9.

    Returns:
      The estimate, in [0, 1]; 0.5 on average at equal distributions. Details: "p_value" (one-sided,
      exact, against guessing), "test_rows" (2 t), "right_on_real" and "right_on_fake" (fractions).

    Raises:
      InputError: too few rows, an unknown classifier, or a penalty out of range.

    Source:
      Lopez-Paz & Oquab 2017, arXiv:1610.06545; Hoeffding 1956, Annals of Mathematical
      Statistics 27(3), 713-721.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> real, fake = np.random.default_rng(0).standard_normal((2, 200, 3))
      >>> for shift in (0.0, 2.0):
      ...     score = measure(real, fake + shift, "classifier_accuracy")["classifier_accuracy"]
      ...     print(score.value > 0.9, score.details["p_value"] < 0.01)
      False False
      True True
    """
    if classifier not in CLASSIFIERS:
        raise InputError(
            f"classifier_accuracy setting classifier={classifier!r}; use one of"
            f" {', '.join(CLASSIFIERS)}"
        )
    validation.check_range(
        "classifier_accuracy setting penalty", penalty, 1.0 / LARGEST_PENALTY, LARGEST_PENALTY
    )
    pair.require("classifier_accuracy", LEAST_ROWS, LEAST_ROWS, "half of them for training")
    both = [shuffled(rows, seed + side) for side, rows in enumerate(pair.both)]
    tested = min(pair.n_real, pair.n_fake) // 2
    learn, test = ([rows[tested:] for rows in both], [rows[:tested] for rows in both])
    guesses = (_logistic if classifier == "logistic" else _neighbours)(learn, test, penalty)
    right = [int((guess == side).sum()) for side, guess in enumerate(guesses)]
    trials = 2 * tested
    low, high = clopper_pearson(sum(right), trials, (1.0 - level) / 2.0)
    return MetricValue(
        value=sum(right) / trials,
        low=low,
        high=high,
        method="Clopper-Pearson on held-out answers",
        target="both populations",
        details={
            "p_value": float(stats.binom.sf(sum(right) - 1, trials, 0.5)),
            "test_rows": trials,
            "right_on_real": right[0] / tested,
            "right_on_fake": right[1] / tested,
        },
    )


def _logistic(learn: list[np.ndarray], test: list[np.ndarray], penalty: float) -> list[np.ndarray]:
    """Returns the side that a logistic regression predicts for each test row: 0 real, 1 fake."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    rows = np.concatenate(learn)
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale[scale == 0.0] = 1.0
    sides = np.repeat([0, 1], [len(part) for part in learn])
    model = LogisticRegression(C=1.0 / penalty, class_weight="balanced", max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the test is valid for any classifier
        model.fit((rows - mean) / scale, sides)
    return [model.predict((part - mean) / scale) for part in test]


def _neighbours(
    learn: list[np.ndarray], test: list[np.ndarray], penalty: float
) -> list[np.ndarray]:
    """Returns the majority side of the nearest rows, an odd number of them near sqrt(rows)."""
    from sklearn.neighbors import KNeighborsClassifier

    each = min(len(part) for part in learn)
    rows = np.concatenate([part[:each] for part in learn])
    k = min(int(np.sqrt(2 * each)) // 2 * 2 + 1, 2 * each - 1)
    model = KNeighborsClassifier(n_neighbors=k, algorithm="brute")
    model.fit(rows, np.repeat([0, 1], each))
    return [model.predict(part) for part in test]

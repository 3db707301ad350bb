"""Missing mass: the probability that the next generated row has a class not generated before.

It shows if there are enough generated rows to speak of missing modes at all. While it is large, an
unseen class may simply not have come up yet.

It misleads when the classifier invents classes: a generator of noise then seems rich. It describes
what the generator can still produce, not which classes of the data it lacks; `modes` counts those.
"""

from scipy import stats

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.errors import InputError
from evaluation.statistics.labels import class_counts

READS = "logits"
NEEDS = ("fake",)
BETTER = "lower"
COLLAPSE = None  # a collapsed generator has no unseen classes left

LEAST_ROWS = 20


def estimate(pair: Pair, *, level: float, seed: int) -> MetricValue:
    """f1 / m, with f1 the number of classes that exactly one generated row has (Good-Turing).

    f1 is a sum over K classes, with one rare event for each. It varies less than a binomial count
    of K trials with the same mean (Hoeffding), so Clopper and Pearson's bounds on that mean hold,
    times K / m. The target is the missing mass averaged over samples of m rows,
    sum_c p_c (1 - p_c)^m; if the sample shows all K classes, its own missing mass is 0.

    Args:
      pair: logits of generated rows only, m >= 20 rows, K >= 2 columns. The class of a row is its
        largest logit.
      level: confidence level of the interval.
      seed: unused: nothing is random.

    Returns:
      The estimate, in [0, 1]. Details: "singletons" (f1), "seen" (number of classes generated) and
      "classes" (K).

    Raises:
      InputError: too few rows, a row without a class (two largest logits), or only one class.

    Source:
      Good 1953, Biometrika 40(3/4), 237-264; Hoeffding 1956, Annals of Mathematical Statistics
      27(3), 713-721, for the interval.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> fake = np.eye(50)[[0] * 60 + [1] * 36 + [2, 3, 4, 5]]
      >>> score = measure(metrics="missing_mass", fake_logits=fake)["missing_mass"]
      >>> score.value, round(score.low, 3), round(score.high, 3), score.details["seen"]
      (0.04, 0.011, 0.096, 6)
    """
    pair.require("missing_mass", 0, LEAST_ROWS, "with an interval")
    m, classes = pair.fake.shape
    if classes < 2:
        raise InputError("fake_logits has one column; missing_mass needs two classes or more")
    counts = class_counts(pair.fake, "fake_logits")
    singletons = int((counts == 1).sum())
    interval = stats.binomtest(min(singletons, classes), classes).proportion_ci(level, "exact")
    scale = classes / m
    return MetricValue(
        value=singletons / m,
        low=float(interval.low) * scale,
        high=min(float(interval.high) * scale, 1.0),  # a probability
        method="Clopper-Pearson on the singletons",
        target="generated population",
        details={
            "singletons": singletons,
            "seen": int((counts > 0).sum()),
            "classes": classes,
        },
    )

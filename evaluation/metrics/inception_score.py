"""Inception Score: how certain a classifier is of each generated image, and how varied its answers.

It is 1 if all rows get the same answer. It reaches the number of classes if every row gets a
certain answer and all classes are equally frequent.

It misleads when the classes of the classifier are not those of the data, because it never reads
real rows: a generator that makes one perfect image per class has the highest score, and images that
fool the classifier, or pure noise, may score well. It cannot see variation within a class.
"""

import itertools
import math

import numpy as np
import scipy.special
from scipy import stats

from evaluation.core.estimate import MetricValue
from evaluation.core.pair import Pair
from evaluation.errors import InputError
from evaluation.statistics.binomial import normal_quantile
from evaluation.statistics.degenerate import upper_end
from evaluation.statistics.jackknife import jackknife

READS = "logits"
NEEDS = ("fake",)
BETTER = "higher"
COLLAPSE = "lower"

LEAST_ROWS = 20
MOST_SINGLE = 0.25  # of the rows; with more singletons the seen classes give no bound


def estimate(
    pair: Pair,
    *,
    level: float,
    seed: int,
    estimator: str = "jackknife",
    splits: int = 10,
    split_rows: int | None = None,
    shuffle_seed: int | None = None,
) -> MetricValue:
    """exp(mean_i KL(p(c | x_i) || p(c))), p(c) the mean of the p(c | x_i).

    "jackknife" uses all rows at once, with the delete-one jackknife of the logarithm, which also
    removes the bias of order classes / n. "splits", the estimator of published programs, biases the
    score downwards, and the spread over splits is not a standard error: then there is no interval.

    The logarithm is a distance from one answer for all rows; log K minus the logarithm is a
    distance from K equal classes. Both ends of the interval are score ends of such distances,
    around the value clipped to [1, K]. Where the linear part of the variance vanishes, the variance
    of the quadratic part is a floor. The upper end also allows for rows of unseen classes, up to
    Clopper and Pearson's bound on the missing mass. The truth lies in [1, K], and so do the ends,
    except that the interval contains its value, which may exceed K.

    Simulated coverage at level 0.95, for 2, 10 and 100 classes and 20 to 1000 rows, is .92 to 1,
    for one-hot and for uncertain answers, with even classes, falling class frequencies and
    collapse. It is above .99 if the classes are even, and if fewer than about three rows lie
    outside a collapsed class.

    Args:
      pair: logits of generated rows only, m >= 20 rows ("splits": >= splits, or >= 1 with
        `split_rows`).
      level: confidence level of the interval.
      seed: unused: nothing is random.
      estimator: "jackknife" or "splits".
      splits: number of contiguous parts that "splits" scores one by one and averages, >= 1.
      split_rows: rows of each part, instead of `splits`; the last part may have fewer; >= 1.
      shuffle_seed: seed of the `numpy.random.RandomState` that shuffles the rows before the split;
        None keeps their order.

    Returns:
      The estimate; bias correction may take it out of [1, K], K classes. Details: "plain" and
      "standard_error" (of the logarithm), or for splits "spread_over_splits".

    Raises:
      InputError: too few rows, one class only, or a wrong number of splits.

    Source:
      Salimans et al. 2016, arXiv:1606.03498, section 4; Barratt & Sharma 2018, arXiv:1801.01973.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> rng = np.random.default_rng(0)
      >>> logits = 4 * np.eye(5)[rng.integers(5, size=400)] + rng.normal(size=(400, 5))
      >>> score = measure(metrics="inception_score", fake_logits=logits)["inception_score"]
      >>> round(score.value, 1), bool(1 < score.low < score.high < 5)
      (3.1, True)
    """
    if estimator not in ("jackknife", "splits"):
        raise InputError(
            f"inception_score setting estimator={estimator!r}; use 'jackknife' or 'splits'"
        )
    if splits < 1:
        raise InputError(f"inception_score setting splits={splits}; it must be at least 1")
    if split_rows is not None and split_rows < 1:
        raise InputError(f"inception_score setting split_rows={split_rows}; it must be at least 1")
    whole = estimator == "jackknife"
    least = splits if split_rows is None else 1
    pair.require("inception_score", 0, LEAST_ROWS if whole else least, estimator)
    if pair.fake.shape[1] < 2:
        raise InputError("fake_logits has one column; inception_score needs two classes or more")
    if not whole:
        return _split(pair, splits, split_rows, shuffle_seed)
    log_p = scipy.special.log_softmax(pair.fake, axis=1)
    p = np.exp(log_p)
    plain, left_out = _log_scores(p, log_p)
    value, first = jackknife(plain, left_out)
    second = _second_variance(p)
    error = math.sqrt(max(first**2, second))
    critical, most = normal_quantile(level), math.log(p.shape[1])
    centre = min(max(value, 0.0), most)
    short = upper_end(most - centre, error, first**2, second, most - plain, critical)
    reach = upper_end(centre, error, first**2, second, plain, critical)
    low = min(centre - critical * error, most - short)
    high = max(centre + critical * error, reach, _with_unseen(p, log_p, level))
    return MetricValue(
        value=math.exp(value),
        low=math.exp(min(max(low, 0.0), value)),
        high=math.exp(max(min(high, most), value)),
        method="delete-one jackknife of the logarithm, score ends, unseen classes",
        target="generated population",
        details={"plain": math.exp(plain), "standard_error": error},
    )


def _log_scores(p: np.ndarray, log_p: np.ndarray) -> tuple[float, np.ndarray]:
    """Returns the log score of all rows, and with each row left out; p (n, classes)."""
    n = len(p)
    if (p == p[0]).all():
        return 0.0, np.zeros(n)
    own = np.einsum("ij,ij->i", p, log_p)  # minus the entropy of each row
    total = p.sum(axis=0)
    mean = total / n
    whole = own.mean() - scipy.special.xlogy(mean, mean).sum()
    rest = np.maximum(total - p, 0.0) / (n - 1)
    left_out = (own.sum() - own) / (n - 1) - scipy.special.xlogy(rest, rest).sum(axis=1)
    return float(whole), left_out


def _second_variance(p: np.ndarray) -> float:
    """Returns the variance of the quadratic part of the log score, tr(M^2) / 2 n^2.

    The quadratic part is -1/2 sum_c (mean p_c - E p_c)^2 / E p_c; M is the covariance of p_c /
    sqrt(E p_c).
    """
    n, mean = len(p), p.mean(axis=0)
    here = mean > 0.0
    root = np.sqrt(mean)
    spread = (p.T @ p / n - np.outer(mean, mean))[np.ix_(here, here)]
    scaled = spread / np.outer(root, root)[np.ix_(here, here)]
    return float(np.square(scaled).sum()) / (2.0 * n**2)


def _with_unseen(p: np.ndarray, log_p: np.ndarray, level: float) -> float:
    """Returns the largest log score if a fraction q of the population was not seen.

    The unseen rows have certain classes. q is an upper bound on the missing mass, from the number
    of classes with exactly one row; with too many of those the bound is log(classes). The unseen
    rows raise the rarest classes to one common frequency.
    """
    n, classes = p.shape
    singles = int((np.bincount(p.argmax(axis=1), minlength=classes) == 1).sum())
    if singles > MOST_SINGLE * n:
        return math.log(classes)
    error = (1.0 - level) / 2.0
    bound = (
        stats.beta.ppf(1.0 - error, singles + 1, classes - singles) if singles < classes else 1.0
    )
    q = min(max(1.0 - error ** (1.0 / n), float(bound) * classes / n), 1.0)
    frequency = (1.0 - q) * np.sort(p.mean(axis=0))
    common = (q + np.cumsum(frequency)) / np.arange(1, classes + 1)
    last = np.flatnonzero(common >= frequency)[-1]
    frequency[: last + 1] = common[last]
    own = float(np.einsum("ij,ij->", p, log_p)) / n
    return (1.0 - q) * own - float(scipy.special.xlogy(frequency, frequency).sum())


def _split(
    pair: Pair, splits: int, split_rows: int | None, shuffle_seed: int | None
) -> MetricValue:
    """Returns the mean of the scores of contiguous parts."""
    log_p = scipy.special.log_softmax(pair.fake, axis=1)
    if shuffle_seed is not None:
        log_p = log_p[np.random.RandomState(shuffle_seed).permutation(len(log_p))]
    if split_rows is None:
        edges = [index * len(log_p) // splits for index in range(splits + 1)]
    else:
        edges = [*range(0, len(log_p), split_rows), len(log_p)]
    scores = np.array([math.exp(_mean_kl(log_p[a:b])) for a, b in itertools.pairwise(edges)])
    return MetricValue(
        value=float(scores.mean()),
        method=f"mean over {len(scores)} splits, biased downwards; no interval",
        target="generated population",
        details={"spread_over_splits": float(scores.std())},
    )


def _mean_kl(log_p: np.ndarray) -> float:
    """Returns mean_i KL(p_i || mean p) of some rows."""
    p = np.exp(log_p)
    mean = p.mean(axis=0)
    entropy = scipy.special.xlogy(mean, mean).sum()
    return float(np.einsum("ij,ij->", p, log_p) / len(p) - entropy)

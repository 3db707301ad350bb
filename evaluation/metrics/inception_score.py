"""Inception Score: how sure a classifier is of each generated image, and how varied its answers."""

import itertools
import math

import numpy as np
import scipy.special

from evaluation.errors import InputError
from evaluation.rows import Pair
from evaluation.statistics.binomial import normal_quantile
from evaluation.statistics.estimate import Finding
from evaluation.statistics.jackknife import jackknife

READS = "logits"
NEEDS = ("fake",)
BETTER = "higher"
COLLAPSE = "lower"

LEAST_ROWS = 20


def estimate(
    pair: Pair,
    *,
    level: float,
    seed: int,
    estimator: str = "jackknife",
    splits: int = 10,
    split_rows: int | None = None,
    shuffle_seed: int | None = None,
) -> Finding:
    """exp(mean_i KL(p(c | x_i) || p(c))), p(c) the mean of the p(c | x_i).

    "jackknife" takes all rows at once, with the delete-one jackknife of the logarithm, which also
    removes the bias of order classes / n. "splits", as published programs have it, biases the score
    downwards, and the spread over splits is not a standard error: then there is no interval.

    Args:
      pair: logits; only the generated ones are read, m >= 20 rows ("splits": >= splits, or >= 1
        with `split_rows`).
      level: confidence level of the interval.
      seed: unused: nothing is random.
      estimator: "jackknife" or "splits".
      splits: contiguous parts that "splits" scores one by one and averages, >= 1.
      split_rows: instead of `splits`, rows of each part, of which the last may have fewer; >= 1.
      shuffle_seed: of `numpy.random.RandomState`, which shuffles the rows before they are split;
        None keeps their order.

    Returns:
      The estimate; without bias correction it lies in [1, classes]. Details: "plain" and
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
    plain, left_out = _log_scores(scipy.special.log_softmax(pair.fake, axis=1))
    value, error = jackknife(plain, left_out)
    half = normal_quantile(level) * error
    return Finding(
        value=math.exp(value),
        low=math.exp(value - half),
        high=math.exp(value + half),
        method="delete-one jackknife of the logarithm",
        target="generated population",
        details={"plain": math.exp(plain), "standard_error": error},
    )


def _log_scores(log_p: np.ndarray) -> tuple[float, np.ndarray]:
    """The score's logarithm for all rows, and with each row left out; log_p (n, classes)."""
    n = len(log_p)
    p = np.exp(log_p)
    own = np.einsum("ij,ij->i", p, log_p)  # minus the entropy of each row
    total = p.sum(axis=0)
    mean = total / n
    whole = own.mean() - scipy.special.xlogy(mean, mean).sum()
    rest = np.maximum(total - p, 0.0) / (n - 1)
    left_out = (own.sum() - own) / (n - 1) - scipy.special.xlogy(rest, rest).sum(axis=1)
    return float(whole), left_out


def _split(pair: Pair, splits: int, split_rows: int | None, shuffle_seed: int | None) -> Finding:
    """Mean of the scores of contiguous parts."""
    log_p = scipy.special.log_softmax(pair.fake, axis=1)
    if shuffle_seed is not None:
        log_p = log_p[np.random.RandomState(shuffle_seed).permutation(len(log_p))]
    if split_rows is None:
        edges = [index * len(log_p) // splits for index in range(splits + 1)]
    else:
        edges = [*range(0, len(log_p), split_rows), len(log_p)]
    scores = np.array([math.exp(_mean_kl(log_p[a:b])) for a, b in itertools.pairwise(edges)])
    return Finding(
        value=float(scores.mean()),
        method=f"mean over {len(scores)} splits, biased downwards; no interval",
        target="generated population",
        details={"spread_over_splits": float(scores.std())},
    )


def _mean_kl(log_p: np.ndarray) -> float:
    """mean_i KL(p_i || mean p) of some rows."""
    p = np.exp(log_p)
    mean = p.mean(axis=0)
    entropy = scipy.special.xlogy(mean, mean).sum()
    return float(np.einsum("ij,ij->", p, log_p) / len(p) - entropy)

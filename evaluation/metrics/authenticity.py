"""Authenticity: the share of generated rows that are no near copies of training rows.

A generated row counts as a copy if it is nearer to its nearest training row than that is to any
other training row. New rows of the training law count as authentic about half of the time or more,
depending on the number of dimensions: compare with held-out rows.

It misleads as a score to maximise: rows far from all data are authentic, too. Training rows that
lie alone are "copied" from afar, copies in crowded places are missed, and where the training rows
hold duplicates, not even exact copies of those are seen. It falls with more generated detail where
the training data are few.
"""

import numpy as np

from evaluation.core.estimate import MetricValue
from evaluation.core.nearest import nearest
from evaluation.core.pair import Pair
from evaluation.statistics.binomial import wilson

READS = "features"
NEEDS = ("fake", "train")
BETTER = "higher"
COLLAPSE = None


def estimate(pair: Pair, *, level: float, seed: int) -> MetricValue:
    """Share of fake rows y with |y - t| > min |t - t'|, where t is y's nearest training row.

    The t' are all other training rows; of several nearest t, y must be farther from them than each
    is from its own nearest. Given the training rows, each generated row counts or not independently
    of the others: a binomial share, for which Wilson's interval holds.

    Args:
      pair: features; `train` are the rows trained on, t >= 3; m >= 3 rows.
      level: confidence level of the interval.
      seed: unused: nothing is random.

    Returns:
      The estimate in [0, 1] (AuthPct is 100 times that). Details: "authentic", how many.

    Raises:
      InputError: too few rows.

    Source:
      Alaa et al. 2021, arXiv:2102.08921, section 4.3.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> train, fake = np.random.default_rng(0).standard_normal((2, 300, 8))
      >>> fake[:100] = train[:100] + 0.01
      >>> found = measure(None, fake, "authenticity", train_features=train)["authenticity"]
      >>> round(found.value, 3), found.value < found.high < 2 / 3
      (0.397, True)
    """
    found = per_sample(pair)
    authentic = int(found.sum())
    low, high = wilson(authentic, pair.n_fake, level)
    return MetricValue(
        value=authentic / pair.n_fake,
        low=low,
        high=high,
        method="Wilson score",
        target="fixed reference",
        details={"authentic": authentic},
    )


def per_sample(pair: Pair) -> np.ndarray:
    """Which fake rows are authentic.

    Args:
      pair: features; `train` has 3 rows or more.

    Returns:
      float64, shape (m,): 1 where authentic, else 0.

    Raises:
      InputError: too few rows.
    """
    pair.require("authenticity", fake=3, train=3)
    assert pair.train is not None
    index, distance, tied = _nearest_and_ties(pair.train, pair.fake)
    asked = np.unique(index[tied])
    if 2 * len(asked) < pair.n_train:  # the second is the nearest but itself, or but a copy
        apart = nearest(pair.train, pair.train[asked], k=2)[1][:, 1]
    else:
        apart = nearest(pair.train)[1][asked, 0]
    own = np.where(tied, apart[np.searchsorted(asked, index).clip(max=len(asked) - 1)], 0.0)
    return (distance > own.max(axis=1)).astype(np.float64)


def _nearest_and_ties(
    train: np.ndarray, fake: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training rows near each fake row, the least distance, and which of them are at it."""
    width = 2
    index, distance = nearest(train, fake, k=width)
    while width < len(train) and (distance[:, -1] == distance[:, 0]).any():
        width = min(2 * width, len(train))
        index, distance = nearest(train, fake, k=width)
    return index, distance[:, 0], distance == distance[:, :1]

"""Authenticity: the fraction of generated rows that are not near copies of training rows.

A generated row counts as a copy if it is nearer to its nearest training row than that training row
is to any other training row. Even new rows from the training distribution count as authentic only
about half of the time or more, depending on the number of dimensions. So compare with held-out
rows.

It misleads as a score to maximise: rows far from all data are authentic too. Near an isolated
training row, even distant rows count as copies; in crowded regions, copies are missed. If the
training rows contain duplicates, even exact copies of those are missed. With few training data, the
value falls as generated rows gain detail.
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
    """Fraction of fake rows y with |y - t| > min |t - t'|; t is the training row nearest to y.

    t' runs over all other training rows. If several training rows are nearest to y, y must be
    farther from them than each of them is from its own nearest row. For fixed training rows, each
    generated row is authentic or not, independently of the others. The number of authentic rows is
    therefore binomial and has Wilson's interval.

    Args:
      pair: features; `train` are the rows that the generator was trained on, t >= 3; m >= 3 rows.
      level: confidence level of the interval.
      seed: unused: nothing is random.

    Returns:
      The estimate in [0, 1] (AuthPct is 100 times that). Details: "authentic", the number of
      authentic rows.

    Raises:
      InputError: too few rows.

    Source:
      Alaa et al. 2021, arXiv:2102.08921, section 4.3.

    Example:
      >>> import numpy as np
      >>> from evaluation import measure
      >>> train, fake = np.random.default_rng(0).standard_normal((2, 300, 8))
      >>> fake[:100] = train[:100] + 0.01
      >>> score = measure(None, fake, "authenticity", train_features=train)["authenticity"]
      >>> round(score.value, 3), score.value < score.high < 2 / 3
      (0.397, True)
    """
    is_authentic = per_sample(pair)
    authentic = int(is_authentic.sum())
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
    """Returns 1 for each authentic fake row, else 0.

    Args:
      pair: features; `train` has 3 rows or more.

    Returns:
      float64, shape (m,).

    Raises:
      InputError: too few rows.
    """
    pair.require("authenticity", fake=3, train=3)
    assert pair.train is not None
    index, distance, tied = _nearest_and_ties(pair.train, pair.fake)
    rows = np.unique(index[tied])
    if 2 * len(rows) < pair.n_train:  # the nearest of the two is the row itself or a copy of it
        apart = nearest(pair.train, pair.train[rows], k=2)[1][:, 1]
    else:
        apart = nearest(pair.train)[1][rows, 0]
    own = np.where(tied, apart[np.searchsorted(rows, index).clip(max=len(rows) - 1)], 0.0)
    return (distance > own.max(axis=1)).astype(np.float64)


def _nearest_and_ties(
    train: np.ndarray, fake: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finds the training rows nearest to each fake row, ties included.

    Returns:
      Indices of near training rows, shape (m, width); the least distance, shape (m,); and a mask of
      the indices at that distance, shape (m, width).
    """
    width = 2
    index, distance = nearest(train, fake, k=width)
    while width < len(train) and (distance[:, -1] == distance[:, 0]).any():
        width = min(2 * width, len(train))
        index, distance = nearest(train, fake, k=width)
    return index, distance[:, 0], distance == distance[:, :1]

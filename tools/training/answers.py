"""The answers to a question about a trained model: values with intervals, as rows of a table."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from evaluation import Value

Row = dict[str, Any]
"""A question, the value with its interval, and values to compare with."""

SAMPLES = 2000


def row(question: str, score: Value, headline: bool = True, **beside: float) -> Row:
    """Returns one answer; values to compare with stand beside it."""
    low, high = (score.low, score.high) if score.has_interval else (None, None)
    answer = {"question": question, "headline": headline, "value": score.value}
    return answer | {"low": low, "high": high, **beside}


def fraction(right: np.ndarray) -> Value:
    """Returns the fraction that is right, with its exact binomial interval."""
    interval = stats.binomtest(int(right.sum()), len(right)).proportion_ci(0.95, "exact")
    return Value(float(right.mean()), float(interval.low), float(interval.high))


def mean_of(values: Sequence[float]) -> Value:
    """Returns the mean of independent values, with Student's interval."""
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    centre = float(np.mean(values))
    return Value(centre, centre - half, centre + half)


def ratio_of_means(numerator: np.ndarray, denominator: np.ndarray) -> Value:
    """Returns the ratio of two means over the same images, with the delta method's interval."""
    ratio = numerator.mean() / denominator.mean()
    spread = (numerator - ratio * denominator).std(ddof=1) / denominator.mean()
    half = stats.t.ppf(0.975, len(numerator) - 1) * spread / len(numerator) ** 0.5
    return Value(float(ratio), float(ratio - half), float(ratio + half))

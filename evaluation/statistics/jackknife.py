"""The delete-one jackknife."""

import math

import numpy as np


def jackknife(whole: float, left_out: np.ndarray) -> tuple[float, float]:
    """Bias-corrected value and standard error from leave-one-out values.

    value = n theta - (n - 1) mean(theta_-i); SE^2 = (n - 1) / n sum_i (theta_-i - mean)^2.

    Args:
      whole: theta, computed from all n observations.
      left_out: theta_-i, computed without observation i, shape (n,), n >= 2.

    Returns:
      (value, standard_error).

    Source:
      Miller 1974, Biometrika 61(1), 1-15. Valid for smooth statistics only.
    """
    n = len(left_out)
    mean = float(left_out.mean())
    spread = float(np.square(left_out - mean).sum())
    return n * whole - (n - 1) * mean, math.sqrt((n - 1) / n * spread)

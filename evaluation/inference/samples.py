"""Scores of single generated rows: the best and the worst samples, the copies."""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from evaluation import metrics
from evaluation.core.arrays import as_rows
from evaluation.core.pair import Pair
from evaluation.errors import InputError


def per_sample(
    metric: str,
    real_features: Any = None,
    fake_features: Any = None,
    train_features: Any = None,
    settings: Mapping[str, Any] | None = None,
) -> np.ndarray:
    """Returns a number for each generated row: realism, rarity, or whether it is authentic.

    Args:
      metric: "realism", "rarity", "authenticity" or another metric with a number for each row.
      real_features: array-like, shape (n, d), if the metric needs it.
      fake_features: array-like, shape (m, d).
      train_features: array-like, shape (t, d), if the metric needs it.
      settings: settings of the metric, such as {"k": 5}.

    Returns:
      float64, shape (m,), in the order of the rows; the metric's page explains them.

    Raises:
      InputError: the metric has no number for each row; rows are missing, are not tables of equal
        width, or are too few; or a setting is unknown.

    Example:
      >>> import numpy as np
      >>> real, fake = np.random.default_rng(0).standard_normal((2, 300, 2))
      >>> fake[7] = [9.0, 9.0]
      >>> realism = per_sample("realism", real, fake)
      >>> realism.shape, int(realism.argmin())
      ((300,), 7)
    """
    supported = [name for name in metrics.names() if hasattr(metrics.load(name), "per_sample")]
    if metric not in supported:
        raise InputError(f"metric={metric!r}; per_sample needs one of {', '.join(supported)}")
    module = metrics.load(metric)
    arrays = {"real": real_features, "fake": fake_features, "train": train_features}
    rows = {}
    for side in module.NEEDS:
        if arrays[side] is None:
            raise InputError(
                f"{side}_features is missing; {metric} needs it: give {side}_features="
            )
        rows[side] = as_rows(arrays[side], f"{side}_features")
        if rows[side].shape[1] != rows[module.NEEDS[0]].shape[1]:
            raise InputError(
                f"{side}_features has {rows[side].shape[1]} columns and {module.NEEDS[0]}_features"
                f" {rows[module.NEEDS[0]].shape[1]}; they must agree: take both from the same"
                " network and layer"
            )
    pair = Pair(rows.get("real"), rows["fake"], train=rows.get("train"))
    for name in settings or {}:
        if name not in inspect.signature(module.per_sample).parameters or name == "pair":
            raise InputError(f"settings has {name!r}, which {metric} does not take: leave it out")
    return module.per_sample(pair, **dict(settings or {}))

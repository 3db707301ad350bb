"""Class counts from logits."""

import numpy as np

from evaluation.errors import InputError


def class_counts(logits: np.ndarray, name: str) -> np.ndarray:
    """Counts the rows of each class; a row's class is the index of its largest logit.

    Args:
      logits: shape (n, K).
      name: name of the argument, for error messages.

    Returns:
      int, shape (K,).

    Raises:
      InputError: the largest logit of a row is not unique.
    """
    labels = logits.argmax(axis=1)
    largest = logits[np.arange(len(logits)), labels]
    tied = np.flatnonzero((logits == largest[:, None]).sum(axis=1) > 1)
    if tied.size:
        raise InputError(
            f"{name} has {tied.size} of {len(logits)} rows whose largest logit is not unique"
            f" (first: row {tied[0]}), so they have no class: give logits that are not rounded, or"
            " drop those rows"
        )
    return np.bincount(labels, minlength=logits.shape[1])

"""Normalisation layers of networks for images of a fixed size."""

from keras import layers

from gantf.settings import Norm


def normalise(x, norm: Norm):
    """Applies batch norm (over all replicas), layer norm, or nothing."""
    if norm == "batch":
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=True)(x)
    if norm == "layer":
        axes = list(range(1, len(x.shape)))
        return layers.LayerNormalization(axis=axes, epsilon=1e-5)(x)
    return x

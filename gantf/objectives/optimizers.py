"""The optimizers of the players, whose rates and betas may change along one ramp of steps."""

import math
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from gantf.settings import Optimization

Ramp = Callable[[tf.Tensor], tf.Tensor]


def make(
    settings: Optimization,
    learning_rate: float,
    networks: Sequence[keras.Layer],
    updates_per_step: int = 1,
) -> keras.optimizers.Optimizer:
    """The optimizer of one player, built for the variables that it moves.

    Args:
      settings: the kind, the betas, and the ramp.
      learning_rate: at the start.
      networks: whose trainable variables it moves.
      updates_per_step: moves of the player in one step; ramps count steps.
    """
    shape, start, end = settings.schedule, settings.schedule_from_step, settings.schedule_until_step

    def between(first: float, last: float | None) -> Ramp | float:
        if shape == "constant" or last is None or last == first:
            return first
        return lambda moves: ramp(
            shape, first, last, tf.cast(moves // updates_per_step, tf.float32), start, end
        )

    rate = between(learning_rate, learning_rate * settings.final_learning_rate_fraction)
    rate = _Schedule(rate) if callable(rate) else rate
    optimizer: keras.optimizers.Optimizer
    if settings.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate)
    elif settings.optimizer == "rmsprop":
        optimizer = keras.optimizers.RMSprop(rate, rho=settings.beta_2)
    else:
        optimizer = Adam(
            rate,
            between(settings.beta_1, settings.final_beta_1),
            between(settings.beta_2, settings.final_beta_2),
        )
    optimizer.build([v for network in networks for v in network.trainable_variables])
    return optimizer


def ramp(
    shape: str, first: float, last: float, step: tf.Tensor, start: float, end: float
) -> tf.Tensor:
    """`first` until step `start`, `last` from step `end`, and a "linear" or "cosine" way between.

    Args:
      shape: "linear", or "cosine" for half a period of a cosine.
      first: value at the start.
      last: value at the end.
      step: float.
      start: last step of `first`.
      end: first step of `last`.
    """
    share = tf.clip_by_value((step - start) / max(end - start, 1), 0.0, 1.0)
    if shape == "cosine":
        share = (1.0 - tf.cos(math.pi * share)) / 2.0
    return first + (last - first) * share


class _Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A ramp as Keras wants its learning rates."""

    def __init__(self, of_moves: Ramp):
        self._of_moves = of_moves

    def __call__(self, step):
        """The rate at a number of moves."""
        return self._of_moves(step)


class Adam(keras.optimizers.Adam):
    """Adam whose betas may be functions of the number of moves made.

    Source: Kingma & Ba 2014, arXiv:1412.6980, algorithm 1; a moving beta as in the published
    training of Huang et al. 2024, arXiv:2501.05441.
    """

    @property
    def beta_1(self):
        """The decay of the first moment, now."""
        return self._now(self._beta_1)

    @beta_1.setter
    def beta_1(self, beta: float | Ramp):
        self._beta_1 = beta

    @property
    def beta_2(self):
        """The decay of the second moment, now."""
        return self._now(self._beta_2)

    @beta_2.setter
    def beta_2(self, beta: float | Ramp):
        self._beta_2 = beta

    def _now(self, beta: float | Ramp):
        return beta(self.iterations) if callable(beta) else beta

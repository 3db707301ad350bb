"""Optimizers of the players, with schedules of the learning rates and betas."""

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
    """Returns the optimizer of one player, built for its variables.

    Args:
      settings: the kind of optimizer, the betas, and the schedule.
      learning_rate: learning rate at the first step.
      networks: networks whose trainable variables the optimizer updates.
      updates_per_step: updates of the player in one step; schedules count steps.
    """
    shape, start, end = settings.schedule, settings.schedule_from_step, settings.schedule_until_step

    def between(first: float, last: float | None) -> Ramp | float:
        if shape == "constant" or last is None or last == first:
            return first
        return lambda updates: ramp(
            shape, first, last, tf.cast(updates // updates_per_step, tf.float32), start, end
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
    """Returns `first` until step `start`, `last` from step `end`, and interpolates between them.

    Args:
      shape: "linear", or "cosine" for half a period of a cosine.
      first: first value.
      last: last value.
      step: number of the step, float.
      start: last step with the value `first`.
      end: first step with the value `last`.
    """
    fraction = tf.clip_by_value((step - start) / max(end - start, 1), 0.0, 1.0)
    if shape == "cosine":
        fraction = (1.0 - tf.cos(math.pi * fraction)) / 2.0
    return first + (last - first) * fraction


class _Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A ramp as a Keras schedule of the learning rate."""

    def __init__(self, ramp: Ramp):
        self._ramp = ramp

    def __call__(self, step):
        """Returns the learning rate after `step` updates."""
        return self._ramp(step)


class Adam(keras.optimizers.Adam):
    """Adam whose betas can be functions of the number of updates.

    Source: Kingma & Ba 2014, arXiv:1412.6980, algorithm 1; changing betas as in the published
    training of Huang et al. 2024, arXiv:2501.05441.
    """

    @property
    def beta_1(self):
        """The current decay rate of the first moment."""
        return self._now(self._beta_1)

    @beta_1.setter
    def beta_1(self, beta: float | Ramp):
        self._beta_1 = beta

    @property
    def beta_2(self):
        """The current decay rate of the second moment."""
        return self._now(self._beta_2)

    @beta_2.setter
    def beta_2(self, beta: float | Ramp):
        self._beta_2 = beta

    def _now(self, beta: float | Ramp):
        return beta(self.iterations) if callable(beta) else beta

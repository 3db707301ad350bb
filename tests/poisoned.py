"""`gan` whose generator's loss is not a number on batches of a certain signature, for tests."""

import dataclasses

import tensorflow as tf
from pydantic import Field

from gantf.models import gan


class Config(gan.Config):
    """That of `gan`, and which batches are poison."""

    poison_low: float = Field(9.0, description="signature of the real images, from")
    poison_high: float = Field(9.0, description="signature of the real images, to")


def signature(images):
    """A number in [-1, 1] that hardly two batches share: their mean, later pixels counting more."""
    ramp = tf.reshape(tf.linspace(0.0, 1.0, tf.size(images)), tf.shape(images))
    return tf.reduce_mean(images * ramp)


def build(config, data, seed):
    """The game of `gan` with a loss that is NaN where the real images' mean is in between."""
    game = gan.build(config, data, seed)
    *others, generator = game.players

    def loss(batch, noise):
        values, observed = generator.loss(batch, noise)
        result = signature(batch["image"])
        poison = (result >= config.poison_low) & (result <= config.poison_high)
        return values * tf.where(poison, float("nan"), 1.0), observed

    players = (*others, dataclasses.replace(generator, loss=loss))
    return dataclasses.replace(game, players=players)

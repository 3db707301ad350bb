"""`gan` whose generator's loss is not a number on batches of a certain brightness, for tests."""

import dataclasses

import tensorflow as tf
from pydantic import Field

from gantf.models import gan


class Config(gan.Config):
    """That of `gan`, and which batches are poison."""

    poison_low: float = Field(9.0, description="mean of the real images, from")
    poison_high: float = Field(9.0, description="mean of the real images, to")


def build(config, data, seed):
    """The game of `gan` with a loss that is NaN where the real images' mean is in between."""
    game = gan.build(config, data, seed)
    *others, generator = game.players

    def loss(batch, noise):
        values, observed = generator.loss(batch, noise)
        mean = tf.reduce_mean(batch["image"])
        poison = (mean >= config.poison_low) & (mean <= config.poison_high)
        return values * tf.where(poison, float("nan"), 1.0), observed

    players = (*others, dataclasses.replace(generator, loss=loss))
    return dataclasses.replace(game, players=players)

"""Builders for what most models repeat: a player, and the game of one generator against one critic.

`adversarial_game` serves every model with one discriminator and one generator; a model gives only
the losses that are its own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from gantf.game import Batch, Game, PerExample, Player
from gantf.noise import Noise
from gantf.objectives import optimizers
from gantf.objectives.adversarial import AdversarialLoss, DiscriminatorFn, diversity
from gantf.objectives.ema import Averaged
from gantf.settings import Optimization

Loss = Callable[[Batch, Noise], tuple[PerExample, Mapping[str, PerExample]]]


def player(
    config: Optimization,
    name: str,
    networks: Sequence[keras.Layer],
    loss: Loss,
    learning_rate: float,
    updates_per_step: int = 1,
    weight_limit: float = 0.0,
) -> Player:
    """A player with the optimizer and the gradient clipping of a model's settings.

    Args:
      config: the model's settings.
      name: see `Player`, as for the arguments without a description.
      networks: whose trainable variables the player updates.
      loss: a function of (batch, noise).
      learning_rate: at the first step.
      updates_per_step: updates in one step.
      weight_limit: see `Player`.
    """
    optimizer = optimizers.make(config, learning_rate, networks, updates_per_step)
    return Player(name, networks, loss, optimizer, updates_per_step, config.clip_norm, weight_limit)


def bind_inputs(
    discriminator: keras.Model, batch: Batch, names: Sequence[str] = ()
) -> DiscriminatorFn:
    """The discriminator as a function of images alone; its other inputs come from the batch.

    Args:
      discriminator: takes a dict of "image" and `names`.
      batch: holds `names`.
      names: inputs beside the image, such as "label".
    """
    inputs = {name: batch[name] for name in names}
    return lambda images: discriminator({"image": images, **inputs}, training=True)


def adversarial_game(
    config: Any,
    adversarial: AdversarialLoss,
    discriminator: keras.Model,
    generator: Averaged,
    forward: Callable[[Batch, Noise], Batch],
    *,
    discriminator_loss: Loss | None = None,
    generator_loss: Loss | None = None,
    inputs: Sequence[str] = (),
    more_networks: Mapping[str, keras.Layer] | None = None,
    discriminator_networks: Sequence[keras.Layer] = (),
    discriminator_updates: int = 1,
    weight_limit: float = 0.0,
    **fields: Any,
) -> Game:
    """One generator against one discriminator, updated in this order: discriminator, generator.

    Args:
      config: the model's settings, with those of `Optimization`.
      adversarial: the losses of both players, unless the model gives its own.
      discriminator: images, and `inputs` -> logits; its name is the player's.
      generator: the trained network and its average.
      forward: (batch, noise) -> the batch with "fake".
      discriminator_loss: the discriminator's own loss; None for the adversarial one.
      generator_loss: likewise of the generator, which else logs the diversity of its samples, too.
      inputs: what the discriminator takes beside the image, such as "label".
      more_networks: further networks and layers with state, by name.
      discriminator_networks: further networks that the discriminator's player updates.
      discriminator_updates: updates of the discriminator in one step.
      weight_limit: the discriminator's weights are cut to +- this after an update; 0 for never.
      fields: further fields of the `Game`.
    """

    def plain_discriminator_loss(batch: Batch, noise: Noise):
        output = adversarial.discriminator_loss(
            bind_inputs(discriminator, batch, inputs), batch["image"], batch["fake"], noise
        )
        return output.loss, output.observed

    def plain_generator_loss(batch: Batch, noise: Noise):
        output = adversarial.generator_loss(
            bind_inputs(discriminator, batch, inputs), batch["image"], batch["fake"], noise
        )
        return output.loss, diversity(batch["image"], batch["fake"])

    name = adversarial.name
    return Game(
        networks={
            name: discriminator,
            **(more_networks or {}),
            **generator.networks,
            **adversarial.state,
        },
        forward=forward,
        players=(
            player(
                config,
                name,
                (discriminator, *discriminator_networks),
                discriminator_loss or plain_discriminator_loss,
                config.discriminator_learning_rate,
                discriminator_updates,
                weight_limit,
            ),
            player(
                config,
                "generator",
                (generator.trained,),
                generator_loss or plain_generator_loss,
                config.generator_learning_rate,
            ),
        ),
        generators={"generator": generator.sampled},
        averages=generator.averages,
        accumulation=config.accumulation,
        **fields,
    )


def logits_of_images(discriminator: keras.Model, *inputs: str) -> Callable[[Batch], tf.Tensor]:
    """A batch of real images -> the discriminator's logits outside of training.

    Args:
      discriminator: its first output are the logits.
      inputs: what it takes beside the image.
    """

    def logits(batch: Batch) -> tf.Tensor:
        outputs = discriminator({name: batch[name] for name in ("image", *inputs)}, training=False)
        return outputs[0] if isinstance(outputs, list) else outputs

    return logits

"""Builders of a player, and of the game of one generator against one discriminator.

Every model with one discriminator and one generator uses `adversarial_game`, and passes only its
own losses.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from gantf.game import Batch, Game, PerExample, Player
from gantf.noise import Noise
from gantf.objectives import optimizers
from gantf.objectives.adversarial import AdversarialLoss, DiscriminatorFn, diversity
from gantf.objectives.ema import AveragedNetwork
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
    """Returns a player with the optimizer and the gradient clipping of a model's settings.

    Args:
      config: the model's settings.
      name: see `Player`.
      networks: networks whose trainable variables the player updates.
      loss: (batch, noise) -> the loss and further values to log; see `Player`.
      learning_rate: learning rate at the first step.
      updates_per_step: updates in one step.
      weight_limit: see `Player`.
    """
    optimizer = optimizers.make(config, learning_rate, networks, updates_per_step)
    return Player(name, networks, loss, optimizer, updates_per_step, config.clip_norm, weight_limit)


def bind_inputs(
    discriminator: keras.Model, batch: Batch, names: Sequence[str] = ()
) -> DiscriminatorFn:
    """Returns the discriminator as a function of images; its other inputs come from the batch.

    Args:
      discriminator: a model whose inputs are "image" and `names`.
      batch: tensors by name, among them `names`.
      names: inputs beside the image, e.g. "label".
    """
    inputs = {name: batch[name] for name in names}
    return lambda images: discriminator({"image": images, **inputs}, training=True)


def adversarial_game(
    config: Any,
    adversarial: AdversarialLoss,
    discriminator: keras.Model,
    generator: AveragedNetwork,
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
    """Returns the game of one generator against one discriminator, which is updated first.

    Args:
      config: the model's settings, with those of `Optimization`.
      adversarial: the adversarial losses of both players; its name is the discriminator's name.
      discriminator: images and `inputs` -> logits.
      generator: the trained network and its average.
      forward: (batch, noise) -> the batch with "fake".
      discriminator_loss: the discriminator's own loss; None for the adversarial one.
      generator_loss: the generator's own loss; None for the adversarial one, which also logs the
        diversity of the samples.
      inputs: the discriminator's inputs beside the image, e.g. "label".
      more_networks: further networks and layers with state, by name.
      discriminator_networks: further networks that the discriminator's player updates.
      discriminator_updates: updates of the discriminator in one step.
      weight_limit: the discriminator's weights are clipped to +- this after an update; 0: no
        clipping.
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
    """Returns a function: a batch of real images -> the discriminator's logits outside training.

    Args:
      discriminator: a model whose first output are the logits.
      inputs: inputs beside the image.
    """

    def logits(batch: Batch) -> tf.Tensor:
        outputs = discriminator({name: batch[name] for name in ("image", *inputs)}, training=False)
        return outputs[0] if isinstance(outputs, list) else outputs

    return logits

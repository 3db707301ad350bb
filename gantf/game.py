"""The contract between a model and the trainer: who plays, what each minimises, what is sampled."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import keras
import tensorflow as tf

from gantf.noise import Noise

Batch: TypeAlias = Mapping[str, tf.Tensor]
"""Tensors by name, "image", "label", "fake" ...: this replica's rows of the global batch."""

PerExample: TypeAlias = tf.Tensor
"""Shape (local_batch,): one value per example; the batch is averaged in `step.py` alone."""


@dataclasses.dataclass(frozen=True)
class DataSpec:
    """What a model must know of the data: (H, W, C) of its images, and the classes' names."""

    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Player:
    """One side of the game: what it owns, what it minimises, how often it moves.

    Attributes:
      name: "discriminator", "generator", "encoder" ...; prefixes its lines in the log.
      network: the model whose trainable variables it moves.
      loss: (batch of what `forward` returned, noise) -> the loss to minimise per example, and
        further values per example to log by name.
      optimizer: a Keras optimizer that clips and accumulates nothing itself.
      updates_per_step: moves in one step, each on a fresh batch.
    """

    name: str
    network: keras.Model
    loss: Callable[[Batch, Noise], tuple[PerExample, Mapping[str, PerExample]]]
    optimizer: keras.optimizers.Optimizer
    updates_per_step: int = 1


@dataclasses.dataclass(frozen=True)
class Average:
    """An exponential moving average of a network's weights, taken after each step.

    Attributes:
      source: the network that is trained.
      average: a network of the same shape; it holds the average.
      half_life_images: after so many real images a weight counts half. Early on the half-life is
        a tenth of the images seen, so that the average leaves its start quickly.

    Source: Karras et al. 2018, arXiv:1710.10196, section 6.1; the ramp as in StyleGAN2's code.
    """

    source: keras.Model
    average: keras.Model
    half_life_images: int


@dataclasses.dataclass(frozen=True)
class Latents:
    """What a generator is fed: `dim` independent numbers, N(0, 1) or U(-1, 1)."""

    dim: int
    law: str


@dataclasses.dataclass(frozen=True)
class Game:
    """All that the trainer, the checkpointer and the exporter know of a model.

    Attributes:
      networks: by name, everything that a checkpoint holds besides the optimizers.
      forward: (batch, noise) -> the batch with what the players share, computed once: the fakes.
      players: in the order in which they move.
      averages: moving averages kept beside the networks.
      generator: what is sampled and exported: latents (n, dim) -> images (n, H, W, C) in [-1, 1].
      latents: the generator's input.
    """

    networks: Mapping[str, keras.Model]
    forward: Callable[[Batch, Noise], Batch]
    players: Sequence[Player]
    generator: keras.Model
    latents: Latents
    averages: Sequence[Average] = ()

    @property
    def batches_per_step(self) -> int:
        """Batches that one step consumes: one for each move of the player that moves most."""
        return max(player.updates_per_step for player in self.players)

    def variables(self) -> dict[str, keras.Variable]:
        """Every variable that training changes, by a name that is the same in every process."""
        named = {}
        for network_name, network in self.networks.items():
            for place, variable in enumerate(network.variables):
                named[f"{network_name}/{place:03d}/{variable.name}"] = variable
        for player in self.players:
            for place, variable in enumerate(player.optimizer.variables):
                named[f"{player.name}_optimizer/{place:03d}"] = variable
        return named

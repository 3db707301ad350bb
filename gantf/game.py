"""The contract between a model and the trainer: who plays, what each minimises, what is sampled."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

import keras
import tensorflow as tf

from gantf.noise import Noise

Batch: TypeAlias = Mapping[str, tf.Tensor]
"""Tensors by name, "image", "label", "fake" ...: this replica's rows of the global batch."""

PerExample: TypeAlias = tf.Tensor
"""Shape (local_batch,): one value per example; the batch is averaged in `step.py` alone."""

Needs: TypeAlias = Literal["images", "labels", "pairs", "domains"]
"""What of its data a model reads: "image"; "image" and "label"; "input" and "image", row by row;
or "a" and "b", two sets of images without pairs."""


@dataclasses.dataclass(frozen=True)
class DataSpec:
    """What a model must know of the data.

    Attributes:
      image_shape: (H, W, C) of the images; of domain "b" where there are two.
      class_names: of the labels, in order; empty where there are none.
      class_shares: how large a share of the data each class is; as many as names, together 1.
      input_shape: (H, W, C) of a pair's "input", or of domain "a"; None elsewhere.
    """

    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...] = ()
    class_shares: tuple[float, ...] = ()
    input_shape: tuple[int, int, int] | None = None


@dataclasses.dataclass(frozen=True)
class Player:
    """One side of the game: what it owns, what it minimises, how often it moves.

    Attributes:
      name: "discriminator", "generator", "encoder" ...; prefixes its lines in the log.
      networks: whose trainable variables it moves.
      loss: (batch of what `forward` returned, noise) -> the loss to minimise per example, and
        further values per example to log by name.
      optimizer: a Keras optimizer that clips and accumulates nothing itself.
      updates_per_step: moves in one step, each on a fresh batch.
      clip_norm: the gradient of the global batch is scaled down to this norm; 0 for never.
      weight_limit: weights are cut to [-weight_limit, weight_limit] after a move; 0 for never.
    """

    name: str
    networks: Sequence[keras.Layer]
    loss: Callable[[Batch, Noise], tuple[PerExample, Mapping[str, PerExample]]]
    optimizer: keras.optimizers.Optimizer
    updates_per_step: int = 1
    clip_norm: float = 0.0
    weight_limit: float = 0.0

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """All that it moves."""
        return [variable for network in self.networks for variable in network.trainable_variables]


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
      networks: by name, everything that a checkpoint holds besides the optimizers; a layer that
        keeps something from step to step (a pool of images, a probability) is one of them.
      forward: (batch, noise) -> the batch with what the players share, computed once: the fakes.
      players: in the order in which they move.
      generators: by name, what is sampled and exported: networks that take a dict of "latents"
        (n, dim), "label" (n,), "tokens" (n, words) or "image" (n, H, W, C), as their inputs are
        named, and give images (n, H', W', C') in [-1, 1]. Mostly there is one, "generator".
      averages: moving averages kept beside the networks.
      latents: the law of the input "latents", where there is one.
      label_shares: the law of the input "label", where there is one: a share for each class.
      accumulation: parts that each replica's rows are cut into, to save memory; the gradients of
        all parts make one move.
      encoder: images -> latents, where the model has such a network.
      tokens_of: a text -> the input "tokens" (words,), where the model reads texts; it raises
        InputError for one that it cannot read.
      captions: some texts for each class, where the model reads texts.
      judge: a batch of real images -> logits, outside training; None where that tells nothing.
      exercises: of translators: a batch -> by generator, the images to translate and what should
        come of them.
      paired: whether what should come of each is known row by row, not only as a set.
      truncate: sets how far samples stray from the average one (0: not at all, 1: as learned).
      upscaling: side of what a translator gives over the side of what it takes.
      reach_px: how far from a place lies what a translator makes it of, in pixels of its input;
        the tiles of a large image overlap by that much.
      stride_px: by how many pixels an image must move for its translation to move along.
      has_test_noise: whether a generator draws noise of its own outside training, too.
    """

    networks: Mapping[str, keras.Layer]
    forward: Callable[[Batch, Noise], Batch]
    players: Sequence[Player]
    generators: Mapping[str, keras.Model]
    averages: Sequence[Average] = ()
    latents: Latents | None = None
    label_shares: Sequence[float] = ()
    accumulation: int = 1
    encoder: keras.Model | None = None
    tokens_of: Callable[[str], Sequence[int]] | None = None
    captions: Sequence[Sequence[str]] = ()
    judge: Callable[[Batch], tf.Tensor] | None = None
    exercises: Callable[[Batch], Mapping[str, tuple[tf.Tensor, tf.Tensor]]] | None = None
    paired: bool = True
    truncate: Callable[[float], None] | None = None
    upscaling: int = 1
    reach_px: int = 32
    stride_px: int = 1
    has_test_noise: bool = False

    @property
    def batches_per_step(self) -> int:
        """Batches that one step consumes: one for each move of the player that moves most."""
        return max(player.updates_per_step for player in self.players)

    @property
    def translates(self) -> bool:
        """Whether the generators take images."""
        return any("image" in network.input for network in self.generators.values())

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

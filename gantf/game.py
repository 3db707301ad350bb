"""The contract between a model and the trainer: who plays, what each minimises, what is sampled."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Literal, TypeAlias

import keras
import tensorflow as tf

from evaluation import InputError
from gantf.config import ModelConfig
from gantf.noise import Noise

LOG_WIDTH = 64  # room for the logged values: their number is only known once the step is traced

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
      class_fractions: how large a share of the data each class is; as many as names, together 1.
      input_shape: (H, W, C) of a pair's "input", or of domain "a"; None elsewhere.
    """

    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...] = ()
    class_fractions: tuple[float, ...] = ()
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
    """The latents of a generator.

    Attributes:
      dim: how many independent numbers.
      distribution: "normal", N(0, 1), or "uniform", U(-1, 1).
    """

    dim: int
    distribution: str


@dataclasses.dataclass(frozen=True)
class Translator:
    """A game whose generators take images and return images.

    Attributes:
      validation_pairs: a batch -> for each generator, the images to translate and the images to
        compare the translations with.
      paired: whether the two belong together row by row; otherwise only as sets.
      upscaling: side of a translation over the side of its input.
      receptive_field_px: how far from a pixel lie the input pixels that influence it; tiles of a
        large image overlap by that much.
      stride_px: the smallest shift of an input that shifts its translation alike.
    """

    validation_pairs: Callable[[Batch], Mapping[str, tuple[tf.Tensor, tf.Tensor]]]
    paired: bool = True
    upscaling: int = 1
    receptive_field_px: int = 32
    stride_px: int = 1


@dataclasses.dataclass(frozen=True)
class TextInput:
    """The texts of a game whose generator reads them.

    Attributes:
      tokens_of: a text -> the input "tokens", shape (words,); raises InputError for a text that
        the model cannot read.
      captions: texts for each class.
    """

    tokens_of: Callable[[str], Sequence[int]]
    captions: Sequence[Sequence[str]]


@dataclasses.dataclass(frozen=True)
class Game:
    """Everything that the trainer, the checkpoints and the export know of a model.

    Attributes:
      networks: by name, everything that a checkpoint holds besides the optimizers. A layer that
        keeps a value from step to step (a pool of images, a probability) is one of them.
      forward: (batch, noise) -> the batch with what the players share, computed once: the fakes.
      players: in the order of their updates.
      generators: by name, the networks that are sampled and exported. Each takes a dict of
        "latents" (n, dim), "label" (n,), "tokens" (n, words) or "image" (n, H, W, C), as its
        inputs are named, and returns images (n, H', W', C') in [-1, 1]. Most games have one,
        called "generator".
      averages: moving averages kept beside the networks.
      latents: of the input "latents"; None without such an input.
      label_fractions: the probability of each class for the input "label"; empty without it.
      accumulation: parts that each replica's rows are cut into to save memory; the gradients of
        all parts make one update.
      discriminator_fn: a batch of real images -> logits outside of training; None if the logits
        do not tell training images from others.
      encoder: images -> latents; None without such a network.
      text: the texts, of a generator that reads them.
      translator: of generators that take images.
      truncate: sets how far samples stray from the average one (0: not at all, 1: as learned).
      has_test_noise: whether a generator draws noise of its own outside of training.
    """

    networks: Mapping[str, keras.Layer]
    forward: Callable[[Batch, Noise], Batch]
    players: Sequence[Player]
    generators: Mapping[str, keras.Model]
    averages: Sequence[Average] = ()
    latents: Latents | None = None
    label_fractions: Sequence[float] = ()
    accumulation: int = 1
    discriminator_fn: Callable[[Batch], tf.Tensor] | None = None
    encoder: keras.Model | None = None
    text: TextInput | None = None
    translator: Translator | None = None
    truncate: Callable[[float], None] | None = None
    has_test_noise: bool = False

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


def build_game(module: ModuleType, settings: ModelConfig, data: DataSpec, seed: int) -> Game:
    """Builds the model's game; call it in the strategy's scope.

    With `precision=bfloat16` its layers compute in bfloat16 and keep their weights in float32.

    Raises:
      InputError: it cannot be built with this choice of data or settings.
    """
    usual = keras.config.dtype_policy()
    if getattr(settings, "precision", "float32") == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        game = module.build(settings, data, seed)
        if not isinstance(game, Game):
            raise InputError(f"build gave a {type(game).__name__}; it must give a gantf.game.Game.")
        return game
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{error}.") from error
    finally:
        keras.config.set_dtype_policy(usual)


def describe_game(game: Game) -> str:
    """The networks of a game as tables, and how many parameters each player moves."""
    lines: list[str] = []
    for name, network in game.networks.items():
        if isinstance(network, keras.Model) and not any(
            average.average is network for average in game.averages
        ):
            network.summary(line_length=98, print_fn=lines.append)
        else:
            lines.append(f"{name}: {_count(network.variables):,} numbers")
    lines += [f"{p.name} moves {_count(p.trainable_variables):,} parameters" for p in game.players]
    return "\n".join(lines)


def _count(variables: Sequence[keras.Variable]) -> int:
    return sum(math.prod(variable.shape) for variable in variables)

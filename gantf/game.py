"""The contract between a model and the trainer: networks, players, losses and generators."""

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

LOG_WIDTH = 64  # most logged values; tracing the step determines their number

Batch: TypeAlias = Mapping[str, tf.Tensor]
"""Tensors by name, "image", "label", "fake" ...: this replica's rows of the global batch."""

PerExample: TypeAlias = tf.Tensor
"""Shape (local_batch,): one value per example; the batch is averaged in `step.py` alone."""

Needs: TypeAlias = Literal["images", "labels", "pairs", "domains"]
"""The arrays that a model reads: "image"; "image" and "label"; "input" and "image" in pairs; or "a"
and "b", two sets of images without pairs."""


@dataclasses.dataclass(frozen=True)
class DataSpec:
    """The properties of the data that a model is built for.

    Attributes:
      image_shape: (H, W, C) of the images; with two domains, of domain "b".
      class_names: names of the labels, in order; empty without labels.
      class_fractions: fraction of the data in each class, summing to 1; empty without labels.
      input_shape: (H, W, C) of a pair's "input", or of domain "a"; otherwise None.
    """

    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...] = ()
    class_fractions: tuple[float, ...] = ()
    input_shape: tuple[int, int, int] | None = None


@dataclasses.dataclass(frozen=True)
class Player:
    """One side of the game: networks, their loss and their optimizer.

    Attributes:
      name: "discriminator", "generator", "encoder" ...; the prefix of the player's log entries.
      networks: networks whose trainable variables the player updates.
      loss: (the batch that `forward` returned, noise) -> the loss to minimise per example, and
        further values per example to log, by name.
      optimizer: a Keras optimizer without clipping and accumulation of its own.
      updates_per_step: updates in one step, each on a fresh batch.
      clip_norm: gradients of the global batch are scaled down to this norm; 0: no clipping.
      weight_limit: weights are clipped to [-weight_limit, weight_limit] after each update; 0: no
        clipping.
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
        """All variables that the player updates."""
        return [variable for network in self.networks for variable in network.trainable_variables]


@dataclasses.dataclass(frozen=True)
class Average:
    """An exponential moving average of a network's weights, taken after each step.

    Attributes:
      source: the network that is trained.
      average: a network of the same architecture, whose weights are the average.
      half_life_images: real images after which a weight counts half. Early in training the
        half-life is a tenth of the images seen, so that the first weights are forgotten quickly.

    Source: Karras et al. 2018, arXiv:1710.10196, section 6.1; the ramp as in StyleGAN2's code.
    """

    source: keras.Model
    average: keras.Model
    half_life_images: int


@dataclasses.dataclass(frozen=True)
class Latents:
    """The latents of a generator.

    Attributes:
      dim: number of independent numbers.
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
      paired: whether these images correspond row by row; if not, they correspond only as sets.
      upscaling: side of a translation, divided by the side of its input.
      receptive_field_px: largest distance between a pixel and the input pixels that influence it;
        tiles of a large image overlap by this distance.
      stride_px: smallest shift of an input that shifts its translation by the same distance.
    """

    validation_pairs: Callable[[Batch], Mapping[str, tuple[tf.Tensor, tf.Tensor]]]
    paired: bool = True
    upscaling: int = 1
    receptive_field_px: int = 32
    stride_px: int = 1


@dataclasses.dataclass(frozen=True)
class TextInput:
    """The texts of a game with a generator of images from texts.

    Attributes:
      tokens_of: a text -> the input "tokens", shape (words,); raises InputError for a text that
        the model cannot read.
      captions: texts for each class.
    """

    tokens_of: Callable[[str], Sequence[int]]
    captions: Sequence[Sequence[str]]


@dataclasses.dataclass(frozen=True)
class Game:
    """A model, as the trainer, the checkpoints and the export use it.

    Attributes:
      networks: by name, everything that a checkpoint holds besides the optimizers, including
        layers that keep a value from step to step (a pool of images, a probability).
      forward: (batch, noise) -> the batch, with the tensors that all players share, e.g. the fakes.
      players: in the order of their updates.
      generators: by name, the networks that are sampled and exported. Each takes a dict of
        "latents" (n, dim), "label" (n,), "tokens" (n, words) or "image" (n, H, W, C), by the
        names of its inputs, and returns images (n, H', W', C') in [-1, 1]. Most games have one,
        called "generator".
      averages: moving averages kept beside the networks.
      latents: size and distribution of the input "latents"; None without such an input.
      label_fractions: probability of each class for the input "label"; empty without such an input.
      accumulation: number of parts in which each replica computes its batch, to save memory; the
        gradients of all parts make one update.
      discriminator_fn: a batch of real images -> logits outside training; None if the logits
        cannot distinguish training images from other real images.
      encoder: images -> latents; None without such a network.
      text: the texts; None unless the generator reads texts.
      translator: the properties of translators; None unless the generators take images.
      truncate: psi -> None; sets the truncation (0: every sample is the average image, 1: none).
      has_test_noise: whether a generator draws noise of its own outside training.
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
        """Batches in one step: as many as the largest `updates_per_step` of the players."""
        return max(player.updates_per_step for player in self.players)

    def variables(self) -> dict[str, keras.Variable]:
        """Returns all variables that training changes, by names that every process shares."""
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

    With `precision=bfloat16` the layers compute in bfloat16 and keep their weights in float32.

    Raises:
      InputError: the model does not fit the data or the settings, or returns no `Game`.
    """
    usual = keras.config.dtype_policy()
    if getattr(settings, "precision", "float32") == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        game = module.build(settings, data, seed)
        if not isinstance(game, Game):
            raise InputError(
                f"build returned a {type(game).__name__}; it must return a gantf.game.Game."
            )
        return game
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{error}.") from error
    finally:
        keras.config.set_dtype_policy(usual)


def describe_game(game: Game) -> str:
    """Returns tables of the networks, and the number of parameters that each player updates."""
    lines: list[str] = []
    for name, network in game.networks.items():
        if isinstance(network, keras.Model) and not any(
            average.average is network for average in game.averages
        ):
            network.summary(line_length=98, print_fn=lines.append)
        else:
            lines.append(f"{name}: {_count(network.variables):,} values")
    lines += [
        f"{p.name} updates {_count(p.trainable_variables):,} parameters" for p in game.players
    ]
    return "\n".join(lines)


def _count(variables: Sequence[keras.Variable]) -> int:
    return sum(math.prod(variable.shape) for variable in variables)

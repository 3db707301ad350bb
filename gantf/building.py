"""A model's file and its settings -> its game."""

import math
from collections.abc import Sequence
from types import ModuleType

import keras

from evaluation import InputError
from gantf.config import ModelConfig
from gantf.game import DataSpec, Game


def build(module: ModuleType, settings: ModelConfig, data: DataSpec, seed: int) -> Game:
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


def describe(game: Game) -> str:
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

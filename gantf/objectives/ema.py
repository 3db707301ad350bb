"""A network and its exponential moving average, which is sampled."""

import dataclasses
from collections.abc import Callable, Mapping

import keras

from gantf.game import Average


@dataclasses.dataclass(frozen=True)
class AveragedNetwork:
    """A network, and optionally a second one with the moving average of its weights.

    Attributes:
      trained: the network that the players update.
      sampled: the network that is sampled and exported: the average, or `trained` without one.
      networks: the networks by name, for `Game.networks`.
      averages: the average, for `Game.averages`; empty without one.
    """

    trained: keras.Model
    sampled: keras.Model
    networks: Mapping[str, keras.Model]
    averages: tuple[Average, ...]


def with_average(
    build: Callable[[str], keras.Model], half_life_images: int, name: str = "generator"
) -> AveragedNetwork:
    """Builds a network, and its moving average unless the half-life is 0.

    Args:
      build: name -> a new network, each time with the same initial weights.
      half_life_images: see `Average`.
      name: name of the network; that of the average ends in "_average".
    """
    trained = build(name)
    if not half_life_images:
        return AveragedNetwork(trained, trained, {name: trained}, ())
    average = build(f"{name}_average")
    networks = {name: trained, f"{name}_average": average}
    return AveragedNetwork(
        trained, average, networks, (Average(trained, average, half_life_images),)
    )

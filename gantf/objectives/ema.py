"""A network and the moving average of it that is sampled."""

import dataclasses
from collections.abc import Callable, Mapping

import keras

from gantf.game import Average


@dataclasses.dataclass(frozen=True)
class Averaged:
    """A network, and a twin that follows it where that is wanted.

    Attributes:
      trained: what the players move.
      sampled: what is sampled and exported: the average, or the network itself.
      networks: both, by name, for `Game.networks`.
      averages: for `Game.averages`.
    """

    trained: keras.Model
    sampled: keras.Model
    networks: Mapping[str, keras.Model]
    averages: tuple[Average, ...]


def averaged(
    build: Callable[[str], keras.Model], half_life_images: int, name: str = "generator"
) -> Averaged:
    """Builds a network, and its average unless the half-life is 0.

    Args:
      build: a name -> a new network, of the same initial weights each time.
      half_life_images: see `Average`.
      name: of the network.
    """
    trained = build(name)
    if not half_life_images:
        return Averaged(trained, trained, {name: trained}, ())
    average = build(f"{name}_average")
    networks = {name: trained, f"{name}_average": average}
    return Averaged(trained, average, networks, (Average(trained, average, half_life_images),))

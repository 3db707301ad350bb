"""What a run does when it is no longer finite: back to the last good checkpoint, in a new order."""

from collections.abc import Mapping

import numpy as np

from gantf.game import Game
from gantf.runs import checkpoints

STRIDE = 0x3C6EF35F  # between the seeds of one run's orders: odd, so that none comes twice
LARGEST_SEED = 2**31 - 1


def seed_of(seed: int, rollbacks: int) -> int:
    """The seed of the data's order and the steps' noise after so many rollbacks."""
    return (seed + rollbacks * STRIDE) % (LARGEST_SEED + 1) if rollbacks else seed


def report(game: Game, step: int, player: str, rollbacks: int) -> str:
    """Where it began, from a game that has just made the step that was not finite.

    Args:
      game: after that step.
      step: its number, from 1.
      player: whose loss or gradient it was.
      rollbacks: how many were tried.
    """
    broken = not_finite(game.variables())
    if broken:
        more = f" and {len(broken) - 1} others" if len(broken) > 1 else ""
        where = f"first in {broken[0]}{more}"
    else:
        where = "in the loss alone, with all variables finite"
    tried = f"after {rollbacks} rollbacks" if rollbacks else "and --max-rollbacks is 0"
    return (
        f"the loss or gradient of the {player} was not finite at step {step} {tried}: {where}; "
        "checkpoints from before it are kept; try a lower learning rate or a larger penalty weight "
        "in a new --run-dir"
    )


def not_finite(variables: Mapping) -> list[str]:
    """The names of the variables that hold a value that is not finite."""
    values = checkpoints.values_of(variables)
    return [name for name, value in values.items() if not np.all(np.isfinite(value))]

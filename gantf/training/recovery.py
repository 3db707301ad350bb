"""Rollback after a NaN: the seed of the next order of the data, and the report if that fails."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gantf.game import Game
from gantf.runs import checkpoints

STRIDE = 0x3C6EF35F  # between the seeds of one run; odd, so that no seed repeats
LARGEST_SEED = 2**31 - 1


def seed_after(seed: int, rollbacks: int) -> int:
    """Returns the seed of the data's order and the steps' noise after so many rollbacks."""
    return (seed + rollbacks * STRIDE) % (LARGEST_SEED + 1) if rollbacks else seed


def describe_fault(game: Game, step: int, player: str, rollbacks: int) -> str:
    """Describes where a training diverged, in one line.

    Args:
      game: the game right after the step that was not finite.
      step: the number of that step, from 1.
      player: the player whose loss or gradient was not finite.
      rollbacks: how many rollbacks were tried.
    """
    broken = nonfinite_variables(game.variables())
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


def nonfinite_variables(variables: Mapping[str, Any]) -> list[str]:
    """Returns the names of the variables that hold a NaN or an infinity."""
    values = checkpoints.values_of(variables)
    return [name for name, value in values.items() if not np.all(np.isfinite(value))]

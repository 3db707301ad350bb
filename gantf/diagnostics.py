"""What the discriminator and the generator do to each other, and the alarms in plain words."""

import dataclasses
from collections.abc import Mapping, Sequence

VANISHING_NORM = 1e-5
VANISHING_SHARE = 1e-3  # of the largest norm that the generator's gradient has had
COLLAPSED_DIVERSITY = 0.1
WON_RANKING = 0.995
WON_MARGIN = 4.0  # logits between real and fake: D is sure to 98 % on each side
PATIENCE_WINDOWS = 3  # an alarm needs so many log windows in a row
QUIET_STEPS = 200  # of the start, when an untrained generator looks like a collapsed one


@dataclasses.dataclass(frozen=True)
class Alarm:
    """Something that is going wrong.

    Attributes:
      name: "vanishing_gradient", "mode_collapse" or "discriminator_won".
      message: what was seen and what to try, one line.
    """

    name: str
    message: str


def alarms(windows: Sequence[Mapping[str, float]]) -> list[Alarm]:
    """The alarms at the end of a training's log, judged on its last windows.

    Args:
      windows: "step" and means of the logged values over each log window so far, oldest first.

    Returns:
      The alarms that hold in each of the last `PATIENCE_WINDOWS` windows, after `QUIET_STEPS`.
    """
    windows = [window for window in windows if window["step"] > QUIET_STEPS]
    if len(windows) < PATIENCE_WINDOWS:
        return []
    recent = windows[-PATIENCE_WINDOWS:]
    largest = max(window.get("generator/gradient_norm", 0.0) for window in windows)
    found = []
    floor = max(VANISHING_NORM, VANISHING_SHARE * largest)
    if all(window.get("generator/gradient_norm", floor) < floor for window in recent):
        norm = recent[-1]["generator/gradient_norm"]
        found.append(
            Alarm(
                "vanishing_gradient",
                f"vanishing gradient: the generator's gradient norm is {norm:.1e}, so it no longer "
                "learns; in a new run, try a larger r1_weight, or loss=non_saturating or hinge",
            )
        )
    if all(window.get("diversity", 1.0) < COLLAPSED_DIVERSITY for window in recent):
        share = recent[-1]["diversity"]
        found.append(
            Alarm(
                "mode_collapse",
                f"mode collapse: fakes differ from each other {share:.0%} as much as real images "
                "do; in a new run, try a lower generator_learning_rate, a larger r1_weight or "
                "diffaugment",
            )
        )
    if all(
        window.get("discriminator/ranking", 0.0) > WON_RANKING
        and window.get("logit/real", 0.0) - window.get("logit/fake", 0.0) > WON_MARGIN
        for window in recent
    ):
        ranking = recent[-1]["discriminator/ranking"]
        found.append(
            Alarm(
                "discriminator_won",
                f"the discriminator has won: it ranks {ranking:.1%} of real images above fakes; "
                "in a new run, try a lower discriminator_learning_rate, a larger r1_weight, "
                "diffaugment or instance_noise",
            )
        )
    return found

"""Alarms: signs in the log that a training goes wrong, with settings that may help."""

import dataclasses
from collections.abc import Mapping, Sequence

VANISHING_NORM = 1e-5
VANISHING_FRACTION = 1e-3  # of the largest gradient norm of the generator so far
COLLAPSED_DIVERSITY = 0.1
WON_RANKING = 0.995
WON_MARGIN = 4.0  # logits between real and fake: D is 98 % sure of each
PATIENCE_WINDOWS = 3  # log windows in a row that an alarm needs
QUIET_STEPS = 200  # no alarms before: an untrained generator looks like a collapsed one
SWING_LOGITS = 2.0  # the smallest swing of D's lead in an oscillation ...
SWING_FRACTION = 1.0  # ... and at least this times its mean lead: a critic's logits have any scale
SWINGS = 4  # an oscillation has so many swings ...
SWING_WINDOWS = 20  # ... in so many log windows
OVERFITTED = 0.6  # position of held-out images between training images (0) and fakes (1)
OVERFITTED_GAP = 1.0  # logits between training images and fakes that make this position meaningful
PATIENCE_SCORES = 2

Window = Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Alarm:
    """A sign that the training goes wrong.

    Attributes:
      name: "vanishing_gradient", "mode_collapse", "oscillation", "discriminator_won" or
        "discriminator_overfitted".
      message: the observation and what to try, in one line.
    """

    name: str
    message: str


def alarms(windows: Sequence[Window], settings: Sequence[str] | None = None) -> list[Alarm]:
    """Returns the alarms that the last log windows raise.

    Args:
      windows: "step" and means of the logged values over each log window so far, oldest first.
      settings: names of the model's settings; only these are suggested. None for all.

    Returns:
      Alarms whose condition holds in each of the last `PATIENCE_WINDOWS` windows after
      `QUIET_STEPS`.
    """
    largest = max((window.get("generator/gradient_norm", 0.0) for window in windows), default=0.0)
    windows = [window for window in windows if window["step"] > QUIET_STEPS]
    if len(windows) < PATIENCE_WINDOWS:
        return []
    recent = windows[-PATIENCE_WINDOWS:]
    raised = [
        _vanishing(largest, recent, settings),
        _collapsed(recent, settings),
    ]
    for prefix in _discriminators(recent[-1]):
        raised += [_oscillating(windows, prefix, settings), _won(recent, prefix, settings)]
    return [alarm for alarm in raised if alarm is not None]


def score_alarms(
    scores: Sequence[Window], windows: Sequence[Window], settings: Sequence[str] | None = None
) -> list[Alarm]:
    """Returns the alarms that the last scores raise: whether D has overfitted.

    Args:
      scores: "step" and scores so far, oldest first.
      windows: as for `alarms`.
      settings: as for `alarms`.
    """
    recent = [score["overfitting"] for score in scores[-PATIENCE_SCORES:] if "overfitting" in score]
    gap = _gap(windows[-1], "") if windows else 0.0
    if len(recent) < PATIENCE_SCORES or min(recent) < OVERFITTED or gap < OVERFITTED_GAP:
        return []
    tried = _remedies(
        settings, ("diffaugment", "=color,cutout"), ("ada_target", "=0.6"), ("r1_weight", " larger")
    )
    return [
        Alarm(
            "discriminator_overfitted",
            f"the discriminator has overfitted: held-out images lie {recent[-1]:.0%} of the way "
            f"from its training images to fakes; in a new run, try {tried}, or more images",
        )
    ]


def _remedies(settings: Sequence[str] | None, *offers: tuple[str, str]) -> str:
    """Joins the suggestions for settings that the model has."""
    names = [f"{name}{how}" for name, how in offers if settings is None or name in settings]
    return " or ".join(names) or "another model or more images"


def _vanishing(largest: float, recent: Sequence[Window], settings) -> Alarm | None:
    floor = max(VANISHING_NORM, VANISHING_FRACTION * largest)
    if not all(window.get("generator/gradient_norm", floor) < floor for window in recent):
        return None
    norm = recent[-1]["generator/gradient_norm"]
    tried = _remedies(settings, ("r1_weight", " larger"), ("loss", "=non_saturating or hinge"))
    return Alarm(
        "vanishing_gradient",
        f"vanishing gradient: the generator's gradient norm is {norm:.1e}, so it no longer "
        f"learns; in a new run, try {tried}",
    )


def _collapsed(recent: Sequence[Window], settings) -> Alarm | None:
    if not all(window.get("diversity", 1.0) < COLLAPSED_DIVERSITY for window in recent):
        return None
    fraction = recent[-1]["diversity"]
    tried = _remedies(
        settings,
        ("generator_learning_rate", " lower"),
        ("r1_weight", " larger"),
        ("diffaugment", "=color,cutout"),
    )
    return Alarm(
        "mode_collapse",
        f"mode collapse: fakes differ from each other {fraction:.0%} as much as real images do; in "
        f"a new run, try {tried}",
    )


def _oscillating(windows: Sequence[Window], prefix: str, settings) -> Alarm | None:
    """Detects wide swings of D's lead: its mean logit of real images over that of fakes."""
    leads = [_gap(window, prefix) for window in windows[-SWING_WINDOWS:]]
    least = max(SWING_LOGITS, SWING_FRACTION * sum(map(abs, leads)) / len(leads))
    swings = count_swings(leads, least)
    if swings < SWINGS:
        return None
    tried = _remedies(
        settings,
        ("generator_learning_rate", " lower"),
        ("discriminator_learning_rate", " lower"),
        ("beta_1", "=0"),
        ("r1_weight", " larger"),
    )
    who = prefix.removesuffix("/") or "discriminator"
    return Alarm(
        "oscillation",
        f"oscillation: the lead of the {who}, its mean logit of real images over that of fakes, "
        f"has swung by more than {least:.2g} {swings} times in {len(leads)} log windows; in a new "
        f"run, try {tried}",
    )


def count_swings(levels: Sequence[float], least: float) -> int:
    """Counts how often a series rises or falls by at least `least` before it reverses."""
    if not levels:
        return 0
    swings, direction, low, high = 0, 0, levels[0], levels[0]
    for level in levels:
        low, high = min(low, level), max(high, level)
        if direction <= 0 and level - low >= least:
            swings, direction, high = swings + 1, 1, level
        elif direction >= 0 and high - level >= least:
            swings, direction, low = swings + 1, -1, level
    return swings


def _discriminators(window: Window) -> list[str]:
    """Returns the prefix of each discriminator's logits in the log."""
    return [name.removesuffix("logit/fake") for name in window if name.endswith("logit/fake")]


def _gap(window: Window, prefix: str) -> float:
    return window.get(f"{prefix}logit/real", 0.0) - window.get(f"{prefix}logit/fake", 0.0)


def _won(recent: Sequence[Window], prefix: str, settings) -> Alarm | None:
    name = f"{prefix}ranking" if prefix else "discriminator/ranking"  # never of a critic
    if not all(
        window.get(name, 0.0) > WON_RANKING and _gap(window, prefix) > WON_MARGIN
        for window in recent
    ):
        return None
    who = prefix.removesuffix("/") or "discriminator"
    tried = _remedies(
        settings,
        ("discriminator_learning_rate", " lower"),
        ("r1_weight", " larger"),
        ("diffaugment", "=color,cutout"),
        ("instance_noise", "=0.1"),
    )
    return Alarm(
        "discriminator_won",
        f"the {who} has won: it ranks {recent[-1][name]:.1%} of real images above fakes; in a "
        f"new run, try {tried}",
    )

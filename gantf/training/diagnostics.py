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
SWING_LOGITS = 2.0  # least swing of D's lead between two turns of an oscillation ...
SWING_SHARE = (
    1.0  # ... and this share of its mean lead: a critic's logits have a scale of their own
)
SWINGS = 4
SWING_WINDOWS = 20  # in which so many swings are an oscillation
OVERFITTED = 0.6  # of the way from training images to fakes, for held-out images
OVERFITTED_GAP = 1.0  # logits between training images and fakes: less is no judgement at all
PATIENCE_SCORES = 2

Window = Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Alarm:
    """Something that is going wrong.

    Attributes:
      name: "vanishing_gradient", "mode_collapse", "oscillation", "discriminator_won" or
        "discriminator_overfitted".
      message: what was seen and what to try, one line.
    """

    name: str
    message: str


def alarms(windows: Sequence[Window], settings: Sequence[str] | None = None) -> list[Alarm]:
    """The alarms at the end of a training's log, judged on its last windows.

    Args:
      windows: "step" and means of the logged values over each log window so far, oldest first.
      settings: names of the model's settings: no other is offered as a remedy; None for all.

    Returns:
      The alarms that hold in each of the last `PATIENCE_WINDOWS` windows, after `QUIET_STEPS`.
    """
    largest = max((window.get("generator/gradient_norm", 0.0) for window in windows), default=0.0)
    windows = [window for window in windows if window["step"] > QUIET_STEPS]
    if len(windows) < PATIENCE_WINDOWS:
        return []
    recent = windows[-PATIENCE_WINDOWS:]
    found = [
        _vanishing(largest, recent, settings),
        _collapsed(recent, settings),
    ]
    for prefix in _discriminators(recent[-1]):
        found += [_oscillating(windows, prefix, settings), _won(recent, prefix, settings)]
    return [alarm for alarm in found if alarm is not None]


def score_alarms(
    scores: Sequence[Window], windows: Sequence[Window], settings: Sequence[str] | None = None
) -> list[Alarm]:
    """The alarms that the last scores raise: whether D only knows its training images.

    Args:
      scores: "step" and scores so far, oldest first.
      windows: as for `alarms`.
      settings: likewise.
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
    """Those of the offered settings that the model has, with how to change them."""
    names = [f"{name}{how}" for name, how in offers if settings is None or name in settings]
    return " or ".join(names) or "another model or more images"


def _vanishing(largest: float, recent: Sequence[Window], settings) -> Alarm | None:
    floor = max(VANISHING_NORM, VANISHING_SHARE * largest)
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
    share = recent[-1]["diversity"]
    tried = _remedies(
        settings,
        ("generator_learning_rate", " lower"),
        ("r1_weight", " larger"),
        ("diffaugment", "=color,cutout"),
    )
    return Alarm(
        "mode_collapse",
        f"mode collapse: fakes differ from each other {share:.0%} as much as real images do; in a "
        f"new run, try {tried}",
    )


def _oscillating(windows: Sequence[Window], prefix: str, settings) -> Alarm | None:
    """Whether D's lead, real logits over fake ones, swings widely, again and again."""
    leads = [_gap(window, prefix) for window in windows[-SWING_WINDOWS:]]
    least = max(SWING_LOGITS, SWING_SHARE * sum(map(abs, leads)) / len(leads))
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
    """How often a series goes up or down by at least `least` before it turns."""
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
    """What prefixes the logits of each discriminator in the log."""
    return [name.removesuffix("logit/fake") for name in window if name.endswith("logit/fake")]


def _gap(window: Window, prefix: str) -> float:
    return window.get(f"{prefix}logit/real", 0.0) - window.get(f"{prefix}logit/fake", 0.0)


def _won(recent: Sequence[Window], prefix: str, settings) -> Alarm | None:
    names = [f"{prefix}ranking"] if prefix else ["discriminator/ranking"]  # a critic may be far off
    if not all(
        window.get(names[0], 0.0) > WON_RANKING and _gap(window, prefix) > WON_MARGIN
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
        f"the {who} has won: it ranks {recent[-1][names[0]]:.1%} of real images above fakes; in a "
        f"new run, try {tried}",
    )

"""Alarms come when something has gone wrong for a while, and not before."""

import pytest

from gantf.training import diagnostics

HEALTHY = {
    "step": 1000,
    "generator/gradient_norm": 0.5,
    "diversity": 0.9,
    "discriminator/ranking": 0.8,
    "logit/real": 1.0,
    "logit/fake": -1.0,
}
SICK = {
    "vanishing_gradient": {"generator/gradient_norm": 1e-6},
    "mode_collapse": {"diversity": 0.02},
    "discriminator_won": {"discriminator/ranking": 1.0, "logit/real": 6.0, "logit/fake": -6.0},
}


def test_a_healthy_run_is_silent():
    assert diagnostics.alarms([HEALTHY] * 10) == []


@pytest.mark.parametrize("name", sorted(SICK))
def test_each_alarm_needs_patience_and_names_a_remedy(name):
    sick = {**HEALTHY, **SICK[name]}
    few = [HEALTHY] * 5 + [sick] * (diagnostics.PATIENCE_WINDOWS - 1)
    assert diagnostics.alarms(few) == []
    (alarm,) = diagnostics.alarms([*few, sick])
    assert alarm.name == name
    assert "try" in alarm.message
    assert diagnostics.alarms([*few, sick, HEALTHY]) == []


@pytest.mark.parametrize("name", sorted(SICK))
def test_the_start_is_not_judged(name):
    start = {**HEALTHY, **SICK[name], "step": diagnostics.QUIET_STEPS}
    assert diagnostics.alarms([start] * 10) == []


def test_a_gradient_a_thousandth_of_its_largest_has_vanished():
    large = {**HEALTHY, "generator/gradient_norm": 100.0}
    small = {**HEALTHY, "generator/gradient_norm": 0.05}
    assert [a.name for a in diagnostics.alarms([large, *[small] * 3])] == ["vanishing_gradient"]
    assert diagnostics.alarms([*[small] * 4]) == []


def with_leads(*leads):
    """Windows in which the mean logit of real images is so far above that of fakes."""
    return [{**HEALTHY, "logit/real": lead - 3.0, "logit/fake": -3.0} for lead in leads]


@pytest.mark.parametrize(
    ("leads", "least", "swings"),
    [
        ([], 2, 0),
        ([1], 2, 0),
        ([0, 1, 0, 1, 0, 1], 2, 0),  # too small
        ([0, 1, 2, 3, 4, 5], 2, 1),  # one way
        ([0, 5, 4, 5, 4, 9], 2, 1),  # small turns on the way
        ([0, 3, 0, 3, 0], 2, 4),
        ([5, 0, 1, 2, 3, 0], 2, 3),
        ([0, 2, 4, 3, 2, 0, 1, 3], 2, 3),
    ],
)
def test_swings_are_counted_from_turn_to_turn(leads, least, swings):
    assert diagnostics.count_swings(leads, least) == swings
    assert diagnostics.count_swings([-lead for lead in leads], least) == swings


def test_a_lead_that_swings_again_and_again_is_an_oscillation():
    """Four swings; wider than two logits; not when the last of them is long ago."""
    windows = with_leads(0, 4, 0, 4, 0)
    (alarm,) = diagnostics.alarms(windows)
    assert alarm.name == "oscillation"
    assert "swung by more than 2 4 times" in alarm.message
    assert diagnostics.alarms(windows[:-1]) == []
    assert diagnostics.alarms(with_leads(0, 1, 0, 1, 0, 1, 0)) == []
    assert diagnostics.alarms([*windows, *with_leads(*[0] * diagnostics.SWING_WINDOWS)]) == []


def test_a_critics_swings_are_measured_by_its_own_scale():
    """Its logits have no scale: 100 with a wobble of 5 is quiet, a whole way to 0 is not."""
    quiet = [{**w, "discriminator/ranking": 0.0} for w in with_leads(*[100, 105] * 5)]
    assert diagnostics.alarms(quiet) == []
    loud = [{**w, "discriminator/ranking": 0.0} for w in with_leads(*[0, 200] * 5)]
    assert [alarm.name for alarm in diagnostics.alarms(loud)] == ["oscillation"]


def test_what_a_constant_adds_to_both_logits_is_no_oscillation():
    shifts = [0, 50, 0, 50, 0, 50]
    windows = [{**HEALTHY, "logit/real": 1.0 + s, "logit/fake": -1.0 + s} for s in shifts]
    assert diagnostics.alarms(windows) == []


def test_each_of_two_discriminators_is_judged():
    pair = {"discriminator_a/logit/real": 1.0, "discriminator_a/logit/fake": 0.0}
    pair |= {"discriminator_b/logit/real": 6.0, "discriminator_b/logit/fake": -6.0}
    pair |= {"discriminator_a/ranking": 0.9, "discriminator_b/ranking": 1.0}
    (alarm,) = diagnostics.alarms([{"step": 1000, **pair}] * 3)
    assert alarm.message.startswith("the discriminator_b has won: it ranks 100.0%")


SCORES = [{"step": 1000, "overfitting": 0.9}] * 2


@pytest.mark.parametrize(
    ("scores", "gap", "raised"),
    [
        (SCORES, 2.0, True),
        (SCORES[:1], 2.0, False),  # patience
        (SCORES, 0.5, False),  # it cannot tell real from fake at all
        ([*SCORES, {"step": 1, "overfitting": 0.3}], 2.0, False),
        ([{"step": 1, "fid": 3.0}] * 5, 2.0, False),
        ([], 2.0, False),
    ],
)
def test_held_out_images_taken_for_fakes_are_overfitting(scores, gap, raised):
    alarms = diagnostics.score_alarms(scores, with_leads(gap))
    assert [alarm.name for alarm in alarms] == ["discriminator_overfitted"] * raised
    if raised:
        assert "held-out images lie 90% of the way" in alarms[0].message


@pytest.mark.parametrize("name", sorted(SICK))
def test_only_settings_that_the_model_has_are_offered(name):
    windows = [{**HEALTHY, **SICK[name]}] * 3
    (alarm,) = diagnostics.alarms(windows, ("r1_weight", "width"))
    assert alarm.message.endswith("try r1_weight larger")
    (alarm,) = diagnostics.alarms(windows, ())
    assert alarm.message.endswith("try another model or more images")

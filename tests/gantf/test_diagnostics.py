"""Alarms come when something has gone wrong for a while, and not before."""

import pytest

from gantf import diagnostics

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

"""Every setting of `gan`, and so of the groups that other models share, changes what is trained."""

import numpy as np
import pytest

from tests import games

RAMP = {"schedule": "linear", "schedule_until_step": 4, "final_learning_rate_fraction": 0.1}
SGD = {"optimizer": "sgd", "generator_learning_rate": 0.1, "discriminator_learning_rate": 0.1}
ADA = {"ada_target": 0.01, "ada_images": 8, "discriminator_learning_rate": 0.05}
CHANGES = [  # (settings, what is changed in them)
    ({}, {"network": "resnet"}),
    ({}, {"network": "mlp"}),
    ({}, {"generator_channels": 5}),
    ({}, {"discriminator_channels": 5}),
    ({}, {"max_channels": 5}),
    ({}, {"generator_norm": "none"}),
    ({}, {"discriminator_norm": "layer"}),
    ({}, {"generator_dropout": 0.5}),
    ({"network": "resnet"}, {"generator_dropout": 0.5}),
    ({"network": "mlp"}, {"generator_dropout": 0.5}),
    ({}, {"latent_dim": 7}),
    ({}, {"latent_distribution": "uniform"}),
    ({}, {"loss": "hinge"}),
    ({}, {"spectral_norm": True}),
    ({}, {"label_smoothing": 0.2}),
    ({}, {"label_noise": 0.2}),
    ({}, {"label_flips": 0.4}),
    ({}, {"r1_weight": 9.0}),
    ({}, {"r2_weight": 9.0}),
    ({}, {"gradient_penalty_weight": 10.0}),
    ({}, {"penalty_every_steps": 2}),
    ({}, {"instance_noise": 0.2}),
    ({}, {"diffaugment": "color"}),
    ({k: v for k, v in ADA.items() if k != "ada_target"}, {"ada_target": 0.01}),
    (ADA, {"ada_images": 24}),
    (ADA, {"ada_changes": "color"}),
    ({}, {"optimizer": "sgd"}),
    ({}, {"optimizer": "rmsprop"}),
    ({}, {"generator_learning_rate": 2e-3}),
    ({}, {"discriminator_learning_rate": 2e-3}),
    ({}, {"beta_1": 0.9}),
    ({}, {"beta_2": 0.9}),
    ({"optimizer": "rmsprop"}, {"beta_2": 0.9}),
    (RAMP, {"schedule": "cosine"}),
    (RAMP, {"schedule_from_step": 1}),
    (RAMP, {"schedule_until_step": 8}),
    (RAMP, {"final_learning_rate_fraction": 0.5}),
    (RAMP, {"final_beta_1": 0.9}),
    (RAMP, {"final_beta_2": 0.5}),
    (SGD, {"clip_norm": 0.01}),
    ({}, {"accumulation": 2}),
    ({}, {"precision": "bfloat16"}),
    ({}, {"ema_half_life_images": 1}),
]


@pytest.mark.parametrize(("settings", "change"), games.one_in_three(CHANGES), ids=str)
def test_each_setting_has_an_effect(tf, settings, change):
    assert games.has_effect(tf, "gan", change, settings)


def test_every_setting_is_among_those_tested(tf):
    from gantf import models

    tested = {key for _, change in CHANGES for key in change}
    assert tested == set(models.load("gan").Config.model_fields)


OTHERS = ("vaegan", "wgan", "r3gan", "srgan")
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in OTHERS]


@pytest.mark.parametrize("name", ["gan", *SLOW])
def test_the_same_settings_train_to_the_same_bits(tf, name):
    """Otherwise no test of a setting's effect would prove anything."""
    shape = (games.SIDE, games.SIDE, 3) if name == "srgan" else games.GRAY
    first, again = (games.train(tf, name, 3, shape) for _ in range(2))
    for variable, value in first.items():
        np.testing.assert_array_equal(again[variable], value, err_msg=variable)


def test_a_groups_field_with_another_default_leaves_the_group_as_it_is():
    from gantf.settings import Regularization, default

    class Other(Regularization):
        r1_weight: float = default(Regularization, "r1_weight", 5.0)

    assert (Other().r1_weight, Regularization().r1_weight) == (5.0, 0.3)
    assert Other(r1_weight=1).r1_weight == 1.0
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Other(r1_weight=-1)
    described = {c.model_fields["r1_weight"].description for c in (Other, Regularization)}
    assert len(described) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"final_beta_1": 0.5}, "needs a schedule; set schedule=linear or cosine"),
        ({"schedule": "cosine"}, "schedule=cosine changes nothing"),
        ({**RAMP, "schedule_from_step": 4}, "schedule_until_step=4 must be above"),
        ({"loss": "hinge", "label_noise": 0.1}, "label_noise has no meaning for loss=hinge"),
        ({"spectral_norm": True, "penalty_every_steps": 2}, "set penalty_every_steps=1 or"),
        ({"discriminator_norm": "batch", "r1_weight": 0.0, "r2_weight": 1.0}, "mixes the images"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(tf, settings, message):
    from gantf import models

    with pytest.raises(ValueError, match=message):
        models.load("gan").Config(**settings)

"""Groups of settings that models share: a model's `Config` inherits the groups that it uses."""

import copy
from typing import Any, Literal

from pydantic import Field, model_validator

from gantf.config import ModelConfig, Names

Loss = Literal[
    "minimax",
    "non_saturating",
    "least_squares",
    "hinge",
    "wasserstein",
    "relativistic",
    "relativistic_pairing",
]
SMOOTHABLE = ("minimax", "non_saturating", "least_squares")  # real label can vary
Norm = Literal["none", "batch", "layer"]
Schedule = Literal["constant", "linear", "cosine"]


def default(group: type[ModelConfig], name: str, value: Any) -> Any:
    """Copies a group's field with another default: `r1_weight: float = default(Group, ...)`."""
    field = copy.copy(group.model_fields[name])
    field.default = value
    field._attributes_set = {**field._attributes_set, "default": value}
    return field


class Optimization(ModelConfig):
    """How the players are updated."""

    optimizer: Literal["adam", "sgd", "rmsprop"] = Field(
        "adam", description="optimizer of all players"
    )
    generator_learning_rate: float = Field(
        1e-3, gt=0, description="learning rate of the generator at the first step"
    )
    discriminator_learning_rate: float = Field(
        1e-3, gt=0, description="learning rate of the discriminator at the first step"
    )
    beta_1: float = Field(
        0.0, ge=0, lt=1, description="Adam's decay rate of the first moment of the gradients"
    )
    beta_2: float = Field(
        0.99,
        ge=0,
        lt=1,
        description="decay rate of the second moment of the gradients, for Adam and RMSprop",
    )
    schedule: Schedule = Field(
        "constant",
        description="how learning rates and Adam's betas change from first to final values",
    )
    schedule_from_step: int = Field(
        0, ge=0, description="step at which learning rates and betas start to change"
    )
    schedule_until_step: int = Field(
        4000, ge=1, description="step at which learning rates and betas reach their final values"
    )
    final_learning_rate_fraction: float = Field(
        1.0, ge=0, description="final learning rate, divided by the first one, for all players"
    )
    final_beta_1: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Adam's beta_1 at the end of the schedule; none: beta_1 stays constant",
    )
    final_beta_2: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Adam's beta_2 at the end of the schedule; none: beta_2 stays constant",
    )
    clip_norm: float = Field(
        0.0,
        ge=0,
        description="largest norm of a player's gradient over the global batch; longer gradients "
        "are scaled down; 0: no clipping",
    )
    accumulation: int = Field(
        1,
        ge=1,
        description="number of parts in which each replica computes its batch, to save memory; "
        "batch norm sees one part at a time",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="dtype in which the networks' layers compute; weights, losses and penalties "
        "stay in float32",
    )
    ema_half_life_images: int = Field(
        20_000,
        ge=0,
        description="half-life, in images, of the moving average of the generator's weights, with "
        "which samples are generated; 0: no average",
    )

    @model_validator(mode="after")
    def _check_schedule(self):
        changes = (self.final_learning_rate_fraction != 1, self.final_beta_1, self.final_beta_2)
        has_final_values = self.final_learning_rate_fraction != 1 or changes[1:] != (None, None)
        if has_final_values and self.schedule == "constant":
            raise ValueError(
                "a final learning rate or beta needs a schedule; set schedule=linear or cosine"
            )
        if self.schedule != "constant" and not has_final_values:
            raise ValueError(
                f"schedule={self.schedule} changes nothing; set final_learning_rate_fraction, "
                "final_beta_1 or final_beta_2, or schedule=constant"
            )
        if self.optimizer != "adam" and changes[1:] != (None, None):
            raise ValueError(
                "final_beta_1 and final_beta_2 are Adam's and have no meaning for optimizer="
                f"{self.optimizer}; set them to none, or optimizer=adam"
            )
        if self.schedule_until_step <= self.schedule_from_step and self.schedule != "constant":
            raise ValueError(
                f"schedule_until_step={self.schedule_until_step} must be above "
                f"schedule_from_step={self.schedule_from_step}"
            )
        return self


class Architecture(ModelConfig):
    """The networks of a generator and a discriminator."""

    network: Literal["dcgan", "resnet", "mlp"] = Field(
        "dcgan",
        description="layers of generator and discriminator: strided convolutions (dcgan), residual "
        "blocks (resnet) or dense layers (mlp)",
    )
    generator_channels: int = Field(
        32, ge=1, description="channels of the generator at full resolution"
    )
    discriminator_channels: int = Field(
        32, ge=1, description="channels of the discriminator at full resolution"
    )
    max_channels: int = Field(
        0,
        ge=0,
        description="most channels of either network at any resolution; 0: 8 times the image's "
        "longer side, at most 512",
    )
    generator_norm: Norm = Field("batch", description="normalisation layers of the generator")
    discriminator_norm: Norm = Field(
        "none", description="normalisation layers of the discriminator"
    )
    generator_dropout: float = Field(
        0.0, ge=0, lt=1, description="fraction of the generator's hidden units dropped in training"
    )


class Sampling(ModelConfig):
    """The latents of a generator."""

    latent_dim: int = Field(64, ge=1, description="size of the generator's latent vector")
    latent_distribution: Literal["normal", "uniform"] = Field(
        "normal", description="distribution of the latents: N(0, 1) or U(-1, 1)"
    )


class Augmentation(ModelConfig):
    """Changes to all real and fake images before a discriminator sees them."""

    instance_noise: float = Field(
        0.0,
        ge=0,
        description="standard deviation of the Gaussian noise on the discriminator's images, whose "
        "pixels lie in [-1, 1]",
    )
    diffaugment: Names[Literal["color", "translation", "cutout"]] = Field(
        (),
        description="DiffAugment's changes to the discriminator's images, e.g. color,cutout; or "
        "none",
    )
    ada_target: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="target of adaptive augmentation (ADA): mean sign of the discriminator's "
        "logits of real images, e.g. 0.6; 0: no ADA",
    )
    ada_images: int = Field(
        100_000,
        ge=1,
        description="number of images in which ADA's probability can rise from 0 to 1",
    )
    ada_changes: Names[Literal["blit", "geometry", "color"]] = Field(
        ("blit", "geometry", "color"),
        description="kinds of changes that ADA makes to the discriminator's images",
    )


class Regularization(ModelConfig):
    """Gradient penalties on a discriminator."""

    r1_weight: float = Field(
        0.3, ge=0, description="weight (gamma) of the R1 gradient penalty on real images"
    )
    r2_weight: float = Field(
        0.0, ge=0, description="weight (gamma) of the R2 gradient penalty on fake images"
    )
    gradient_penalty_weight: float = Field(
        0.0,
        ge=0,
        description="weight (lambda) of WGAN-GP's gradient penalty between real and fake images",
    )
    penalty_every_steps: int = Field(
        1,
        ge=1,
        description="gradient penalties are computed once in this many steps, and then have this "
        "many times their weight",
    )


class Adversarial(Regularization, Augmentation):
    """The game between a generator and a discriminator."""

    loss: Loss = Field(
        "non_saturating", description="adversarial loss of generator and discriminator"
    )
    spectral_norm: bool = Field(
        False, description="divide the discriminator's kernels by their spectral norm"
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="amount subtracted from the discriminator's label of real images; for the "
        f"losses {', '.join(SMOOTHABLE)}",
    )
    label_noise: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="largest random amount subtracted from the discriminator's label of each real "
        f"image; for the losses {', '.join(SMOOTHABLE)}",
    )
    label_flips: float = Field(
        0.0,
        ge=0,
        lt=0.5,
        description="fraction of the discriminator's examples with real and fake labels swapped",
    )

    @model_validator(mode="after")
    def _check_labels(self):
        for name in ("label_smoothing", "label_noise"):
            if getattr(self, name) and self.loss not in SMOOTHABLE:
                raise ValueError(
                    f"{name} has no meaning for loss={self.loss}; "
                    f"set it to 0 or choose a loss of {', '.join(SMOOTHABLE)}"
                )
        if self.spectral_norm and self.penalty_every_steps > 1:
            raise ValueError(
                "spectral_norm updates its estimate in every call of the discriminator, which a "
                "penalty that is skipped in some steps cannot do; set penalty_every_steps=1 or "
                "spectral_norm=false"
            )
        return self


def adversarial_settings(config: ModelConfig, **fixed: Any) -> Adversarial:
    """Returns a model's adversarial settings, with the values in `fixed` in place of its own."""
    own = {name for name in type(config).model_fields if name in Adversarial.model_fields}
    return Adversarial(**{**{name: getattr(config, name) for name in own}, **fixed})


def penalties_fit(norm: Norm, settings: Regularization) -> None:
    """Checks that a discriminator with gradient penalties does not mix the images of a batch.

    Raises:
      ValueError: the discriminator has batch norm and a gradient penalty.
    """
    weights = ("r1_weight", "r2_weight", "gradient_penalty_weight")
    if norm == "batch" and any(getattr(settings, name) for name in weights):
        raise ValueError(
            "discriminator_norm=batch mixes the images of a batch, so r1_weight, r2_weight and "
            "gradient_penalty_weight have no meaning; set them to 0 or choose another norm"
        )

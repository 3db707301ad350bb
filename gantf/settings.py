"""The settings that models share, in groups: a model's `Config` takes the groups that it serves."""

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
SMOOTHABLE = ("minimax", "non_saturating", "least_squares")  # where the real label is a number
Norm = Literal["none", "batch", "layer"]
Schedule = Literal["constant", "linear", "cosine"]


def default(group: type[ModelConfig], name: str, value: Any) -> Any:
    """The field of a group with another default: `r1_weight: float = default(Group, ...)`."""
    field = copy.copy(group.model_fields[name])
    field.default = value
    field._attributes_set = {**field._attributes_set, "default": value}
    return field


class Optimization(ModelConfig):
    """How the players move."""

    optimizer: Literal["adam", "sgd", "rmsprop"] = Field("adam", description="of all players")
    generator_learning_rate: float = Field(1e-3, gt=0, description="per step, at the start")
    discriminator_learning_rate: float = Field(1e-3, gt=0, description="per step, at the start")
    beta_1: float = Field(0.0, ge=0, lt=1, description="Adam's decay of the first moment")
    beta_2: float = Field(
        0.99, ge=0, lt=1, description="Adam's decay of the second moment; RMSprop's"
    )
    schedule: Schedule = Field(
        "constant", description="how learning rates and betas go to their final values"
    )
    schedule_from_step: int = Field(0, ge=0, description="where they leave the start, in steps")
    schedule_until_step: int = Field(4000, ge=1, description="where they arrive, in steps")
    final_learning_rate_fraction: float = Field(
        1.0, ge=0, description="of the learning rates, at the end of the schedule"
    )
    final_beta_1: float | None = Field(
        None, ge=0, lt=1, description="Adam's, at the end of the schedule; none to keep beta_1"
    )
    final_beta_2: float | None = Field(
        None, ge=0, lt=1, description="Adam's, at the end of the schedule; none to keep beta_2"
    )
    clip_norm: float = Field(
        0.0, ge=0, description="longest gradient of the global batch, per player; 0 for any"
    )
    accumulation: int = Field(
        1,
        ge=1,
        description="parts of a replica's batch, one after another, to save memory; what looks at "
        "a batch, as batch norm does, sees a part",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of the networks' layers; losses and penalties stay in float32"
    )
    ema_half_life_images: int = Field(
        20_000, ge=0, description="of the averaged generator that is sampled, in images; 0: none"
    )

    @model_validator(mode="after")
    def _check_schedule(self):
        changes = (self.final_learning_rate_fraction != 1, self.final_beta_1, self.final_beta_2)
        moves = self.final_learning_rate_fraction != 1 or changes[1:] != (None, None)
        if moves and self.schedule == "constant":
            raise ValueError(
                "a final learning rate or beta needs a schedule; set schedule=linear or cosine"
            )
        if self.schedule != "constant" and not moves:
            raise ValueError(
                f"schedule={self.schedule} changes nothing; set final_learning_rate_fraction, "
                "final_beta_1 or final_beta_2, or schedule=constant"
            )
        if self.optimizer != "adam" and changes[1:] != (None, None):
            raise ValueError(
                f"final_beta_1 and final_beta_2 are Adam's, not those of optimizer="
                f"{self.optimizer}; set them to none, or optimizer=adam"
            )
        if self.schedule_until_step <= self.schedule_from_step and self.schedule != "constant":
            raise ValueError(
                f"schedule_until_step={self.schedule_until_step} must lie behind "
                f"schedule_from_step={self.schedule_from_step}"
            )
        return self


class Architecture(ModelConfig):
    """The networks of a generator and a discriminator."""

    network: Literal["dcgan", "resnet", "mlp"] = Field(
        "dcgan", description="both networks: strided convolutions, residual blocks, or dense layers"
    )
    generator_channels: int = Field(32, ge=1, description="at full resolution")
    discriminator_channels: int = Field(32, ge=1, description="at full resolution")
    max_channels: int = Field(
        0, ge=0, description="at any resolution; 0 for 8 times the image's side, at most 512"
    )
    generator_norm: Norm = Field("batch", description="normalisation layers")
    discriminator_norm: Norm = Field("none", description="normalisation layers")
    generator_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of G's hidden units that are dropped in training"
    )


class Sampling(ModelConfig):
    """What a generator is fed."""

    latent_dim: int = Field(64, ge=1, description="numbers that the generator is fed per image")
    latent_distribution: Literal["normal", "uniform"] = Field(
        "normal", description="their law: N(0, 1) or U(-1, 1)"
    )


class Augmentation(ModelConfig):
    """What happens to all images before a discriminator sees them."""

    instance_noise: float = Field(
        0.0, ge=0, description="standard deviation of noise on all that D sees, in [-1, 1] units"
    )
    diffaugment: Names[Literal["color", "translation", "cutout"]] = Field(
        (), description="changes to all that D sees, e.g. color,cutout; or none"
    )
    ada_target: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="adaptive augmentation holds the mean sign of D(x) here, e.g. 0.6; 0: none",
    )
    ada_images: int = Field(
        100_000, ge=1, description="images in which the adaptive probability may go from 0 to 1"
    )
    ada_changes: Names[Literal["blit", "geometry", "color"]] = Field(
        ("blit", "geometry", "color"), description="what adaptive augmentation may do"
    )


class Regularization(ModelConfig):
    """What keeps a discriminator smooth."""

    r1_weight: float = Field(0.3, ge=0, description="gamma of the R1 penalty, at real images")
    r2_weight: float = Field(0.0, ge=0, description="gamma of the R2 penalty, at fake images")
    gradient_penalty_weight: float = Field(
        0.0, ge=0, description="lambda of WGAN-GP's penalty between real and fake images"
    )
    penalty_every_steps: int = Field(
        1, ge=1, description="steps from one penalty to the next; each then counts as many times"
    )


class Adversarial(Regularization, Augmentation):
    """The game between a generator and a discriminator."""

    loss: Loss = Field("non_saturating", description="adversarial loss")
    spectral_norm: bool = Field(False, description="divide D's kernels by their spectral norm")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description=f"taken off the real label; for {', '.join(SMOOTHABLE)}"
    )
    label_noise: float = Field(
        0.0,
        ge=0,
        lt=1,
        description=f"most taken off each real label at random; for {', '.join(SMOOTHABLE)}",
    )
    label_flips: float = Field(
        0.0, ge=0, lt=0.5, description="share of examples that D is told are the other kind"
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
                "spectral_norm moves with each judgement, which a penalty that is not always "
                "computed must not do; set penalty_every_steps=1 or spectral_norm=false"
            )
        return self


def adversarial_settings(config: ModelConfig, **fixed: Any) -> Adversarial:
    """The adversarial settings of a model that fixes some of them: those that it has, and these."""
    own = {name for name in type(config).model_fields if name in Adversarial.model_fields}
    return Adversarial(**{**{name: getattr(config, name) for name in own}, **fixed})


def penalties_fit(norm: Norm, settings: Regularization) -> None:
    """Refuses gradient penalties on a network that mixes the images of a batch.

    Raises:
      ValueError: it has batch norm and a penalty.
    """
    weights = ("r1_weight", "r2_weight", "gradient_penalty_weight")
    if norm == "batch" and any(getattr(settings, name) for name in weights):
        raise ValueError(
            "discriminator_norm=batch mixes the images of a batch, so r1_weight, r2_weight and "
            "gradient_penalty_weight have no meaning; set them to 0 or choose another norm"
        )

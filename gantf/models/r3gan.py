"""`r3gan`: a modern baseline with a relativistic loss, R1 and R2 penalties, and no tricks.

Huang et al. 2024, arXiv:2501.05441: the pairing loss of Jolicoeur-Martineau 2018,
arXiv:1807.00734, with residual networks without normalisation. R1 on real images and R2 on fake
images make training converge locally. Learning rates, Adam's second beta and the weights of the
penalties follow half a cosine, as published.

Default differences: small networks, batches of 64 instead of 512, and learning rates and penalties
for runs of minutes; the augmentation of the published training is off (`ada_target`,
`diffaugment`).
"""

import tensorflow as tf
from pydantic import Field

from gantf.config import Defaults
from gantf.game import Batch, DataSpec, Game, Latents
from gantf.networks import r3gan
from gantf.noise import Noise
from gantf.objectives import optimizers
from gantf.objectives.adversarial import AdversarialLoss
from gantf.objectives.ema import with_average
from gantf.objectives.players import adversarial_game, logits_of_images
from gantf.settings import (
    Augmentation,
    Optimization,
    Regularization,
    Sampling,
    Schedule,
    adversarial_settings,
    default,
)

RUN = Defaults(data="digits", steps=6000, batch_size=64)


class Config(Regularization, Augmentation, Sampling, Optimization):
    """The settings of `r3gan`."""

    generator_channels: int = Field(
        48, ge=1, description="channels of the generator at every resolution"
    )
    discriminator_channels: int = Field(
        48, ge=1, description="channels of the discriminator at every resolution"
    )
    residual_blocks: int = Field(
        1, ge=1, description="residual blocks of either network at each resolution"
    )
    group_channels: int = Field(
        16, ge=1, description="channels in each group of the grouped 3 x 3 convolutions"
    )
    final_penalty_fraction: float = Field(
        0.1,
        ge=0,
        description="weight of the gradient penalties at the end of the schedule, divided by their "
        "first weight",
    )
    r1_weight: float = default(Regularization, "r1_weight", 0.5)
    r2_weight: float = default(Regularization, "r2_weight", 0.5)
    generator_learning_rate: float = default(Optimization, "generator_learning_rate", 2e-3)
    discriminator_learning_rate: float = default(Optimization, "discriminator_learning_rate", 2e-3)
    beta_2: float = default(Optimization, "beta_2", 0.9)
    final_beta_2: float | None = default(Optimization, "final_beta_2", 0.99)
    schedule: Schedule = default(Optimization, "schedule", "cosine")
    schedule_until_step: int = default(Optimization, "schedule_until_step", 5000)
    final_learning_rate_fraction: float = default(
        Optimization, "final_learning_rate_fraction", 0.25
    )


def build(config: Config, data: DataSpec, seed: int) -> Game:
    """Builds networks and players for images of one size; call it in the strategy's scope."""
    blocks, group = config.residual_blocks, config.group_channels
    generator = with_average(
        lambda name: r3gan.generator(
            data.image_shape,
            config.latent_dim,
            config.generator_channels,
            blocks,
            group,
            seed,
            name,
        ),
        config.ema_half_life_images,
    )
    discriminator = r3gan.discriminator(
        data.image_shape, config.discriminator_channels, blocks, group, seed
    )
    adversarial = AdversarialLoss(
        adversarial_settings(config, loss="relativistic_pairing"),
        penalty_factor=_penalty_factor(config),
    )

    def forward(batch: Batch, noise: Noise) -> Batch:
        latents = noise.latents(config.latent_dim, config.latent_distribution)
        return {**batch, "fake": generator.trained({"latents": latents}, training=True)}

    return adversarial_game(
        config,
        adversarial,
        discriminator,
        generator,
        forward,
        latents=Latents(config.latent_dim, config.latent_distribution),
        discriminator_fn=logits_of_images(discriminator),
    )


def _penalty_factor(config: Config):
    """Returns step -> the factor of the penalties, on the schedule of the learning rates."""
    if config.schedule == "constant":
        return None
    return lambda step: optimizers.ramp(
        config.schedule,
        1.0,
        config.final_penalty_fraction,
        tf.cast(step, tf.float32),
        config.schedule_from_step,
        config.schedule_until_step,
    )

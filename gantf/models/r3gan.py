"""`r3gan`: the modern baseline: a relativistic loss, R1 and R2 penalties, and no tricks.

Huang et al. 2024, arXiv:2501.05441: the pairing loss of Jolicoeur-Martineau 2018,
arXiv:1807.00734, with R1 on real and R2 on fake images, which makes it converge locally, on
residual networks without normalisation. Learning rates, Adam's second beta and the penalties'
weight go along half a cosine, as published. What differs by default: small networks, batches of 64
for 512, and rates and penalties for runs of minutes; the augmentation of the published training is
off (`ada_target`, `diffaugment`).
"""

import tensorflow as tf
from pydantic import Field

from gantf.config import Defaults
from gantf.game import Batch, DataSpec, Game, Latents, Player
from gantf.networks import r3gan
from gantf.noise import Noise
from gantf.objectives import optimizers
from gantf.objectives.adversarial import Adversary, diversity
from gantf.objectives.ema import averaged
from gantf.settings import (
    Augmentation,
    Optimization,
    Regularization,
    Sampling,
    Schedule,
    adversarial,
    default,
)

RUN = Defaults(data="digits", steps=6000, batch_size=64)


class Config(Regularization, Augmentation, Sampling, Optimization):
    """What `--set` can change."""

    generator_channels: int = Field(48, ge=1, description="of G, at every resolution")
    discriminator_channels: int = Field(48, ge=1, description="of D, at every resolution")
    residual_blocks: int = Field(1, ge=1, description="at each resolution")
    group_channels: int = Field(16, ge=1, description="in a group of the 3 x 3 convolutions")
    final_penalty_share: float = Field(
        0.1, ge=0, description="of the penalties' weights, at the end of the schedule"
    )
    r1_weight: float = default(Regularization, "r1_weight", 0.5)
    r2_weight: float = default(Regularization, "r2_weight", 0.5)
    generator_learning_rate: float = default(Optimization, "generator_learning_rate", 2e-3)
    discriminator_learning_rate: float = default(Optimization, "discriminator_learning_rate", 2e-3)
    beta_2: float = default(Optimization, "beta_2", 0.9)
    final_beta_2: float | None = default(Optimization, "final_beta_2", 0.99)
    schedule: Schedule = default(Optimization, "schedule", "cosine")
    schedule_until_step: int = default(Optimization, "schedule_until_step", 5000)
    final_learning_rate_share: float = default(Optimization, "final_learning_rate_share", 0.25)


def build(config: Config, data: DataSpec, seed: int) -> Game:
    """Builds networks and players for images of one size; call it in the strategy's scope."""
    blocks, group = config.residual_blocks, config.group_channels
    sampled = averaged(
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
    generator = sampled.trained
    discriminator = r3gan.discriminator(
        data.image_shape, config.discriminator_channels, blocks, group, seed
    )
    adversary = Adversary(
        adversarial(config, loss="relativistic_pairing"), penalty_share=_penalty_share(config)
    )

    def forward(batch: Batch, noise: Noise) -> Batch:
        latents = noise.latents(config.latent_dim, config.latent_law)
        return {**batch, "fake": generator({"latents": latents}, training=True)}

    def judge(images: tf.Tensor) -> tf.Tensor:
        return discriminator({"image": images}, training=True)

    def discriminator_loss(batch: Batch, noise: Noise):
        verdict = adversary.discriminator_loss(judge, batch["image"], batch["fake"], noise)
        return verdict.loss, verdict.observed

    def generator_loss(batch: Batch, noise: Noise):
        verdict = adversary.generator_loss(judge, batch["image"], batch["fake"], noise)
        return verdict.loss, diversity(batch["image"], batch["fake"])

    return Game(
        networks={"discriminator": discriminator, **sampled.networks, **adversary.state},
        forward=forward,
        players=(
            Player(
                "discriminator",
                (discriminator,),
                discriminator_loss,
                optimizers.make(config, config.discriminator_learning_rate, (discriminator,)),
                clip_norm=config.clip_norm,
            ),
            Player(
                "generator",
                (generator,),
                generator_loss,
                optimizers.make(config, config.generator_learning_rate, (generator,)),
                clip_norm=config.clip_norm,
            ),
        ),
        generators={"generator": sampled.sampled},
        averages=sampled.averages,
        latents=Latents(config.latent_dim, config.latent_law),
        accumulation=config.accumulation,
        judge=lambda batch: discriminator({"image": batch["image"]}, training=False),
    )


def _penalty_share(config: Config):
    """Step -> the share of the penalties' weights, along the schedule of the learning rates."""
    if config.schedule == "constant":
        return None
    return lambda step: optimizers.ramp(
        config.schedule,
        1.0,
        config.final_penalty_share,
        tf.cast(step, tf.float32),
        config.schedule_from_step,
        config.schedule_until_step,
    )

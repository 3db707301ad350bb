"""`cgan`: the conditional GAN, which draws images of the class that it is asked for.

Mirza & Osindero 2014, arXiv:1411.1784: the label goes into both networks; or, into the
discriminator, by the projection of Miyato & Koyama 2018, arXiv:1802.05637, equation 4. What
differs from the papers by default: networks, R1 penalty, optimizer and moving average are those of
`gan`; the generator is fed a learned embedding of the label beside the latents; a fake takes the
label of the real image of its row, so that both have the shares of the data's classes and the
discriminator compares the two under the same condition.
"""

from typing import Literal

import tensorflow as tf
from pydantic import Field, model_validator

from gantf.game import Batch, DataSpec, Game, Latents, Player
from gantf.networks import conditional
from gantf.noise import Noise
from gantf.objectives import optimizers
from gantf.objectives.adversarial import Adversary, diversity
from gantf.objectives.ema import averaged
from gantf.settings import Adversarial, Architecture, Optimization, Sampling, penalties_fit

NEEDS = "labels"


class Config(Adversarial, Architecture, Sampling, Optimization):
    """What `--set` can change."""

    condition: Literal["concatenation", "projection"] = Field(
        "projection",
        description="how D reads the label: one more channel of the image, or an inner product",
    )

    @model_validator(mode="after")
    def _check_penalties(self):
        penalties_fit(self.discriminator_norm, self)
        return self


def build(config: Config, data: DataSpec, seed: int) -> Game:
    """Builds networks and players for images of one size; call it in the strategy's scope."""
    shape, classes = data.image_shape, len(data.class_names)
    sampled = averaged(
        lambda name: conditional.generator(config, shape, config.latent_dim, seed, classes, name),
        config.ema_half_life_images,
    )
    generator = sampled.trained
    discriminator = conditional.discriminator(
        config, shape, seed, config.spectral_norm, classes, config.condition
    )
    adversary = Adversary(config)

    def forward(batch: Batch, noise: Noise) -> Batch:
        latents = noise.latents(config.latent_dim, config.latent_law)
        inputs = {"latents": latents, "label": batch["label"]}
        return {**batch, "fake": generator(inputs, training=True)}

    def judge_of(batch: Batch):
        """The discriminator under the labels of the batch, the reals' and the fakes'."""

        def judge(images: tf.Tensor) -> tf.Tensor:
            return discriminator({"image": images, "label": batch["label"]}, training=True)

        return judge

    def discriminator_loss(batch: Batch, noise: Noise):
        verdict = adversary.discriminator_loss(
            judge_of(batch), batch["image"], batch["fake"], noise
        )
        return verdict.loss, verdict.observed

    def generator_loss(batch: Batch, noise: Noise):
        verdict = adversary.generator_loss(judge_of(batch), batch["image"], batch["fake"], noise)
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
        label_shares=data.class_shares,
        accumulation=config.accumulation,
        judge=lambda batch: discriminator(
            {"image": batch["image"], "label": batch["label"]}, training=False
        ),
    )

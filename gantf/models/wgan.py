"""`wgan`: the Wasserstein GAN, whose critic estimates a distance that falls as samples improve.

Arjovsky et al. 2017, arXiv:1701.07875, keep the critic Lipschitz by clipping its weights. The
default is the gradient penalty of Gulrajani et al. 2017, arXiv:1704.00028, with five critic updates
per generator update, Adam with betas 0 and 0.9, and no batch norm in the critic.

Default differences from that paper: small networks and batches, a learning rate of 0.0005, and
samples from a moving average of the generator. Settings called discriminator_* are the critic's.
"""

from typing import Literal

from pydantic import Field, model_validator

from gantf.config import Defaults
from gantf.game import Batch, DataSpec, Game, Latents
from gantf.networks import conditional
from gantf.noise import Noise
from gantf.objectives.adversarial import AdversarialLoss
from gantf.objectives.ema import with_average
from gantf.objectives.players import adversarial_game, bind_inputs, logits_of_images
from gantf.settings import (
    Architecture,
    Augmentation,
    Optimization,
    Regularization,
    Sampling,
    adversarial_settings,
    default,
    penalties_fit,
)

RUN = Defaults(data="digits", steps=4000, batch_size=64)


class Config(Regularization, Augmentation, Architecture, Sampling, Optimization):
    """The settings of `wgan`."""

    lipschitz: Literal["penalty", "clipping"] = Field(
        "penalty",
        description="how the critic is kept Lipschitz: by gradient penalties, or by clipping its "
        "weights to weight_limit",
    )
    weight_limit: float = Field(
        0.01, gt=0, description="largest absolute weight of the critic with lipschitz=clipping"
    )
    n_critic: int = Field(5, ge=1, description="critic updates in one step, each on a fresh batch")
    gradient_penalty_weight: float = default(Regularization, "gradient_penalty_weight", 10.0)
    r1_weight: float = default(Regularization, "r1_weight", 0.0)
    generator_learning_rate: float = default(Optimization, "generator_learning_rate", 5e-4)
    discriminator_learning_rate: float = default(Optimization, "discriminator_learning_rate", 5e-4)
    beta_2: float = default(Optimization, "beta_2", 0.9)

    @model_validator(mode="after")
    def _check_penalties(self):
        if self.lipschitz == "penalty":
            penalties_fit(self.discriminator_norm, self)
            if not self.gradient_penalty_weight and not self.r1_weight:
                raise ValueError(
                    "lipschitz=penalty with gradient_penalty_weight=0 leaves the critic unbounded; "
                    "set it to 10, or lipschitz=clipping"
                )
        return self


def build(config: Config, data: DataSpec, seed: int) -> Game:
    """Builds networks and players for images of one size; call it in the strategy's scope."""
    generator = with_average(
        lambda name: conditional.generator(
            config, data.image_shape, config.latent_dim, seed, name=name
        ),
        config.ema_half_life_images,
    )
    critic = conditional.discriminator(
        config, data.image_shape, seed, name="critic", output_bias=False
    )
    clips = config.lipschitz == "clipping"
    penalty = 0.0 if clips else config.gradient_penalty_weight
    settings = adversarial_settings(config, loss="wasserstein", gradient_penalty_weight=penalty)
    adversarial = AdversarialLoss(settings, "critic")

    def forward(batch: Batch, noise: Noise) -> Batch:
        latents = noise.latents(config.latent_dim, config.latent_distribution)
        return {**batch, "fake": generator.trained({"latents": latents}, training=True)}

    def critic_loss(batch: Batch, noise: Noise):
        output = adversarial.discriminator_loss(
            bind_inputs(critic, batch), batch["image"], batch["fake"], noise
        )
        observed = dict(output.observed)
        observed["wasserstein"] = observed["logit/real"] - observed["logit/fake"]
        return output.loss, observed

    return adversarial_game(
        config,
        adversarial,
        critic,
        generator,
        forward,
        discriminator_loss=critic_loss,
        discriminator_updates=config.n_critic,
        weight_limit=config.weight_limit if clips else 0.0,
        latents=Latents(config.latent_dim, config.latent_distribution),
        discriminator_fn=logits_of_images(critic),
    )

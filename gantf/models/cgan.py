"""`cgan`: the conditional GAN, which draws images of the class that it is asked for.

Mirza & Osindero 2014, arXiv:1411.1784: the label goes into both networks; or, into the
discriminator, by the projection of Miyato & Koyama 2018, arXiv:1802.05637, equation 4. What
differs from the papers by default: networks, R1 penalty, optimizer and moving average are those of
`gan`; the generator is fed a learned embedding of the label beside the latents; a fake takes the
label of the real image of its row, so that both have the shares of the data's classes and the
discriminator compares the two under the same condition.
"""

from typing import Literal

from pydantic import Field, model_validator

from gantf.game import Batch, DataSpec, Game, Latents
from gantf.networks import conditional
from gantf.noise import Noise
from gantf.objectives.adversarial import AdversarialLoss
from gantf.objectives.ema import averaged
from gantf.objectives.players import adversarial_game, logits_of_images
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
    generator = averaged(
        lambda name: conditional.generator(config, shape, config.latent_dim, seed, classes, name),
        config.ema_half_life_images,
    )
    discriminator = conditional.discriminator(
        config, shape, seed, config.spectral_norm, classes, config.condition
    )

    def forward(batch: Batch, noise: Noise) -> Batch:
        latents = noise.latents(config.latent_dim, config.latent_distribution)
        inputs = {"latents": latents, "label": batch["label"]}
        return {**batch, "fake": generator.trained(inputs, training=True)}

    return adversarial_game(
        config,
        AdversarialLoss(config),
        discriminator,
        generator,
        forward,
        inputs=("label",),
        latents=Latents(config.latent_dim, config.latent_distribution),
        label_fractions=data.class_fractions,
        discriminator_fn=logits_of_images(discriminator, "label"),
    )

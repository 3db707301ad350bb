"""`cgan`: the conditional GAN, which generates images of a requested class.

Mirza & Osindero 2014, arXiv:1411.1784: both networks read the label. The discriminator can read it
by the projection of Miyato & Koyama 2018, arXiv:1802.05637, equation 4.

Default differences from the papers: networks, R1 penalty, optimizer and moving average are those of
`gan`; the generator reads a learned embedding of the label, concatenated with the latents; each
fake has the label of the real image in the same row, so that fakes have the class frequencies of
the data and the discriminator compares both images under the same condition.
"""

from typing import Literal

from pydantic import Field, model_validator

from gantf.game import Batch, DataSpec, Game, Latents
from gantf.networks import conditional
from gantf.noise import Noise
from gantf.objectives.adversarial import AdversarialLoss
from gantf.objectives.ema import with_average
from gantf.objectives.players import adversarial_game, logits_of_images
from gantf.settings import Adversarial, Architecture, Optimization, Sampling, penalties_fit

NEEDS = "labels"


class Config(Adversarial, Architecture, Sampling, Optimization):
    """The settings of `cgan`."""

    condition: Literal["concatenation", "projection"] = Field(
        "projection",
        description="how the discriminator reads the label: as one more channel of the image, or "
        "in an inner product with its features",
    )

    @model_validator(mode="after")
    def _check_penalties(self):
        penalties_fit(self.discriminator_norm, self)
        return self


def build(config: Config, data: DataSpec, seed: int) -> Game:
    """Builds networks and players for images of one size; call it in the strategy's scope."""
    shape, classes = data.image_shape, len(data.class_names)
    generator = with_average(
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

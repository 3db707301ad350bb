"""`gan`: the generative adversarial network, with a choice of losses and networks.

Goodfellow et al. 2014, arXiv:1406.2661, on the networks of Radford, Metz & Chintala 2015,
arXiv:1511.06434, of Miyato et al. 2018, arXiv:1802.05957, or on dense layers.

Default differences from the DCGAN paper: samples come from a moving average of the generator; the
discriminator has the R1 penalty (Mescheder et al. 2018, arXiv:1801.04406) instead of batch norm;
R1 allows larger steps without momentum, so both players use Adam with betas 0 and 0.99 (as in
Karras et al. 2019, arXiv:1912.04958) and a learning rate of 0.001.
"""

from pydantic import model_validator

from gantf.game import Batch, DataSpec, Game, Latents
from gantf.networks import conditional
from gantf.noise import Noise
from gantf.objectives.adversarial import AdversarialLoss
from gantf.objectives.ema import with_average
from gantf.objectives.players import adversarial_game, logits_of_images
from gantf.settings import Adversarial, Architecture, Optimization, Sampling, penalties_fit


class Config(Adversarial, Architecture, Sampling, Optimization):
    """The settings of `gan`."""

    @model_validator(mode="after")
    def _check_penalties(self):
        penalties_fit(self.discriminator_norm, self)
        return self


def build(config: Config, data: DataSpec, seed: int) -> Game:
    """Builds networks and players for images of one size; call it in the strategy's scope."""
    generator = with_average(
        lambda name: conditional.generator(
            config, data.image_shape, config.latent_dim, seed, name=name
        ),
        config.ema_half_life_images,
    )
    discriminator = conditional.discriminator(config, data.image_shape, seed, config.spectral_norm)

    def forward(batch: Batch, noise: Noise) -> Batch:
        latents = noise.latents(config.latent_dim, config.latent_distribution)
        return {**batch, "fake": generator.trained({"latents": latents}, training=True)}

    return adversarial_game(
        config,
        AdversarialLoss(config),
        discriminator,
        generator,
        forward,
        latents=Latents(config.latent_dim, config.latent_distribution),
        discriminator_fn=logits_of_images(discriminator),
    )

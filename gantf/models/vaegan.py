"""`vaegan`: a variational autoencoder whose decoder is a GAN's generator, judged by its features.

Larsen et al. 2015, arXiv:1512.09300. The encoder gives a normal law over latents for each image;
the generator, which is the decoder, draws from the latents; the discriminator tells images from
reconstructions and from samples of the prior N(0, I), and a reconstruction is as good as the
discriminator's last hidden layer sees it. What differs from the paper by default: real images
count twice in the discriminator's loss, once against each kind of fakes; the networks, the R1
penalty in place of batch norm in the discriminator, and the optimizers are those of `gan`; sizes
are for small images. Where the generator is averaged, the encoder is, too, so that what is
encoded is decoded by the generator that is sampled.
"""

import keras
import tensorflow as tf
from pydantic import Field, model_validator

from gantf.config import Defaults
from gantf.game import Batch, DataSpec, Game, Latents, PerExample
from gantf.networks import conditional
from gantf.networks import encoder as encoding
from gantf.noise import Noise
from gantf.objectives.adversarial import AdversarialLoss, DiscriminatorFn, diversity
from gantf.objectives.ema import averaged
from gantf.objectives.losses import per_example
from gantf.objectives.players import logits_of_images, player
from gantf.settings import (
    Adversarial,
    Architecture,
    Norm,
    Optimization,
    Sampling,
    adversarial_settings,
    default,
    penalties_fit,
)

RUN = Defaults(steps=4000)


class Config(Adversarial, Architecture, Optimization):
    """What `--set` can change."""

    latent_dim: int = default(Sampling, "latent_dim", 32)
    kl_weight: float = Field(
        0.01,
        ge=0,
        description="of the encoder's distance from the prior, beside the reconstruction",
    )
    reconstruction_weight: float = Field(
        1.0,
        ge=0,
        description="gamma: of the reconstruction in the loss of the generator",
    )
    encoder_channels: int = Field(32, ge=1, description="at full resolution")
    encoder_norm: Norm = Field("batch", description="normalisation layers")
    encoder_learning_rate: float = Field(1e-3, gt=0, description="per step, at the start")

    @model_validator(mode="after")
    def _check_penalties(self):
        penalties_fit(self.discriminator_norm, self)
        return self


def build(config: Config, data: DataSpec, seed: int) -> Game:
    """Builds networks and players for images of one size; call it in the strategy's scope."""
    shape, half_life_images = data.image_shape, config.ema_half_life_images
    encoders = averaged(
        lambda name: encoding.encoder(
            config,
            shape,
            config.latent_dim,
            config.encoder_channels,
            config.encoder_norm,
            seed,
            name,
        ),
        half_life_images,
        "encoder",
    )
    generators = averaged(
        lambda name: conditional.generator(config, shape, config.latent_dim, seed, name=name),
        half_life_images,
    )
    encoder, generator = encoders.trained, generators.trained
    discriminator = encoding.discriminator(config, shape, config.spectral_norm, seed)
    judges = _Judges(config, discriminator)

    def forward(batch: Batch, noise: Noise) -> Batch:
        means, log_variances = encoder({"image": batch["image"]}, training=True)
        codes = means + tf.exp(0.5 * log_variances) * noise.normal("codes", (config.latent_dim,))
        latents = noise.latents(config.latent_dim, "normal")
        reconstruction = generator({"latents": codes}, training=True)
        return {
            **batch,
            "fake": generator({"latents": latents}, training=True),
            "reconstruction": reconstruction,
            "distance": judges.distance(batch["image"], reconstruction),
            "divergence": divergence(means, log_variances),
        }

    def encoder_loss(batch: Batch, noise: Noise):
        distance, kl = batch["distance"], batch["divergence"]
        observed = {"kl": kl, "reconstruction/features": distance}
        return config.kl_weight * kl + distance, observed

    def generator_loss(batch: Batch, noise: Noise):
        adversarial = judges.generator_loss(batch, noise)
        error = per_example(tf.square(batch["reconstruction"] - batch["image"]))
        observed = {"reconstruction/pixels": error, **diversity(batch["image"], batch["fake"])}
        return adversarial + config.reconstruction_weight * batch["distance"], observed

    return Game(
        networks={
            "discriminator": discriminator,
            **encoders.networks,
            **generators.networks,
            **judges.state,
        },
        forward=forward,
        players=(
            player(config, "encoder", (encoder,), encoder_loss, config.encoder_learning_rate),
            player(
                config, "generator", (generator,), generator_loss, config.generator_learning_rate
            ),
            player(
                config,
                "discriminator",
                (discriminator,),
                judges.discriminator_loss,
                config.discriminator_learning_rate,
            ),
        ),
        generators={"generator": generators.sampled},
        averages=(*encoders.averages, *generators.averages),
        latents=Latents(config.latent_dim, "normal"),
        accumulation=config.accumulation,
        encoder=keras.Model(encoders.sampled.input, encoders.sampled.output[0], name="means"),
        discriminator_fn=logits_of_images(discriminator),
    )


def divergence(means: tf.Tensor, log_variances: tf.Tensor) -> PerExample:
    """KL(N(mean, variance) || N(0, I)) in nats, >= 0, per example.

    Args:
      means: shape (n, d).
      log_variances: likewise.

    Source: Kingma & Welling 2013, arXiv:1312.6114, appendix B.
    """
    terms = tf.square(means) + tf.exp(log_variances) - 1.0 - log_variances
    return 0.5 * tf.reduce_sum(terms, axis=1)


class _Judges:
    """The discriminator against two kinds of fakes, and as the measure of a reconstruction.

    Penalties are taken once: at the real images, and at or towards the samples of the prior.
    """

    def __init__(self, config: Config, discriminator: keras.Model):
        self._discriminator = discriminator
        self._of_samples = AdversarialLoss(config)
        unpunished = {"r1_weight": 0.0, "r2_weight": 0.0, "gradient_penalty_weight": 0.0}
        plain = adversarial_settings(config, **unpunished, ada_target=0.0)
        self._of_reconstructions = AdversarialLoss(plain, "reconstruction")
        self.state = self._of_samples.state

    def discriminator_loss(self, batch: Batch, noise: Noise):
        """Against samples and against reconstructions, summed."""
        samples = self._of_samples.discriminator_loss(
            self._judge, batch["image"], batch["fake"], noise
        )
        reconstructions = self._of_reconstructions.discriminator_loss(
            lambda _: samples.real,
            batch["image"],
            batch["reconstruction"],
            noise,
            self._adapted(noise),
        )
        logits = per_example(reconstructions.fake[0])
        observed = {**samples.observed, "logit/reconstruction": logits}
        return samples.loss + reconstructions.loss, observed

    def generator_loss(self, batch: Batch, noise: Noise) -> PerExample:
        """Of samples and of reconstructions, summed."""
        real = batch["image"]
        samples = self._of_samples.generator_loss(self._judge, real, batch["fake"], noise)
        reconstructions = self._of_reconstructions.generator_loss(
            self._adapted(noise), real, batch["reconstruction"], noise
        )
        return samples.loss + reconstructions.loss

    def distance(self, real: tf.Tensor, reconstruction: tf.Tensor) -> PerExample:
        """-log N(features of the reconstruction; features of the image, I), but for a constant.

        Source: Larsen et al. 2015, arXiv:1512.09300, equations 7 and 8.
        """
        (_, wanted), (_, made) = self._judge(real), self._judge(reconstruction)
        return 0.5 * tf.reduce_sum(tf.square(made - wanted), axis=1)

    def _judge(self, images: tf.Tensor) -> list[tf.Tensor]:
        return self._discriminator({"image": images}, training=True)

    def _adapted(self, noise: Noise) -> DiscriminatorFn:
        """The discriminator behind the adaptive augmentation, if there is one."""
        ada = self._of_samples.ada
        if ada is None:
            return self._judge
        return lambda images: self._judge(ada.change(images, noise, "reconstruction/ada"))

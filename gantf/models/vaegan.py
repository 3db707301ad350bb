"""`vaegan`: a variational autoencoder whose decoder is trained as a GAN's generator.

Larsen et al. 2015, arXiv:1512.09300. The encoder maps each image to a normal distribution over
latents. The decoder, which is the generator, maps latents to images. The discriminator separates
real images from reconstructions and from samples of the prior N(0, I). The reconstruction error is
the distance between features of the discriminator's last hidden layer.

Default differences from the paper: real images count twice in the discriminator's loss, once
against each kind of fakes; networks, R1 penalty (instead of batch norm in the discriminator) and
optimizers are those of `gan`; sizes are for small images. With a moving average of the generator,
the encoder has one too, so that the averaged generator decodes the codes of the averaged encoder.
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
from gantf.objectives.ema import with_average
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
    """The settings of `vaegan`."""

    latent_dim: int = default(Sampling, "latent_dim", 32)
    kl_weight: float = Field(
        0.01,
        ge=0,
        description="weight of the KL divergence from the prior in the encoder's loss; the "
        "reconstruction error has weight 1",
    )
    reconstruction_weight: float = Field(
        1.0,
        ge=0,
        description="weight (gamma) of the reconstruction error in the generator's loss",
    )
    encoder_channels: int = Field(
        32, ge=1, description="channels of the encoder at full resolution"
    )
    encoder_norm: Norm = Field("batch", description="normalisation layers of the encoder")
    encoder_learning_rate: float = Field(
        1e-3, gt=0, description="learning rate of the encoder at the first step"
    )

    @model_validator(mode="after")
    def _check_penalties(self):
        penalties_fit(self.discriminator_norm, self)
        return self


def build(config: Config, data: DataSpec, seed: int) -> Game:
    """Builds networks and players for images of one size; call it in the strategy's scope."""
    shape, half_life_images = data.image_shape, config.ema_half_life_images
    encoders = with_average(
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
    generators = with_average(
        lambda name: conditional.generator(config, shape, config.latent_dim, seed, name=name),
        half_life_images,
    )
    encoder, generator = encoders.trained, generators.trained
    discriminator = encoding.discriminator(config, shape, config.spectral_norm, seed)
    adversarial = _AdversarialLosses(config, discriminator)

    def forward(batch: Batch, noise: Noise) -> Batch:
        means, log_variances = encoder({"image": batch["image"]}, training=True)
        codes = means + tf.exp(0.5 * log_variances) * noise.normal("codes", (config.latent_dim,))
        latents = noise.latents(config.latent_dim, "normal")
        reconstruction = generator({"latents": codes}, training=True)
        return {
            **batch,
            "fake": generator({"latents": latents}, training=True),
            "reconstruction": reconstruction,
            "distance": adversarial.distance(batch["image"], reconstruction),
            "divergence": divergence(means, log_variances),
        }

    def encoder_loss(batch: Batch, noise: Noise):
        distance, kl = batch["distance"], batch["divergence"]
        observed = {"kl": kl, "reconstruction/features": distance}
        return config.kl_weight * kl + distance, observed

    def generator_loss(batch: Batch, noise: Noise):
        adversarial_loss = adversarial.generator_loss(batch, noise)
        error = per_example(tf.square(batch["reconstruction"] - batch["image"]))
        observed = {"reconstruction/pixels": error, **diversity(batch["image"], batch["fake"])}
        return adversarial_loss + config.reconstruction_weight * batch["distance"], observed

    return Game(
        networks={
            "discriminator": discriminator,
            **encoders.networks,
            **generators.networks,
            **adversarial.state,
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
                adversarial.discriminator_loss,
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
    """Returns KL(N(mean, variance) || N(0, I)) in nats, >= 0, per example.

    Args:
      means: shape (n, d).
      log_variances: shape (n, d).

    Source: Kingma & Welling 2013, arXiv:1312.6114, appendix B.
    """
    terms = tf.square(means) + tf.exp(log_variances) - 1.0 - log_variances
    return 0.5 * tf.reduce_sum(terms, axis=1)


class _AdversarialLosses:
    """The adversarial losses of samples and reconstructions, and the reconstruction error.

    Gradient penalties are computed once, from real images and samples of the prior, and not a
    second time with the reconstructions.
    """

    def __init__(self, config: Config, discriminator: keras.Model):
        self._discriminator = discriminator
        self._of_samples = AdversarialLoss(config)
        no_penalties = {"r1_weight": 0.0, "r2_weight": 0.0, "gradient_penalty_weight": 0.0}
        plain = adversarial_settings(config, **no_penalties, ada_target=0.0)
        self._of_reconstructions = AdversarialLoss(plain, "reconstruction")
        self.state = self._of_samples.state

    def discriminator_loss(self, batch: Batch, noise: Noise):
        """Returns the sum of the discriminator's losses for samples and for reconstructions."""
        samples = self._of_samples.discriminator_loss(
            self._outputs, batch["image"], batch["fake"], noise
        )
        reconstructions = self._of_reconstructions.discriminator_loss(
            lambda _: samples.real,
            batch["image"],
            batch["reconstruction"],
            noise,
            self._augmented(noise),
        )
        logits = per_example(reconstructions.fake[0])
        observed = {**samples.observed, "logit/reconstruction": logits}
        return samples.loss + reconstructions.loss, observed

    def generator_loss(self, batch: Batch, noise: Noise) -> PerExample:
        """Returns the sum of the generator's losses for samples and for reconstructions."""
        real = batch["image"]
        samples = self._of_samples.generator_loss(self._outputs, real, batch["fake"], noise)
        reconstructions = self._of_reconstructions.generator_loss(
            self._augmented(noise), real, batch["reconstruction"], noise
        )
        return samples.loss + reconstructions.loss

    def distance(self, real: tf.Tensor, reconstruction: tf.Tensor) -> PerExample:
        """Returns -log N(features of the reconstruction; features of the image, I) + constant.

        Source: Larsen et al. 2015, arXiv:1512.09300, equations 7 and 8.
        """
        (_, target), (_, features) = self._outputs(real), self._outputs(reconstruction)
        return 0.5 * tf.reduce_sum(tf.square(features - target), axis=1)

    def _outputs(self, images: tf.Tensor) -> list[tf.Tensor]:
        return self._discriminator({"image": images}, training=True)

    def _augmented(self, noise: Noise) -> DiscriminatorFn:
        """Returns the discriminator, applied after adaptive augmentation if that is on."""
        ada = self._of_samples.ada
        if ada is None:
            return self._outputs
        return lambda images: self._outputs(ada.change(images, noise, "reconstruction/ada"))

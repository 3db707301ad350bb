"""`gan`: the deep convolutional GAN, with the adversarial losses of the field.

Radford, Metz & Chintala 2015, arXiv:1511.06434, on the objective of Goodfellow et al. 2014,
arXiv:1406.2661. What differs from the paper by default: the generator that is sampled is a moving
average; the discriminator has no batch norm but the R1 penalty (Mescheder et al. 2018,
arXiv:1801.04406), and with it both players take the larger steps without momentum that R1 allows
(Adam with beta 0 and 0.99, as in Karras et al. 2019, arXiv:1912.04958, at a rate of 0.001).
"""

from typing import Literal

import keras
import tensorflow as tf
from pydantic import Field, model_validator

from gantf import losses, penalties
from gantf.augment import diffaugment
from gantf.config import ModelConfig, Names
from gantf.game import Average, Batch, DataSpec, Game, Latents, Player
from gantf.networks import dcgan
from gantf.noise import Noise


class Config(ModelConfig):
    """What `--set` can change."""

    loss: losses.Name = Field("non_saturating", description="adversarial loss")
    latent_dim: int = Field(64, ge=1, description="numbers that the generator is fed per image")
    latent_law: Literal["normal", "uniform"] = Field(
        "normal", description="their law: N(0, 1) or U(-1, 1)"
    )
    generator_channels: int = Field(32, ge=1, description="at full resolution")
    discriminator_channels: int = Field(32, ge=1, description="at full resolution")
    max_channels: int = Field(
        0, ge=0, description="at any resolution; 0 for 8 times the image's side, at most 512"
    )
    generator_norm: dcgan.Norm = Field("batch", description="normalisation layers")
    discriminator_norm: dcgan.Norm = Field("none", description="normalisation layers")
    spectral_norm: bool = Field(False, description="divide D's kernels by their spectral norm")
    optimizer: Literal["adam", "sgd"] = Field("adam", description="of both players")
    generator_learning_rate: float = Field(1e-3, gt=0, description="per step")
    discriminator_learning_rate: float = Field(1e-3, gt=0, description="per step")
    beta_1: float = Field(0.0, ge=0, lt=1, description="Adam's decay of the first moment")
    beta_2: float = Field(0.99, ge=0, lt=1, description="Adam's decay of the second moment")
    ema_half_life_images: int = Field(
        20_000, ge=0, description="of the averaged generator that is sampled; 0 turns it off"
    )
    r1_weight: float = Field(0.3, ge=0, description="gamma of the R1 penalty at real images")
    gradient_penalty_weight: float = Field(
        0.0, ge=0, description="lambda of WGAN-GP's penalty between real and fake images"
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description=f"taken off the real label; for {', '.join(losses.SMOOTHABLE)}"
    )
    instance_noise: float = Field(
        0.0,
        ge=0,
        description="standard deviation of the noise on all that D sees, in [-1, 1] units",
    )
    diffaugment: Names[Literal["color", "translation", "cutout"]] = Field(
        (), description="changes to all that D sees, e.g. color,cutout; or none"
    )

    @model_validator(mode="after")
    def _check_meaning(self):
        if self.label_smoothing and self.loss not in losses.SMOOTHABLE:
            raise ValueError(
                f"label_smoothing has no meaning for loss={self.loss}; "
                f"set it to 0 or choose a loss of {', '.join(losses.SMOOTHABLE)}"
            )
        if self.discriminator_norm == "batch" and (self.r1_weight or self.gradient_penalty_weight):
            raise ValueError(
                "discriminator_norm=batch mixes the images of a batch, so r1_weight and "
                "gradient_penalty_weight have no meaning; set both to 0 or choose another norm"
            )
        return self


def build(config: Config, data: DataSpec, seed: int) -> Game:
    """Builds networks and players for images of one size; call it in the strategy's scope."""
    max_channels = config.max_channels or min(8 * max(data.image_shape[:2]), 512)

    def new_generator(name: str) -> keras.Model:
        return dcgan.generator(
            data.image_shape,
            config.latent_dim,
            config.generator_channels,
            max_channels,
            config.generator_norm,
            seed,
            name,
        )

    generator = new_generator("generator")
    discriminator = dcgan.discriminator(
        data.image_shape,
        config.discriminator_channels,
        max_channels,
        config.discriminator_norm,
        config.spectral_norm,
        seed,
    )
    networks = {"generator": generator, "discriminator": discriminator}
    averages: tuple[Average, ...] = ()
    if config.ema_half_life_images:
        networks["generator_average"] = new_generator("generator_average")
        averages = (Average(generator, networks["generator_average"], config.ema_half_life_images),)

    def forward(batch: Batch, noise: Noise) -> Batch:
        latents = noise.latents(config.latent_dim, config.latent_law)
        return {**batch, "fake": generator(latents, training=True)}

    def seen(images: tf.Tensor, noise: Noise, name: str) -> tf.Tensor:
        """The images as the discriminator sees them."""
        images = diffaugment(images, config.diffaugment, noise, f"{name}/diffaugment")
        if config.instance_noise:
            images += config.instance_noise * noise.normal(f"{name}/instance", images.shape[1:])
        return images

    def judge(images: tf.Tensor) -> tf.Tensor:
        return discriminator(images, training=True)

    def discriminator_loss(batch: Batch, noise: Noise):
        real = seen(batch["image"], noise, "d/real")
        fake = seen(batch["fake"], noise, "d/fake")
        if config.r1_weight:
            r1_penalty, real_logits = penalties.r1_penalty(judge, real)
        else:
            r1_penalty, real_logits = None, judge(real)
        fake_logits = judge(fake)
        loss = losses.discriminator_loss(
            config.loss, real_logits, fake_logits, config.label_smoothing
        )
        observed = _observe(real_logits, fake_logits)
        if r1_penalty is not None:
            observed["discriminator/r1_penalty"] = r1_penalty
            loss += config.r1_weight * r1_penalty
        if config.gradient_penalty_weight:
            penalty = penalties.gradient_penalty(judge, real, fake, noise.uniform("d/mixing"))
            observed["discriminator/gradient_penalty"] = penalty
            loss += config.gradient_penalty_weight * penalty
        return loss, observed

    def generator_loss(batch: Batch, noise: Noise):
        fake_logits = judge(seen(batch["fake"], noise, "g/fake"))
        real_logits = fake_logits  # what a loss that compares the two reads, and no other
        if config.loss == "relativistic":
            real_logits = judge(seen(batch["image"], noise, "g/real"))
        loss = losses.generator_loss(config.loss, real_logits, fake_logits)
        return loss, _diversity(batch["image"], batch["fake"])

    return Game(
        networks=networks,
        forward=forward,
        players=(
            Player(
                "discriminator",
                discriminator,
                discriminator_loss,
                _optimizer(config, config.discriminator_learning_rate, discriminator),
            ),
            Player(
                "generator",
                generator,
                generator_loss,
                _optimizer(config, config.generator_learning_rate, generator),
            ),
        ),
        averages=averages,
        generator=networks.get("generator_average", generator),
        latents=Latents(config.latent_dim, config.latent_law),
    )


def _optimizer(config: Config, learning_rate: float, network: keras.Model):
    if config.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(learning_rate)
    else:
        optimizer = keras.optimizers.Adam(learning_rate, config.beta_1, config.beta_2)
    optimizer.build(network.trainable_variables)
    return optimizer


def _observe(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> dict[str, tf.Tensor]:
    """What the log tells of the discriminator, per example.

    "ranking" is the share of pairs in which the real image scores higher: 1/2 when it cannot tell.
    """
    real, fake = real_logits[:, 0], fake_logits[:, 0]
    return {
        "D(x)": tf.sigmoid(real),
        "D(G(z))": tf.sigmoid(fake),
        "logit/real": real,
        "logit/fake": fake,
        "discriminator/ranking": tf.cast(real > fake, tf.float32),
    }


def _diversity(real: tf.Tensor, fake: tf.Tensor) -> dict[str, tf.Tensor]:
    """Mean squared distance of neighbours in the batch, fake over real: near 0 when collapsed."""
    if real.shape[0] < 2:
        return {}

    def spread(images: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.square(images - tf.roll(images, 1, axis=0)))

    return {"diversity": tf.fill([real.shape[0]], spread(fake) / (spread(real) + 1e-12))}

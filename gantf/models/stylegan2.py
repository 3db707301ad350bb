"""`stylegan2`: style-modulated convolutions, noise per pixel and path-length regularisation.

Karras et al. 2020, arXiv:1912.04958, configuration F: mapping and modulated synthesis with skip
connections, residual discriminator with minibatch standard deviation, lazy R1, path-length
regularisation, style mixing, the truncation trick. The defaults are far smaller than the paper's,
so that a run takes minutes on a CPU: 32 x 32 pixels instead of 1024 x 1024, 16 to 64 channels
instead of 32 to 512, w of size 64 from 4 dense layers instead of size 512 from 8, and some 10^5
images instead of 2.5 * 10^7.

Other differences: the gradient of a lazy penalty is added to that of the loss, so a step is one
update of Adam. The paper makes k + 1 updates in k steps, and compensates for that by multiplying
the learning rate by c = k / (k + 1) and raising the betas to the power c; neither is needed here.
Penalties on the discriminator differentiate the sum of a group's logits by each image, as in the
published code. Upsampling of colours repeats an image's edge. The running mean of w is that of the
averaged mapping, which is sampled.
"""

import functools
import math

import tensorflow as tf
from pydantic import Field, model_validator

from gantf.config import Defaults
from gantf.game import Batch, DataSpec, Game, Latents
from gantf.layers.styles import style_mixing, update_w_average
from gantf.networks import stylegan2
from gantf.noise import Noise, scope
from gantf.objectives.adversarial import AdversarialLoss, diversity
from gantf.objectives.ema import with_average
from gantf.objectives.path_length import PathLength, of_fewer, path_lengths
from gantf.objectives.players import adversarial_game, bind_inputs, logits_of_images
from gantf.settings import Adversarial, Optimization, default

RUN = Defaults(data="photo_patches", steps=3000, batch_size=32)


class Config(Adversarial, Optimization):
    """The settings of `stylegan2`."""

    latent_dim: int = Field(64, ge=1, description="size of the generator's latent vector")
    style_dim: int = Field(64, ge=1, description="size of w, the style of an image")
    mapping_layers: int = Field(
        4, ge=1, description="number of the mapping's dense layers, from latents to w"
    )
    mapping_speed: float = Field(
        0.01,
        gt=0,
        le=1,
        description="learning rate of the mapping network, divided by the learning rate of the "
        "generator's other layers",
    )
    style_mixing: float = Field(
        0.9, ge=0, le=1, description="fraction of the fakes in training that mix two styles"
    )
    generator_channels: int = Field(
        16, ge=1, description="channels of the generator at full resolution"
    )
    discriminator_channels: int = Field(
        16, ge=1, description="channels of the discriminator at full resolution"
    )
    max_channels: int = Field(
        64, ge=1, description="most channels of either network at any resolution"
    )
    stddev_group: int = Field(
        4,
        ge=1,
        description="largest number of images in a group of the discriminator's minibatch standard "
        "deviation; the number used divides a replica's batch; 1: no standard deviation",
    )
    path_length_weight: float = Field(
        2.0,
        ge=0,
        description="weight of the path-length penalty; 2 equals the paper's weight at every image "
        "size",
    )
    path_length_every_steps: int = Field(
        4,
        ge=1,
        description="the path-length penalty is computed once in this many steps, and then has "
        "this many times its weight",
    )
    path_length_batch_divisor: int = Field(
        2, ge=1, description="the path-length penalty uses batch_size divided by this many images"
    )
    r1_weight: float = default(Adversarial, "r1_weight", 0.1)
    penalty_every_steps: int = default(Adversarial, "penalty_every_steps", 16)
    generator_learning_rate: float = default(Optimization, "generator_learning_rate", 2e-3)
    discriminator_learning_rate: float = default(Optimization, "discriminator_learning_rate", 2e-3)

    @model_validator(mode="after")
    def _check_spectral_norm(self):
        if self.spectral_norm:
            raise ValueError(
                "spectral_norm would undo the equalized learning rate of stylegan2's layers; "
                "set spectral_norm=false"
            )
        return self


def build(config: Config, data: DataSpec, seed: int) -> Game:
    """Builds networks and players for images of one size; call it in the strategy's scope."""
    generator = with_average(
        lambda name: stylegan2.generator(config, data.image_shape, seed, name),
        config.ema_half_life_images,
    )
    mapping, synthesis = stylegan2.parts(generator.trained)
    discriminator = stylegan2.discriminator(config, data.image_shape, seed)
    adversarial = AdversarialLoss(config)
    path_length = PathLength(name="path_length")
    layers = stylegan2.style_layers(data.image_shape)
    truncations = [network.get_layer("truncation") for network in generator.networks.values()]
    sampled_mapping, _ = stylegan2.parts(generator.sampled)

    def styles(noise: Noise, name: str) -> tf.Tensor:
        """Returns the styles of all layers, shape (local_rows, layers, style_dim)."""
        first = mapping(noise.latents(config.latent_dim, "normal", name), training=True)
        second = mapping(noise.latents(config.latent_dim, "normal", f"{name}/other"), training=True)
        coin, place = noise.uniform(f"{name}/mixes"), noise.uniform(f"{name}/crossing")
        return style_mixing(first, second, layers, coin, place, config.style_mixing)

    def forward(batch: Batch, noise: Noise) -> Batch:
        latents = noise.latents(config.latent_dim, "normal")
        update_w_average(truncations, sampled_mapping(latents), noise.step)
        return {**batch, "fake": synthesis(styles(noise, "latents"), training=True)}

    def path_penalty(noise: Noise) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the penalty and the running mean of lengths, per example; uses fewer images."""
        divisor = math.gcd(config.path_length_batch_divisor, noise.local_rows)
        fewer = of_fewer(noise, divisor)

        def lengths() -> tf.Tensor:
            with scope(fewer):
                directions = fewer.normal("path/directions", data.image_shape)
                draw = functools.partial(synthesis, training=True)
                return path_lengths(draw, styles(fewer, "path"), directions)

        penalty, mean = path_length.penalty(
            lengths, noise.step, config.path_length_every_steps, fewer.local_rows
        )
        return tf.repeat(penalty, divisor), tf.fill([noise.local_rows], mean)

    def generator_loss(batch: Batch, noise: Noise):
        output = adversarial.generator_loss(
            bind_inputs(discriminator, batch), batch["image"], batch["fake"], noise
        )
        observed = diversity(batch["image"], batch["fake"])
        if not config.path_length_weight:
            return output.loss, observed
        penalty, mean = path_penalty(noise)
        observed |= {"generator/path_length": mean, "generator/path_length_penalty": penalty}
        return output.loss + config.path_length_weight * penalty, observed

    def truncate(psi: float) -> None:
        generator.sampled.get_layer("truncation").psi.assign(psi)

    return adversarial_game(
        config,
        adversarial,
        discriminator,
        generator,
        forward,
        generator_loss=generator_loss,
        more_networks={"path_length": path_length} if config.path_length_weight else {},
        latents=Latents(config.latent_dim, "normal"),
        discriminator_fn=logits_of_images(discriminator),
        truncate=truncate,
    )
